#include "tunnels.hpp"

#include <algorithm>

namespace naru::test {

std::size_t overhead(const Cast& on) { return on.v4() ? 20 : 40; }

Packet in_tunnel(const Packet& inner, const Address& from, const Address& to)
{
    const bool v4 = inner.family() == Family::v4;
    Packet outer;
    outer.to_mac = inner.to_mac;
    outer.from_mac = inner.from_mac;
    outer.src.address = from;
    outer.dst.address = to;
    outer.protocol = v4 ? 4 : 41;
    outer.ttl = inner.ttl;
    outer.tos = inner.tos;
    outer.flow_label = inner.flow_label;
    outer.fragment = v4 ? std::uint16_t{0x4000} : std::uint16_t{0};
    auto frame = build(inner);
    outer.payload = {frame.begin() + static_cast<std::ptrdiff_t>(ip_offset()), frame.end()};
    return outer;
}

Packet in_tunnel(const Bytes& inner, const Address& from, const Address& to)
{
    Packet like;
    like.dst.address = to;
    std::copy_n(inner.begin(), like.to_mac.size(), like.to_mac.begin());
    auto outer = in_tunnel(like, from, to);
    outer.payload = {inner.begin() + static_cast<std::ptrdiff_t>(ip_offset()), inner.end()};
    return outer;
}

Bytes inner_frame(const Packet& outer)
{
    auto frame = build(outer);
    frame.resize(ip_offset());
    frame.insert(frame.end(), outer.payload.begin(), outer.payload.end());
    return frame;
}

Packet arriving(const Packet& inner, const Address& from, const Address& to)
{
    auto outer = in_tunnel(inner, from, to);
    outer.from_mac = other_mac;
    return outer;
}

Address asked_node(const Cast& on) { return addr(on.v4() ? "192.0.2.2" : "2001:db8:1::2"); }

Packet onward(Packet packet)
{
    --packet.ttl;
    return packet;
}

} // namespace naru::test
