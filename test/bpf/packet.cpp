#include "packet.hpp"

#include <algorithm>
#include <ostream>
#include <span>

#include "checksum.hpp"

namespace naru::test {

namespace {

constexpr std::size_t eth_header = 14;

/// Appends big-endian numbers and ranges.
struct Writer {
    Bytes out;

    void u8(unsigned value) { out.push_back(static_cast<std::uint8_t>(value)); }
    void u16(std::size_t value)
    {
        u8(static_cast<unsigned>(value >> 8 & 0xff));
        u8(static_cast<unsigned>(value & 0xff));
    }
    void u32(std::uint32_t value)
    {
        u16(value >> 16);
        u16(value & 0xffff);
    }
    template <class Range>
    void range(const Range& range)
    {
        out.insert(out.end(), range.begin(), range.end());
    }
};

/// Takes big-endian numbers from the front; after the end everything is zero and `bad` is set.
struct Reader {
    std::span<const std::uint8_t> in;
    bool bad = false;

    std::span<const std::uint8_t> take(std::size_t count)
    {
        if (count > in.size()) {
            bad = true;
            in = {};
            return {};
        }
        auto taken = in.first(count);
        in = in.subspan(count);
        return taken;
    }
    std::uint8_t u8()
    {
        auto taken = take(1);
        return taken.empty() ? std::uint8_t{0} : taken[0];
    }
    std::uint16_t u16()
    {
        auto high = u8();
        return static_cast<std::uint16_t>(high << 8 | u8());
    }
    std::uint32_t u32()
    {
        std::uint32_t high = u16();
        return high << 16 | u16();
    }
    void mac(Mac& mac) { std::ranges::copy(take(6), mac.begin()); }
    Bytes rest() { return {in.begin(), in.end()}; }
};

std::span<const std::uint8_t> wire_address(const Address& address)
{
    std::span<const std::uint8_t> all{address.bytes};
    return address.family() == Family::v4 ? all.last(4) : all;
}

Address mapped(std::span<const std::uint8_t> v4)
{
    Address address;
    address.bytes[10] = address.bytes[11] = 0xff;
    std::ranges::copy(v4, address.bytes.begin() + 12);
    return address;
}

std::size_t checksum_offset(std::uint8_t protocol)
{
    return protocol == proto_tcp ? 16 : protocol == proto_udp ? 6 : 2;
}

Bytes transport(const Packet& p)
{
    Writer w;
    switch (p.protocol) {
    case proto_tcp:
        w.u16(p.src.port.host);
        w.u16(p.dst.port.host);
        w.u32(p.seq);
        w.u32(p.ack_seq);
        w.u8(5 << 4);
        w.u8(p.tcp_flags);
        w.u16(512);
        w.u32(0); // checksum, urgent pointer
        break;
    case proto_udp:
        w.u16(p.src.port.host);
        w.u16(p.dst.port.host);
        w.u16(8 + p.payload.size());
        w.u16(0);
        break;
    case proto_sctp: {
        w.u16(p.src.port.host);
        w.u16(p.dst.port.host);
        w.u32(p.seq);
        w.u32(0);
        w.range(p.payload);
        auto check = crc32c(w.out);
        for (std::size_t i = 0; i < 4; ++i) // the lowest byte first
            w.out[8 + i] = static_cast<std::uint8_t>(check >> 8 * i & 0xff);
        return w.out;
    }
    case proto_icmp:
    case proto_icmp6:
        w.u8(p.icmp_type);
        w.u8(p.icmp_code);
        w.u16(0);
        w.u32(p.icmp_rest);
        break;
    default:
        w.range(p.payload);
        return w.out;
    }
    w.range(p.payload);

    std::uint32_t start =
        p.protocol == proto_icmp
            ? 0
            : pseudo_sum(wire_address(p.src.address), wire_address(p.dst.address), p.protocol, w.out.size());
    auto check = fold(sum(w.out, start));
    if (p.protocol == proto_udp)
        check = !p.udp_checksum ? std::uint16_t{0} : check ? check : std::uint16_t{0xffff};
    auto at = checksum_offset(p.protocol);
    w.out[at] = static_cast<std::uint8_t>(check >> 8);
    w.out[at + 1] = static_cast<std::uint8_t>(check & 0xff);
    return w.out;
}

void write_v4(Writer& frame, const Packet& p, const Bytes& segment)
{
    Writer ip;
    std::size_t header = 20 + p.options.size();
    ip.u8(static_cast<unsigned>(0x40 | header / 4));
    ip.u8(p.tos);
    ip.u16(header + segment.size());
    ip.u16(0x1234);
    ip.u16(p.fragment);
    ip.u8(p.ttl);
    ip.u8(p.protocol);
    ip.u16(0);
    ip.range(wire_address(p.src.address));
    ip.range(wire_address(p.dst.address));
    ip.range(p.options);
    auto check = fold(sum(ip.out));
    ip.out[10] = static_cast<std::uint8_t>(check >> 8);
    ip.out[11] = static_cast<std::uint8_t>(check & 0xff);
    frame.range(ip.out);
}

void write_v6(Writer& frame, const Packet& p, const Bytes& segment)
{
    std::size_t extensions = 0;
    for (const auto& extension : p.extensions)
        extensions += 2 + extension.body.size();
    frame.u32(0x60000000u | static_cast<std::uint32_t>(p.tos) << 20 | p.flow_label);
    frame.u16(extensions + segment.size());
    frame.u8(p.extensions.empty() ? p.protocol : p.extensions.front().type);
    frame.u8(p.ttl);
    frame.range(p.src.address.bytes);
    frame.range(p.dst.address.bytes);
    for (std::size_t i = 0; i < p.extensions.size(); ++i) {
        frame.u8(i + 1 < p.extensions.size() ? p.extensions[i + 1].type : p.protocol);
        frame.u8(static_cast<unsigned>((2 + p.extensions[i].body.size()) / 8 - 1));
        frame.range(p.extensions[i].body);
    }
}

void read_v4(Reader& in, Packet& p)
{
    auto header = (in.u8() & 0xfu) * 4;
    p.tos = in.u8();
    auto total = in.u16();
    in.u16();
    p.fragment = in.u16();
    p.ttl = in.u8();
    p.protocol = in.u8();
    in.u16();
    auto src = in.take(4), dst = in.take(4);
    if (in.bad || header < 20 || total < header || total - 20u > in.in.size()) {
        in.bad = true;
        return;
    }
    p.src.address = mapped(src);
    p.dst.address = mapped(dst);
    auto options = in.take(header - 20);
    p.options = {options.begin(), options.end()};
    in.in = in.in.first(std::min<std::size_t>(in.in.size(), total - header));
}

void read_v6(Reader& in, Packet& p)
{
    auto first_word = in.u32();
    p.tos = static_cast<std::uint8_t>(first_word >> 20);
    p.flow_label = first_word & 0xfffff;
    auto length = in.u16();
    auto next = in.u8();
    p.ttl = in.u8();
    std::ranges::copy(in.take(16), p.src.address.bytes.begin());
    std::ranges::copy(in.take(16), p.dst.address.bytes.begin());
    if (length > in.in.size()) {
        in.bad = true;
        return;
    }
    in.in = in.in.first(length);
    while (next == 0 || next == 43 || next == 44 || next == 60) {
        Extension extension{.type = next};
        next = in.u8();
        auto body = in.take((in.u8() + 1u) * 8 - 2);
        extension.body = {body.begin(), body.end()};
        p.extensions.push_back(extension);
    }
    p.protocol = next;
}

void read_transport(Reader& in, Packet& p)
{
    switch (p.protocol) {
    case proto_tcp:
        p.src.port = {in.u16()};
        p.dst.port = {in.u16()};
        p.seq = in.u32();
        p.ack_seq = in.u32();
        in.bad = in.bad || in.u8() != 5 << 4;
        p.tcp_flags = in.u8();
        in.u16();
        in.u32();
        break;
    case proto_udp: {
        p.src.port = {in.u16()};
        p.dst.port = {in.u16()};
        auto length = in.u16();
        p.udp_checksum = in.u16() != 0;
        in.bad = in.bad || length != 8 + in.in.size();
        break;
    }
    case proto_sctp:
        p.src.port = {in.u16()};
        p.dst.port = {in.u16()};
        p.seq = in.u32();
        in.u32();
        break;
    case proto_icmp:
    case proto_icmp6:
        p.icmp_type = in.u8();
        p.icmp_code = in.u8();
        in.u16();
        p.icmp_rest = in.u32();
        break;
    default:
        break;
    }
    p.payload = in.rest();
}

} // namespace

Bytes build(const Packet& p)
{
    Writer frame;
    frame.range(p.to_mac);
    frame.range(p.from_mac);
    frame.u16(p.family() == Family::v4 ? 0x0800 : 0x86dd);
    auto segment = transport(p);
    p.family() == Family::v4 ? write_v4(frame, p, segment) : write_v6(frame, p, segment);
    frame.range(segment);
    return frame.out;
}

std::optional<Packet> read(const Bytes& frame)
{
    Reader in{frame};
    Packet p;
    in.mac(p.to_mac);
    in.mac(p.from_mac);
    auto ethertype = in.u16();
    if (in.bad || in.in.empty() || in.in[0] >> 4 != (ethertype == 0x0800 ? 4 : ethertype == 0x86dd ? 6 : -1))
        return std::nullopt;
    ethertype == 0x0800 ? read_v4(in, p) : read_v6(in, p);
    if (!in.bad)
        read_transport(in, p);
    return in.bad ? std::nullopt : std::optional{p};
}

Bytes bytes(std::string_view text) { return {text.begin(), text.end()}; }

std::size_t ip_offset() { return eth_header; }

std::size_t l4_offset(const Packet& p)
{
    std::size_t at = eth_header + (p.family() == Family::v4 ? 20 + p.options.size() : 40);
    for (const auto& extension : p.extensions)
        at += 2 + extension.body.size();
    return at;
}

Bytes transport_of(const Bytes& frame, const Packet& p)
{
    return {frame.begin() + static_cast<std::ptrdiff_t>(l4_offset(p)), frame.end()};
}

std::ostream& operator<<(std::ostream& out, const Packet& p)
{
    out << p.src.text() << " -> " << p.dst.text() << " proto " << int{p.protocol} << " ttl " << int{p.ttl};
    if (p.fragment)
        out << " frag " << p.fragment;
    if (p.protocol == proto_tcp)
        out << " flags " << int{p.tcp_flags} << " seq " << p.seq << " ack " << p.ack_seq;
    if (p.protocol == proto_sctp)
        out << " tag " << p.seq;
    if (p.protocol == proto_udp && !p.udp_checksum)
        out << " no checksum";
    if (p.protocol == proto_icmp || p.protocol == proto_icmp6)
        out << " type " << int{p.icmp_type} << " code " << int{p.icmp_code} << " rest " << p.icmp_rest;
    auto mac = [&](const Mac& m) {
        for (auto byte : m)
            out << ' ' << int{byte};
    };
    out << " payload " << p.payload.size() << " to";
    mac(p.to_mac);
    out << " from";
    mac(p.from_mac);
    return out;
}

} // namespace naru::test
