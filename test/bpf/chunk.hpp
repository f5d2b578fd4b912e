// Chunks of SCTP (RFC 9260 section 3), what packets of it consist of.
#pragma once

#include <cstdint>

#include "packet.hpp"

namespace naru::test {

/// Padded to four bytes, which its length does not count.
Bytes chunk(std::uint8_t type, const Bytes& body, std::uint8_t flags = 0);

/// INIT or INIT ACK: tag, window and streams, and then these parameters.
Bytes init(std::uint8_t type, const Bytes& parameters = {});

/// One of a parameter list: other addresses of an end, a cookie, ...
Bytes parameter(std::uint16_t type, const Bytes& value);

/// DATA of so many bytes in all.
Bytes data_chunk(std::size_t length);

/// The chunk that says in SCTP what these flags say in TCP.
Bytes chunk_saying(std::uint8_t tcp_flags);

Bytes operator+(Bytes left, const Bytes& right);

} // namespace naru::test
