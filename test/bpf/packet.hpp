// Frames as values: a test writes the packet it sends and the packet it expects, never bytes.
#pragma once

#include <array>
#include <cstdint>
#include <iosfwd>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "model/address.hpp"

namespace naru::test {

using Bytes = std::vector<std::uint8_t>;
using Mac = std::array<std::uint8_t, 6>;

constexpr std::uint8_t proto_icmp = 1, proto_tcp = 6, proto_udp = 17, proto_icmp6 = 58, proto_sctp = 132;
constexpr std::uint8_t fin = 0x01, syn = 0x02, rst = 0x04, psh = 0x08, ack = 0x10;

/// An IPv6 extension header: `body` follows the two bytes that name the next header and the length.
struct Extension {
    std::uint8_t type = 0;
    Bytes body = Bytes(6);

    friend bool operator==(const Extension&, const Extension&) = default;
};

/// The family is the addresses'. Lengths, checksums and next headers follow from the rest.
struct Packet {
    Mac to_mac{}, from_mac{};
    SocketAddress src, dst; ///< ports are 0 where the protocol has none
    std::uint8_t protocol = proto_tcp;
    std::uint8_t ttl = 57;
    std::uint8_t tos = 0;
    std::uint32_t flow_label = 0;      ///< IPv6
    std::uint16_t fragment = 0;        ///< IPv4: flags and offset field
    Bytes options;                     ///< IPv4: a multiple of 4 bytes
    std::vector<Extension> extensions; ///< IPv6
    std::uint8_t tcp_flags = 0;
    std::uint32_t seq = 0, ack_seq = 0; ///< SCTP: seq is the verification tag, payload the chunks
    bool udp_checksum = true;           ///< false: the sender left it out
    std::uint8_t icmp_type = 0, icmp_code = 0;
    std::uint32_t icmp_rest = 0; ///< the second word of the ICMP header
    Bytes payload;

    Family family() const { return dst.address.family(); }
    friend bool operator==(const Packet&, const Packet&) = default;
};

/// A whole Ethernet frame with right checksums.
Bytes build(const Packet& packet);

/// Reads back what build() wrote; nullopt when headers and lengths contradict each other or the frame.
std::optional<Packet> read(const Bytes& frame);

/// Bytes of a text, for payloads.
Bytes bytes(std::string_view text);

/// Offsets for tests that break a header on purpose.
std::size_t ip_offset();
std::size_t l4_offset(const Packet& packet);
/// From the transport header on.
Bytes transport_of(const Bytes& frame, const Packet& packet);

std::ostream& operator<<(std::ostream& out, const Packet& packet);

} // namespace naru::test
