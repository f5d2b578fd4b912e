#include "icmp_errors.hpp"

#include <algorithm>

namespace naru::test {

std::vector<Kind> kinds(const Cast& on)
{
    if (on.v4())
        return {{3, 4, 1400}, {3, 0, 0},  {3, 1, 0},  {3, 3, 0},
                {3, 13, 0},   {11, 0, 0}, {11, 1, 0}, {12, 0, 0x08000000}};
    return {{2, 0, 1400}, {1, 0, 0}, {1, 1, 0}, {1, 4, 0}, {3, 0, 0}, {3, 1, 0}, {4, 1, 6}};
}

SocketAddress router(const Cast& on) { return on.v4() ? at("198.51.100.1:0") : at("[2001:db8:ffff::1]:0"); }

Bytes quote_of(const Packet& packet, std::size_t length)
{
    auto frame = build(packet);
    auto end = std::min(frame.size(), l4_offset(packet) + length);
    return {frame.begin() + static_cast<std::ptrdiff_t>(ip_offset()),
            frame.begin() + static_cast<std::ptrdiff_t>(end)};
}

Packet error_about(const Packet& quoted, const Address& from, const Kind& kind, std::size_t length,
                   const Link& link)
{
    Packet error;
    error.to_mac = link.mac;
    error.from_mac = link.mac == network().pod.mac ? pod_mac : gateway_mac;
    error.src.address = from;
    error.dst.address = quoted.src.address;
    error.protocol = quoted.family() == Family::v4 ? proto_icmp : proto_icmp6;
    error.ttl = 62;
    error.tos = 0xc0;
    error.icmp_type = kind.type;
    error.icmp_code = kind.code;
    error.icmp_rest = kind.rest;
    error.payload = quote_of(quoted, length);
    return error;
}

} // namespace naru::test
