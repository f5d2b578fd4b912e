// Answers the node gives itself: RST, port unreachable, echo; and silence where Kubernetes asks for it.
#include <algorithm>

#include "bpf/cast.hpp"
#include "bpf/expect.hpp"
#include "lb/icmp.h"

using namespace naru;
using namespace naru::test;

namespace {

constexpr std::uint8_t answer_ttl = 64;
constexpr std::uint16_t dont_fragment = 0x4000;

/// The frame's way back: stations, addresses and ports exchanged, nothing else kept.
Packet back_from(const Packet& sent)
{
    Packet answer;
    answer.to_mac = sent.from_mac;
    answer.from_mac = sent.to_mac;
    answer.src = sent.dst;
    answer.dst = sent.src;
    answer.ttl = answer_ttl;
    answer.fragment = sent.family() == Family::v4 ? dont_fragment : std::uint16_t{0};
    return answer;
}

Packet reset_of(const Packet& sent)
{
    auto answer = back_from(sent);
    answer.protocol = proto_tcp;
    answer.tcp_flags = rst | ack;
    answer.seq = 0;
    answer.ack_seq = sent.seq + 1;
    return answer;
}

/// Quotes as much as fits into 128 bytes.
Packet unreachable_of(const Packet& sent)
{
    bool v4 = sent.family() == Family::v4;
    auto answer = back_from(sent);
    answer.src.port = answer.dst.port = {};
    answer.protocol = v4 ? proto_icmp : proto_icmp6;
    answer.icmp_type = v4 ? 3 : 1;
    answer.icmp_code = v4 ? 3 : 4;
    auto frame = build(sent);
    auto from = frame.begin() + static_cast<std::ptrdiff_t>(ip_offset());
    answer.payload = {from, frame.size() - ip_offset() > 128 ? from + 128 : frame.end()};
    return answer;
}

Packet refusal_of(const Packet& sent)
{
    return sent.protocol == proto_tcp ? reset_of(sent) : unreachable_of(sent);
}

Packet echo(const Cast& on, const SocketAddress& to)
{
    auto packet = on.request({on.client.address, {}}, {to.address, {}});
    packet.protocol = on.v4() ? proto_icmp : proto_icmp6;
    packet.tcp_flags = 0;
    packet.seq = 0;
    packet.icmp_type = on.v4() ? 8 : 128;
    packet.icmp_rest = 0xbeef0001;
    packet.payload = bytes("abcdefghijklm");
    return packet;
}

} // namespace

TEST_CASE("a Service without any backend refuses: RST to TCP, port unreachable to UDP")
{
    auto on = GENERATE(from_range(casts()));
    auto length = GENERATE(0u, 3u, 700u);
    CAPTURE(on, length);
    Host node;
    node.vip(on.vip, on.protocol, node.publish({}));
    auto sent = on.request(on.vip);
    sent.payload.assign(length, 0x5a);
    check_sent(node.ingress(sent, network().uplink), LB_NO_BACKEND, Verdict::redirect, refusal_of(sent));

    auto inside = on.pod_request(on.vip);
    check_sent(node.ingress(inside, network().pod), LB_NO_BACKEND, Verdict::redirect, refusal_of(inside));
    CHECK(node.flows().tcp.size() + node.flows().any.size() == 0);
}

TEST_CASE("policy Local without a backend here is silence")
{
    auto on = GENERATE(from_range(casts()));
    CAPTURE(on);
    Host node;
    auto everywhere = node.publish({.backends = {remote(on.away)}});
    auto here = node.publish({.backends = {}, .drop_if_empty = true});
    node.frontend(
        on.vip, on.protocol,
        {.inside = everywhere, .outside = here, .kind = LB_KIND_LOAD_BALANCER, .flags = 0, .pad = 0});
    check_dropped(node.ingress(on.request(on.vip), network().uplink), LB_NO_LOCAL_ENDPOINTS);
    CHECK(name(node.ingress(on.pod_request(on.vip), network().pod).reason) == name(LB_FORWARD_LOCAL));
}

TEST_CASE("backends that only drain take no new flow")
{
    auto on = GENERATE(from_range(casts()));
    CAPTURE(on);
    Host node;
    node.vip(on.vip, on.protocol, node.publish({.backends = {draining(local(on.pod))}}));
    CHECK(name(node.ingress(on.request(on.vip), network().uplink).reason) == name(LB_NO_BACKEND));
}

TEST_CASE("a port of a VIP that nobody serves refuses")
{
    auto on = GENERATE(from_range(casts()));
    CAPTURE(on);
    Host node;
    node.vip(on.vip, on.protocol, node.publish({.backends = {local(on.pod)}}));
    auto sent = on.request({on.vip.address, {9999}});
    check_sent(node.ingress(sent, network().uplink), LB_PORT_UNSERVED, Verdict::redirect, refusal_of(sent));
}

TEST_CASE("the same port of the other transport is not served either")
{
    auto on = GENERATE(from_range(casts()));
    CAPTURE(on);
    Host node;
    node.vip(on.vip, on.tcp() ? proto_udp : proto_tcp, node.publish({.backends = {local(on.pod)}}));
    auto sent = on.request(on.vip);
    check_sent(node.ingress(sent, network().uplink), LB_PORT_UNSERVED, Verdict::redirect, refusal_of(sent));
}

TEST_CASE("a port of this node's own address that is no NodePort is the host's")
{
    auto on = GENERATE(from_range(casts()));
    CAPTURE(on);
    Host node;
    auto web = node.publish({.backends = {local(on.pod)}});
    node.frontend(on.node_port, on.protocol,
                  {.inside = web,
                   .outside = web,
                   .kind = LB_KIND_NODE_PORT,
                   .flags = LB_FRONTEND_NODE_ADDRESS,
                   .pad = 0});
    auto sent = on.request({on.node(), {22}});
    check_untouched(node.ingress(sent, network().uplink), build(sent));
    auto ping = echo(on, {on.node(), {}});
    check_untouched(node.ingress(ping, network().uplink), build(ping));
}

TEST_CASE("only the start of a TCP connection is refused aloud, the rest of one is dropped")
{
    auto on = GENERATE(from_range(casts(proto_tcp)));
    auto flags = GENERATE(as<std::uint8_t>{}, ack, rst, rst | ack, fin | ack, syn | ack, 0, syn | rst);
    CAPTURE(on, int{flags});
    Host node;
    node.vip(on.vip, on.protocol, node.publish({}));
    check_dropped(node.ingress(on.request(on.vip, flags), network().uplink), LB_NO_FLOW);
    check_dropped(node.ingress(on.request({on.vip.address, {9999}}, flags), network().uplink), LB_NO_FLOW);
}

TEST_CASE("a refused packet with options or extension headers gets a plain answer")
{
    auto on = GENERATE(from_range(casts()));
    auto count = GENERATE(1u, 5u, 10u);
    CAPTURE(on, count);
    Host node;
    node.vip(on.vip, on.protocol, node.publish({}));
    auto sent = on.request(on.vip);
    if (on.v4())
        sent.options.assign(count * 4, 1);
    else
        sent.extensions.assign(std::min(count, 6u), {.type = 60});
    check_sent(node.ingress(sent, network().uplink), LB_NO_BACKEND, Verdict::redirect, refusal_of(sent));
}

TEST_CASE("a datagram whose ports lie too deep to be quoted is refused in silence")
{
    auto on = casts(proto_udp).back();
    Host node;
    node.vip(on.vip, on.protocol, node.publish({}));
    auto sent = on.request(on.vip);
    sent.extensions = {{.type = 60, .body = Bytes(86)}};
    check_dropped(node.ingress(sent, network().uplink), LB_REWRITE_FAILED);
    sent.extensions = {{.type = 60, .body = Bytes(78)}};
    check_sent(node.ingress(sent, network().uplink), LB_NO_BACKEND, Verdict::redirect, refusal_of(sent));
}

TEST_CASE("an echo request to a VIP is answered as a host would, to any other address it is left alone")
{
    auto on = GENERATE(from_range(casts(proto_tcp)));
    CAPTURE(on);
    Host node;
    node.vip(on.vip, on.protocol, node.publish({.backends = {local(on.pod)}}));
    auto sent = echo(on, on.vip);
    sent.ttl = 3;
    auto expected = sent;
    expected.icmp_type = on.v4() ? 0 : 129;
    std::swap(expected.src, expected.dst);
    std::swap(expected.to_mac, expected.from_mac);
    expected.ttl = answer_ttl;
    check_sent(node.ingress(sent, network().uplink), LB_ECHO, Verdict::redirect, expected);

    auto other = echo(on, on.other_vip);
    check_untouched(node.ingress(other, network().uplink), build(other));
}

TEST_CASE("other ICMP to a VIP is dropped, but neighbour discovery is the stack's")
{
    auto on = GENERATE(from_range(casts(proto_tcp)));
    CAPTURE(on);
    Host node;
    node.vip(on.vip, on.protocol, node.publish({.backends = {local(on.pod)}}));
    for (unsigned type = 0; type < 256; ++type) {
        auto sent = echo(on, on.vip);
        if (type == sent.icmp_type)
            continue;
        sent.icmp_type = static_cast<std::uint8_t>(type);
        CAPTURE(type);
        auto got = node.ingress(sent, network().uplink);
        if (!on.v4() && type >= 133 && type <= 137)
            check_untouched(got, build(sent));
        else // an error has to quote something
            check_dropped(got, lb_icmp_is_error(on.v4() ? 4 : 6, sent.icmp_type) ? LB_MALFORMED
                                                                                 : LB_PROTO_UNSERVED);
    }
}

TEST_CASE("ICMP of the other family is a protocol without ports")
{
    auto on = GENERATE(from_range(casts(proto_tcp)));
    CAPTURE(on);
    Host node;
    node.vip(on.vip, on.protocol, node.publish({.backends = {local(on.pod)}}));
    auto sent = echo(on, on.vip);
    sent.protocol = on.v4() ? proto_icmp6 : proto_icmp;
    check_dropped(node.ingress(sent, network().uplink), LB_PROTO_UNSERVED);
}

TEST_CASE("a datagram to a former backend is refused when its socket was led there by a frontend")
{
    auto on = GENERATE(from_range(casts(proto_udp)));
    auto backend = GENERATE_COPY(values({on.away, on.second}));
    auto long_ago = GENERATE(as<std::uint64_t>{}, 0, 100);
    CAPTURE(on, backend.text(), long_ago);
    Host node;
    node.gone(backend, now_jiffies() - long_ago * LB_UDP_GONE_SEC * ticks_per_second());
    node.sockets_are(proto_udp, on.vip, backend);
    auto sent = on.pod_request(backend);
    check_sent(node.ingress(sent, network().pod), LB_BACKEND_GONE, Verdict::redirect, unreachable_of(sent));
}

TEST_CASE("a datagram to a former backend passes when its socket dialled that address, or another")
{
    auto on = GENERATE(from_range(casts(proto_udp)));
    CAPTURE(on);
    Host node;
    auto sent = on.pod_request(on.away);
    SECTION("no frontend led it anywhere") { node.gone(on.away, now_jiffies()); }
    SECTION("a frontend had led it to another backend")
    {
        node.gone(on.away, now_jiffies());
        node.sockets_are(proto_udp, on.vip, on.second_away);
    }
    SECTION("a frontend had led it to another port")
    {
        node.gone(on.away, now_jiffies());
        node.sockets_are(proto_udp, on.vip, {on.away.address, {53}});
    }
    SECTION("a TCP socket had the number") // numbers are not used twice; a table may say what it likes
    {
        node.gone(on.away, now_jiffies());
        node.sockets_are(proto_tcp, on.vip, on.away);
    }
    SECTION("the address still serves") { node.sockets_are(proto_udp, on.vip, on.away); }
    SECTION("another port of the address has gone")
    {
        node.gone({on.away.address, {53}}, now_jiffies());
        node.sockets_are(proto_udp, on.vip, on.away);
    }
    check_untouched(node.ingress(sent, network().pod), build(sent));
}

TEST_CASE("neither TCP nor what comes by an uplink is refused for a former backend")
{
    auto on = GENERATE(from_range(casts()));
    CAPTURE(on);
    Host node;
    node.gone(on.away, now_jiffies());
    node.sockets_are(on.protocol, on.vip, on.away);
    auto by_uplink = on.request(on.away), by_pod = on.pod_request(on.away);
    check_untouched(node.ingress(by_uplink, network().uplink), build(by_uplink));
    if (on.tcp())
        check_untouched(node.ingress(by_pod, network().pod), build(by_pod));
}

TEST_CASE("a former backend's address that is a frontend is served as one")
{
    auto on = GENERATE(from_range(casts(proto_udp)));
    CAPTURE(on);
    Host node;
    node.vip(on.vip, on.protocol, node.publish({.backends = {local(on.second)}}));
    node.gone(on.vip, now_jiffies());
    node.sockets_are(proto_udp, on.vip, on.vip);
    CHECK(node.ingress(on.pod_request(on.vip), network().pod).packet().dst == on.second);
}
