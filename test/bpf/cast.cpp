#include "cast.hpp"

#include "chunk.hpp"

namespace naru::test {

namespace {

Cast cast_of(Family family, std::uint8_t protocol)
{
    if (family == Family::v4)
        return {.protocol = protocol,
                .client = at("198.51.100.7:40000"),
                .other_client = at("198.51.100.8:40000"),
                .vip = at("203.0.113.10:80"),
                .other_vip = at("203.0.113.11:81"),
                .node_port = at("192.0.2.1:30080"),
                .pod = at("10.1.1.2:8080"),
                .second = at("10.1.1.3:8080"),
                .bridged = at("10.1.3.2:8080"),
                .neighbour = at("10.1.3.3:8080"),
                .away = at("10.1.2.2:8080"),
                .second_away = at("10.1.2.3:8080"),
                .nowhere = at("10.9.0.1:8080")};
    return {.protocol = protocol,
            .client = at("[2001:db8:ffff::7]:40000"),
            .other_client = at("[2001:db8:ffff::8]:40000"),
            .vip = at("[2001:db8:a::10]:80"),
            .other_vip = at("[2001:db8:a::11]:81"),
            .node_port = at("[2001:db8:1::1]:30080"),
            .pod = at("[fd00:1:1::2]:8080"),
            .second = at("[fd00:1:1::3]:8080"),
            .bridged = at("[fd00:1:3::2]:8080"),
            .neighbour = at("[fd00:1:3::3]:8080"),
            .away = at("[fd00:1:2::2]:8080"),
            .second_away = at("[fd00:1:2::3]:8080"),
            .nowhere = at("[fd00:9::1]:8080")};
}

} // namespace

Packet Cast::request(const SocketAddress& to, std::uint8_t flags) const { return request(client, to, flags); }

Packet Cast::request(const SocketAddress& from, const SocketAddress& to, std::uint8_t flags) const
{
    Packet packet;
    packet.to_mac = network().uplink.mac;
    packet.from_mac = gateway_mac;
    packet.src = from;
    packet.dst = to;
    packet.protocol = protocol;
    if (tcp()) {
        packet.tcp_flags = flags;
        packet.seq = 0x01020304;
        packet.ack_seq = flags & ack ? 0x05060708 : 0;
    } else if (sctp()) {
        packet.seq = flags == syn ? 0 : 0x05060708;
        packet.payload = chunk_saying(flags);
    } else {
        packet.payload = bytes("question");
    }
    return packet;
}

Packet Cast::pod_request(const SocketAddress& to, std::uint8_t flags) const
{
    auto packet = request({pod.address, client.port}, to, flags);
    packet.to_mac = network().pod.mac;
    packet.from_mac = pod_mac;
    return packet;
}

Packet Cast::answer(const Packet& seen, std::uint8_t flags) const
{
    auto packet = seen;
    std::swap(packet.src, packet.dst);
    if (tcp()) {
        packet.tcp_flags = flags;
        packet.seq = 0x0a0b0c0d;
        packet.ack_seq = seen.seq + 1;
    } else if (sctp()) {
        packet.seq = 0x01020304;
        packet.payload = chunk_saying(flags);
    } else {
        packet.payload = bytes("an answer");
    }
    return packet;
}

std::vector<Cast> casts()
{
    return {cast_of(Family::v4, proto_tcp), cast_of(Family::v4, proto_udp), cast_of(Family::v6, proto_tcp),
            cast_of(Family::v6, proto_udp)};
}

std::vector<Cast> casts(std::uint8_t protocol)
{
    return {cast_of(Family::v4, protocol), cast_of(Family::v6, protocol)};
}

SocketAddress at_port(const SocketAddress& at, std::uint16_t port) { return {at.address, {port}}; }

std::ostream& operator<<(std::ostream& out, const Cast& cast)
{
    return out << (cast.v4() ? "IPv4 " : "IPv6 ") << (cast.tcp() ? "TCP" : cast.sctp() ? "SCTP" : "UDP");
}

} // namespace naru::test
