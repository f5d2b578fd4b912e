// Datagrams in pieces: cut as a router or a sender would, put together as a receiver would.
#pragma once

#include <optional>
#include <span>

#include "packet.hpp"

namespace naru::test {

/// The bytes [from, to) of a packet's transport, as one frame of datagram number `id`. `to` behind the end:
/// the last one.
struct Part {
    std::size_t from = 0, to = 0;
    std::uint32_t id = 0x1234;
    bool more = false; ///< says that there is more, although it reaches the end
};

Bytes piece(const Packet& whole, const Part& part);

/// All of a packet in pieces of so many bytes, a multiple of 8, in order.
std::vector<Bytes> pieces(const Packet& whole, std::size_t each, std::uint32_t id = 0x1234);

/// How many bytes its transport has.
std::size_t transport_bytes(const Packet& whole);

/// Put together in whatever order they come. nullopt: they are no datagram, its checksum is wrong, or their
/// headers differ in more than the fragment's own.
std::optional<Packet> join(std::span<const Bytes> frames);

} // namespace naru::test
