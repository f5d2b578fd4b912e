#include "address.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <random>

namespace naru {

namespace {

constexpr std::array<std::uint8_t, 12> mapped_prefix{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
constexpr unsigned mapped_bits = 96;

const std::array<std::uint64_t, 2> hash_seed = [] {
    std::random_device random;
    auto word = [&] { return std::uint64_t{random()} << 32 | random(); };
    return std::array{word(), word()};
}();

bool is_digit(char c) { return c >= '0' && c <= '9'; }

/// A decimal number without sign, at most `limit`; leading zeros do not make it octal.
std::optional<unsigned> parse_number(std::string_view text, unsigned limit)
{
    unsigned value = 0;
    if (text.empty())
        return std::nullopt;
    for (char c : text) {
        if (!is_digit(c))
            return std::nullopt;
        value = value * 10 + static_cast<unsigned>(c - '0');
        if (value > limit)
            return std::nullopt;
    }
    return value;
}

std::optional<Address> parse_v4(std::string_view text)
{
    Address address;
    std::ranges::copy(mapped_prefix, address.bytes.begin());
    std::size_t octet = 12;
    unsigned value = 0;
    bool any_digit = false;
    for (char c : text) {
        if (c == '.' && any_digit && octet < 15) {
            address.bytes[octet++] = static_cast<std::uint8_t>(value);
            value = 0;
            any_digit = false;
            continue;
        }
        value = value * 10 + static_cast<unsigned>(c - '0');
        if (!is_digit(c) || value > 255)
            return std::nullopt;
        any_digit = true;
    }
    if (!any_digit || octet != 15)
        return std::nullopt;
    address.bytes[octet] = static_cast<std::uint8_t>(value);
    return address;
}

std::optional<Address> parse_v6(std::string_view text)
{
    std::array<char, INET6_ADDRSTRLEN> terminated{};
    if (text.size() >= terminated.size() || text.contains('\0'))
        return std::nullopt;
    std::ranges::copy(text, terminated.begin());
    Address address;
    if (inet_pton(AF_INET6, terminated.data(), address.bytes.data()) != 1)
        return std::nullopt;
    return address;
}

std::string text_v4(const Address& address)
{
    std::string out;
    for (std::size_t i = 12; i < 16; ++i)
        out += (i > 12 ? "." : "") + std::to_string(address.bytes[i]);
    return out;
}

/// inet_ntop would write ::/96 with a dotted quad, which RFC 5952 does not.
std::string text_v6(const Address& address)
{
    std::array<unsigned, 8> groups{};
    for (std::size_t i = 0; i < groups.size(); ++i)
        groups[i] = static_cast<unsigned>(address.bytes[2 * i] << 8 | address.bytes[2 * i + 1]);

    std::size_t gap = groups.size(), gap_length = 1; // a single zero group is written out
    for (std::size_t begin = 0; begin < groups.size(); ++begin) {
        std::size_t end = begin;
        while (end < groups.size() && groups[end] == 0)
            ++end;
        if (end - begin > gap_length) {
            gap = begin;
            gap_length = end - begin;
        }
        begin = end;
    }

    std::string out;
    for (std::size_t i = 0; i < groups.size(); ++i) {
        if (i == gap) {
            out += "::";
            i += gap_length - 1;
            continue;
        }
        if (!out.empty() && !out.ends_with(':'))
            out += ':';
        std::array<char, 4> digits{};
        auto [end, _] = std::to_chars(digits.begin(), digits.end(), groups[i], 16);
        out.append(digits.begin(), end);
    }
    return out;
}

/// Clears what lies behind the first `bits` of all 128.
void clear_host_bits(Address& address, unsigned bits)
{
    for (unsigned i = 0; i < 16; ++i) {
        unsigned kept = bits <= 8 * i ? 0 : std::min(8u, bits - 8 * i);
        address.bytes[i] &= static_cast<std::uint8_t>(0xff00u >> kept);
    }
}

} // namespace

std::string_view text(Protocol protocol)
{
    switch (protocol) {
    case Protocol::tcp:
        return "TCP";
    case Protocol::udp:
        return "UDP";
    case Protocol::sctp:
        return "SCTP";
    }
    return "?";
}

std::optional<Protocol> parse_protocol(std::string_view name)
{
    for (auto protocol : {Protocol::tcp, Protocol::udp, Protocol::sctp})
        if (name == text(protocol))
            return protocol;
    return std::nullopt;
}

std::optional<Address> Address::parse(std::string_view text)
{
    return text.contains(':') ? parse_v6(text) : parse_v4(text);
}

Address Address::from(const lb_addr& raw)
{
    Address address;
    std::memcpy(address.bytes.data(), raw.bytes, sizeof raw.bytes);
    return address;
}

Family Address::family() const
{
    return std::memcmp(bytes.data(), mapped_prefix.data(), mapped_prefix.size()) == 0 ? Family::v4
                                                                                      : Family::v6;
}

lb_addr Address::raw() const
{
    lb_addr raw;
    std::memcpy(raw.bytes, bytes.data(), sizeof raw.bytes);
    return raw;
}

std::string Address::text() const { return family() == Family::v4 ? text_v4(*this) : text_v6(*this); }

bool Address::is_unspecified() const
{
    auto first = family() == Family::v4 ? bytes.begin() + 12 : bytes.begin();
    return std::all_of(first, bytes.end(), [](auto byte) { return byte == 0; });
}

bool Address::is_loopback() const
{
    if (family() == Family::v4)
        return bytes[12] == 127;
    return bytes[15] == 1 && std::all_of(bytes.begin(), bytes.end() - 1, [](auto byte) { return byte == 0; });
}

bool Address::is_link_local() const
{
    if (family() == Family::v4)
        return bytes[12] == 169 && bytes[13] == 254;
    return bytes[0] == 0xfe && (bytes[1] & 0xc0) == 0x80;
}

bool Address::is_multicast() const
{
    return family() == Family::v4 ? (bytes[12] & 0xf0) == 0xe0 : bytes[0] == 0xff;
}

bool Address::is_broadcast() const
{
    return family() == Family::v4 &&
           std::all_of(bytes.begin() + 12, bytes.end(), [](auto b) { return b == 255; });
}

const char* Address::why_unservable() const
{
    if (is_loopback())
        return "loopback";
    if (is_unspecified())
        return "unspecified";
    if (is_link_local())
        return "link-local";
    if (is_multicast())
        return "multicast";
    return is_broadcast() ? "broadcast" : nullptr;
}

std::size_t AddressHash::operator()(const Address& address) const
{
    std::array<std::uint64_t, 2> halves;
    static_assert(sizeof halves == sizeof address.bytes);
    std::memcpy(halves.data(), address.bytes.data(), sizeof halves);
    const auto product =
        static_cast<unsigned __int128>(halves[0] ^ hash_seed[0]) * (halves[1] ^ hash_seed[1]);
    return static_cast<std::size_t>(product) ^ static_cast<std::size_t>(product >> 64);
}

std::string SocketAddress::text() const
{
    auto host = address.family() == Family::v4 ? address.text() : '[' + address.text() + ']';
    return host + ':' + std::to_string(port.host);
}

std::optional<Cidr> Cidr::parse(std::string_view text)
{
    auto slash = text.find('/');
    if (slash == std::string_view::npos)
        return std::nullopt;
    auto address = Address::parse(text.substr(0, slash));
    if (!address)
        return std::nullopt;
    bool v4 = address->family() == Family::v4;
    auto bits = parse_number(text.substr(slash + 1), v4 ? 32 : 128);
    if (!bits)
        return std::nullopt;
    clear_host_bits(*address, *bits + (v4 ? mapped_bits : 0));
    return Cidr{*address, *bits};
}

bool Cidr::contains(const Address& other) const
{
    if (other.family() != address.family())
        return false;
    Address network = other;
    clear_host_bits(network, bits + (address.family() == Family::v4 ? mapped_bits : 0));
    return network == address;
}

std::string Cidr::text() const { return address.text() + '/' + std::to_string(bits); }

} // namespace naru
