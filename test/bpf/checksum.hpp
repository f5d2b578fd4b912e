// Checksums computed anew from the bytes of a frame, the slow and obvious way (RFC 1071, RFC 9260 appendix
// A): the judge of what the programs patch incrementally.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "packet.hpp"

namespace naru::test {

/// Ones' complement sum of big-endian words, an odd last byte padded with zero; `start` is added.
std::uint32_t sum(std::span<const std::uint8_t> bytes, std::uint32_t start = 0);
std::uint16_t fold(std::uint32_t sum); ///< the complement, as it stands in a header

/// Pseudo header of IPv4 or IPv6 from the raw addresses.
std::uint32_t pseudo_sum(std::span<const std::uint8_t> src, std::span<const std::uint8_t> dst,
                         std::uint8_t protocol, std::size_t length);

/// CRC32c, bit by bit.
std::uint32_t crc32c(std::span<const std::uint8_t> bytes);

/// What is wrong with the checksums of an Ethernet frame; empty when all are right. A zero UDP checksum over
/// IPv4 means "none" and is right.
std::string checksum_errors(const Bytes& frame);

} // namespace naru::test
