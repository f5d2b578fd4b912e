// Direct server return at the backend's node: the outer header goes, the inner packet is the backend's.
#include <algorithm>
#include <set>

#include "bpf/expect.hpp"
#include "bpf/pieces.hpp"
#include "bpf/tunnels.hpp"

using namespace naru;
using namespace naru::test;

namespace {

/// A node with a backend that other nodes may send to directly.
struct Behind {
    explicit Behind(const Cast& cast) : on{cast}
    {
        service = node.publish({.backends = {local(on.pod), remote(on.away)}, .forwarding = Forwarding::dsr});
        node.vip(on.vip, on.protocol, service);
    }

    Outcome comes(const Packet& inner) { return comes(inner, on.pod.address); }
    Outcome comes(const Packet& inner, const Address& backend)
    {
        return node.ingress(arriving(inner, asked_node(on), backend), network().uplink);
    }
    Packet stripped(const Packet& inner, const SocketAddress& backend) const
    {
        auto expected = inner;
        expected.from_mac = other_mac;
        expected.dst = backend;
        return expected;
    }

    const Cast& on;
    Host node;
    std::uint32_t service = 0;
};

} // namespace

TEST_CASE(
    "what came encapsulated reaches the backend from the client itself, and is answered by the frontend")
{
    auto on = GENERATE(from_range(casts()));
    CAPTURE(on);
    Behind behind{on};
    for (std::uint8_t flags : {syn, ack, std::uint8_t(ack | psh)}) {
        auto sent = on.request(on.vip, flags);
        sent.tos = 0xb8;
        sent.payload = bytes("some bytes");
        check_sent(behind.comes(sent), LB_DECAPSULATED, Verdict::to_stack, behind.stripped(sent, on.pod));
        auto answer = on.answer(behind.stripped(sent, on.pod));
        auto expected = answer;
        expected.src = on.vip;
        check_sent(behind.node.egress(answer, network().uplink), LB_REPLY, Verdict::to_stack, expected);
    }
    auto direct = on.request(on.vip, ack); // the network may move a flow to this very node
    auto expected = direct;
    expected.dst = on.pod;
    check_sent(behind.node.ingress(direct, network().uplink), LB_FORWARD_LOCAL, Verdict::to_stack, expected);
}

TEST_CASE("the outer header is the choice: its address gives the row, the row gives the port")
{
    auto on = GENERATE(from_range(casts()));
    CAPTURE(on);
    Behind behind{on};
    auto other = SocketAddress{on.second.address, {9090}};
    behind.node.publish(
        {.backends = {local(on.pod), remote(on.away), local(other)}, .forwarding = Forwarding::dsr},
        behind.service);
    for (std::uint16_t port = 1; port <= 8; ++port) {
        auto sent = on.request({on.client.address, {port}}, on.vip);
        auto backend = port % 2 ? on.pod : other;
        check_sent(behind.comes(sent, backend.address), LB_DECAPSULATED, Verdict::to_stack,
                   behind.stripped(sent, backend));
    }
    // Chosen anew by the other node: the flow moves.
    auto sent = on.request({on.client.address, {1}}, on.vip);
    check_sent(behind.comes(sent, other.address), LB_DECAPSULATED, Verdict::to_stack,
               behind.stripped(sent, other));
}

TEST_CASE("the NodePort of another node is known by its number, if that node vouches for it")
{
    auto on = GENERATE(from_range(casts()));
    CAPTURE(on);
    Behind behind{on};
    behind.node.frontend(on.node_port, on.protocol,
                         {.inside = behind.service,
                          .outside = behind.service,
                          .kind = LB_KIND_NODE_PORT,
                          .flags = LB_FRONTEND_NODE_ADDRESS,
                          .pad = 0});
    SocketAddress theirs{asked_node(on), on.node_port.port};
    auto sent = on.request(theirs);
    check_sent(behind.comes(sent), LB_DECAPSULATED, Verdict::to_stack, behind.stripped(sent, on.pod));
    auto answer = on.answer(behind.stripped(sent, on.pod));
    CHECK(behind.node.egress(answer, network().uplink).packet().src == theirs);

    auto other = on.request({asked_node(on), {30081}});
    auto frame = build(arriving(other, asked_node(on), on.pod.address));
    check_untouched(behind.node.ingress(frame, network().uplink), frame); // no such number
    auto forged = on.request({on.client.address, on.node_port.port});
    forged.src = on.other_client;
    frame = build(arriving(forged, asked_node(on), on.pod.address));
    check_untouched(behind.node.ingress(frame, network().uplink),
                    frame); // of an address the sender does not have
    auto own = on.request(on.node_port);
    frame = build(arriving(own, asked_node(on), on.pod.address));
    check_untouched(behind.node.ingress(frame, network().uplink), frame); // only this node is asked there
}

TEST_CASE("a flow lives on when its Service is served otherwise, or its frontend goes")
{
    auto on = GENERATE(from_range(casts()));
    CAPTURE(on);
    Behind behind{on};
    auto sent = on.request(on.vip);
    auto seen = behind.comes(sent).packet();
    behind.node.egress(on.answer(seen), network().uplink);
    sent.tcp_flags = on.tcp() ? ack : std::uint8_t{0};
    CHECK(name(behind.comes(sent).reason) == name(LB_DECAPSULATED));
    behind.node.publish({.backends = {local(on.pod), remote(on.away)}}, behind.service);
    check_sent(behind.comes(sent), LB_DECAPSULATED, Verdict::to_stack, behind.stripped(sent, on.pod));
    auto fresh = build(arriving(on.request(on.other_client, on.vip), asked_node(on), on.pod.address));
    check_untouched(behind.node.ingress(fresh, network().uplink), fresh);
}

TEST_CASE("tunnels of others pass byte for byte")
{
    auto on = GENERATE(from_range(casts()));
    CAPTURE(on);
    Behind behind{on};
    auto inner = on.request(on.vip);
    auto passes = [&](const Packet& packet, const Link& link) {
        auto frame = build(packet);
        check_untouched(behind.node.ingress(frame, link), frame);
    };
    passes(arriving(inner, asked_node(on), on.second.address), network().uplink); // no backend
    passes(arriving(inner, asked_node(on), on.away.address), network().uplink);   // none of this node
    passes(arriving(on.request(on.second), asked_node(on), on.pod.address), network().uplink); // no frontend
    passes(arriving(inner, on.second.address, on.pod.address), network().pod);                 // from a pod
    auto leaving = build(in_tunnel(inner, on.node(), on.away.address));
    auto got = behind.node.egress(leaving, network().uplink);
    CHECK(got.frame == leaving);
    CHECK(name(got.reason) == name(LB_PASS));
    auto outer = arriving(inner, asked_node(on), on.pod.address);
    outer.protocol = on.v4() ? 41 : 4; // the other family inside
    passes(outer, network().uplink);
    outer = arriving(inner, asked_node(on), on.pod.address);
    outer.payload.resize(10);
    passes(outer, network().uplink);
    outer.payload.clear();
    passes(outer, network().uplink);
}

TEST_CASE("encapsulated packets that no node would send are dropped and counted")
{
    auto on = GENERATE(from_range(casts()));
    CAPTURE(on);
    Behind behind{on};
    auto& node = behind.node;
    auto comes = [&](const Packet& packet) { return node.ingress(packet, network().uplink); };
    const auto* loopback = on.v4() ? "127.0.0.1" : "::1";
    const auto* many = on.v4() ? "224.0.0.1" : "ff02::1";

    for (const auto& source : {addr(loopback), addr(many), on.vip.address}) {
        auto inner = on.request({source, on.client.port}, on.vip);
        check_dropped(comes(arriving(inner, asked_node(on), on.pod.address)), LB_MALFORMED);
        check_dropped(comes(arriving(on.request(on.vip), source == on.vip.address ? on.pod.address : source,
                                     on.pod.address)),
                      LB_TUNNEL_REFUSED);
    }
    auto itself = on.request({on.pod.address, on.client.port}, on.vip);
    check_dropped(comes(arriving(itself, asked_node(on), on.pod.address)), LB_TUNNEL_REFUSED);
    auto nested = in_tunnel(on.request(on.vip), asked_node(on), on.vip.address);
    check_dropped(comes(arriving(nested, asked_node(on), on.pod.address)), LB_TUNNEL_REFUSED);
    auto deep = in_tunnel(arriving(on.request(on.vip), asked_node(on), on.pod.address), asked_node(on),
                          on.pod.address);
    auto frame = build(deep); // to the right backend, but a tunnel again: nobody's
    check_untouched(node.ingress(frame, network().uplink), frame);
    auto to_vip =
        arriving(on.request(on.vip), asked_node(on), on.vip.address); // a backend that is a frontend
    check_dropped(comes(to_vip), LB_PROTO_UNSERVED);
    if (on.tcp()) {
        check_dropped(comes(arriving(on.request(on.vip, rst), asked_node(on), on.pod.address)), LB_NO_FLOW);
        auto cut = arriving(on.request(on.vip), asked_node(on), on.pod.address);
        cut.payload.resize(cut.payload.size() - 12);
        check_dropped(comes(cut), LB_MALFORMED);
    }
    CHECK(node.flows().tcp.empty());
    CHECK(node.flows().any.empty());
}

TEST_CASE("source ranges hold for clients that come encapsulated")
{
    auto on = GENERATE(from_range(casts()));
    CAPTURE(on);
    Behind behind{on};
    behind.node.vip(on.vip, on.protocol, behind.service, LB_FRONTEND_RANGES);
    behind.node.admit(behind.service, {on.client.address, on.v4() ? 32u : 128u});
    CHECK(name(behind.comes(on.request(on.vip)).reason) == name(LB_DECAPSULATED));
    check_dropped(behind.comes(on.request(on.other_client, on.vip)), LB_SOURCE_RANGE);
}

TEST_CASE("a client on the backend's own node is left to the backend, which will refuse")
{
    auto on = GENERATE(from_range(casts()));
    CAPTURE(on);
    Behind behind{on};
    for (const auto& client : {on.node(), on.neighbour.address, on.nowhere.address}) {
        auto frame =
            build(arriving(on.request({client, on.client.port}, on.vip), asked_node(on), on.pod.address));
        check_untouched(behind.node.ingress(frame, network().uplink), frame);
    }
}

TEST_CASE("congestion met on the way between the nodes reaches the backend")
{
    auto on = GENERATE(from_range(casts()));
    CAPTURE(on);
    Behind behind{on};
    auto sent = on.request(on.vip);
    sent.tos = 0x02; // ECT(0)
    auto outer = arriving(sent, asked_node(on), on.pod.address);
    outer.tos = 0x03;
    auto expected = behind.stripped(sent, on.pod);
    expected.tos = 0x03;
    check_sent(behind.node.ingress(outer, network().uplink), LB_DECAPSULATED, Verdict::to_stack, expected);
    sent.tos = 0; // a client that knows no such marks must lose the packet instead
    outer = arriving(sent, asked_node(on), on.pod.address);
    outer.tos = 0x03;
    check_dropped(behind.node.ingress(outer, network().uplink), LB_TUNNEL_REFUSED);
}

TEST_CASE("a datagram in pieces, each encapsulated, reaches the backend whole and by itself")
{
    auto on = GENERATE(from_range(casts(proto_udp)));
    CAPTURE(on);
    Behind behind{on};
    auto whole = on.request(on.vip);
    whole.payload.assign(3000, 0x11);
    auto arrives = [&](const Bytes& part, const Address& backend) {
        return behind.node.ingress(build(in_tunnel(part, asked_node(on), backend)), network().uplink);
    };
    auto parts = pieces(whole, 1000);
    auto early = arrives(parts.at(1), on.pod.address);
    CHECK(name(early.reason) == name(LB_FRAGMENT_WAIT));
    CHECK(early.frame == build(in_tunnel(parts.at(1), asked_node(on), on.pod.address)));
    std::vector<Bytes> seen;
    for (const auto& part : parts) {
        auto got = arrives(part, on.pod.address);
        CHECK(name(got.reason) == name(LB_DECAPSULATED));
        CHECK(got.verdict == Verdict::to_stack);
        seen.push_back(got.frame);
    }
    auto expected = behind.stripped(whole, on.pod);
    expected.from_mac = Mac{};
    CHECK(join(seen) == expected);
    check_dropped(arrives(parts.at(2), on.pod.address), LB_FRAGMENT_OVERLAP);
    check_dropped(arrives(parts.at(1), on.second.address), LB_TUNNEL_REFUSED);
}
