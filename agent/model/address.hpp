// Addresses, ports and protocols as values. Host order and strong types inside; bytes only at the edge.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "lb/abi.h"

namespace naru {

enum class Family : std::uint8_t { v4 = 4, v6 = 6 };
enum class Protocol : std::uint8_t { tcp = 6, udp = 17, sctp = 132 };

std::string_view text(Protocol protocol); ///< "TCP"
std::optional<Protocol>
parse_protocol(std::string_view text); ///< "TCP", "UDP", "SCTP"; exact case as in the API

/// Do its ends say when a connection begins and ends?
constexpr bool has_connections(Protocol protocol) { return protocol != Protocol::udp; }

/// An IPv6 address, or an IPv4 address mapped into IPv6. Ordered by bytes, so IPv4 sorts together.
struct Address {
    std::array<std::uint8_t, 16> bytes{};

    /// Dotted quad (leading zeros read as decimal, as upstream's parser does) or RFC 4291 text; no zone, no
    /// port.
    static std::optional<Address> parse(std::string_view text);
    static Address from(const lb_addr& raw);

    Family family() const;
    lb_addr raw() const;
    std::string text() const; ///< RFC 5952; a mapped address as dotted quad

    bool is_unspecified() const;
    bool is_loopback() const; ///< 127/8 or ::1
    bool is_link_local() const;
    bool is_multicast() const;
    bool is_broadcast() const; ///< 255.255.255.255

    /// Nobody may be served there and nobody may serve from there (CVE-2020-8554, CVE-2021-25737): what kind
    /// of address it is, in a word; null for any other.
    const char* why_unservable() const;

    friend auto operator<=>(const Address&, const Address&) = default;
};

/// Seeded for each process: nobody can choose addresses that collide.
struct AddressHash {
    std::size_t operator()(const Address& address) const;
};

struct Port {
    std::uint16_t host = 0;

    __be16 raw() const { return static_cast<__be16>(__builtin_bswap16(host)); }
    static Port from(__be16 raw) { return {__builtin_bswap16(raw)}; }
    friend auto operator<=>(const Port&, const Port&) = default;
};

struct SocketAddress {
    Address address;
    Port port;

    std::string text() const; ///< "10.0.0.1:80", "[fd00::1]:80"
    friend auto operator<=>(const SocketAddress&, const SocketAddress&) = default;
};

/// A network: `bits` counts from the first bit of the family's own address (0..32 or 0..128).
struct Cidr {
    Address address; ///< host bits zero
    unsigned bits = 0;

    static std::optional<Cidr> parse(std::string_view text); ///< "10.0.0.0/8"; host bits are cleared
    bool contains(const Address& address) const;             ///< false for another family
    std::string text() const;
    friend auto operator<=>(const Cidr&, const Cidr&) = default;
};

} // namespace naru
