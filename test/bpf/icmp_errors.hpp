// ICMP errors as routers and hosts send them.
#pragma once

#include <cstdint>
#include <vector>

#include "cast.hpp"

namespace naru::test {

/// Type, code and second word of an error.
struct Kind {
    std::uint8_t type, code;
    std::uint32_t rest;
};

/// Every kind of error of a family; the first says that a packet is too big.
std::vector<Kind> kinds(const Cast& on);

/// Bytes of the transport header that are quoted at least, and more than any packet has.
constexpr std::size_t eight_bytes = 8, whole = 100000;

/// A router on the way, outside.
SocketAddress router(const Cast& on);

/// A packet as it is quoted: from its IP header on, cut behind so many bytes of the transport header.
Bytes quote_of(const Packet& packet, std::size_t length);

/// An error to the source of `quoted`, as it comes in by the device (or, on its way out, leaves the stack).
Packet error_about(const Packet& quoted, const Address& from, const Kind& kind, std::size_t length,
                   const Link& link);

} // namespace naru::test
