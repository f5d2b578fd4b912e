// Processes of the node whose sockets are not served: their packets are met when they leave.
#include "bpf/cast.hpp"
#include "bpf/expect.hpp"
#include "bpf/icmp_errors.hpp"
#include "bpf/pieces.hpp"

using namespace naru;
using namespace naru::test;

namespace {

const Settings packets_of_host{.host_packets = true};

/// A node whose address is on its uplink.
struct ThisNode : Host {
    explicit ThisNode(const Cast& on) : Host{packets_of_host} { own(on.node(), network().uplink.ifindex); }
};

Packet from_process(const Cast& on, const SocketAddress& to, std::uint8_t flags = syn)
{
    auto sent = on.request({on.node(), on.client.port}, to, flags);
    sent.to_mac = gateway_mac;
    sent.from_mac = network().uplink.mac;
    return sent;
}

/// What the host gets has no station's address, and for IPv4 no type either: lo needs none.
Outcome for_host(Outcome got)
{
    for (std::size_t at = 0; at < 12; ++at)
        CHECK(got.frame.at(at) == 0);
    if (got.frame.at(ip_offset()) >> 4 == 4) {
        CHECK(got.frame.at(12) == 0);
        got.frame.at(12) = 0x08;
    }
    return got;
}

Packet without_stations(Packet packet)
{
    packet.to_mac = packet.from_mac = {};
    return packet;
}

} // namespace

TEST_CASE("a process of the node reaches a backend anywhere from an address of the node, and gets the "
          "frontend's answer by way of lo")
{
    auto on = GENERATE(from_range(casts()));
    auto here = GENERATE(true, false);
    CAPTURE(on, here);
    ThisNode node{on};
    auto backend = here ? on.pod : on.away;
    node.vip(on.vip, on.protocol, node.publish({.backends = {here ? local(backend) : remote(backend)}}));

    auto sent = from_process(on, on.vip);
    auto got = node.egress(sent, network().uplink);
    auto expected = sent;
    expected.src = got.packet().src;
    expected.dst = backend;
    check_sent(got, LB_FORWARD_REMOTE, Verdict::redirect, expected);

    auto answer = on.answer(got.packet());
    if (!here) {
        answer.to_mac = network().uplink.mac;
        answer.from_mac = other_mac;
    }
    auto back = without_stations(answer);
    back.src = on.vip;
    back.dst = sent.src;
    auto came = node.ingress(answer, here ? network().pod : network().uplink);
    check_sent(for_host(came), LB_REPLY_SNAT, Verdict::redirect, back);
}

TEST_CASE("a process that reaches another one of its node is seen under the address it dialled in the end")
{
    auto on = GENERATE(from_range(casts()));
    CAPTURE(on);
    ThisNode node{on};
    const SocketAddress server{on.node(), {7000}};
    node.vip(on.vip, on.protocol, node.publish({.backends = {local(server)}}));

    auto sent = from_process(on, on.vip);
    auto got = for_host(node.egress(sent, network().uplink));
    auto expected = without_stations(sent);
    expected.src = got.packet().src;
    expected.dst = server;
    check_sent(got, LB_FORWARD_REMOTE, Verdict::redirect, expected);
    CHECK(got.packet().src.address == on.node());

    auto answer = on.answer(got.packet());
    auto back = without_stations(answer);
    back.src = on.vip;
    back.dst = sent.src;
    check_sent(for_host(node.egress(answer, network().uplink)), LB_REPLY_SNAT, Verdict::redirect, back);
}

TEST_CASE("a packet with a source that no device of the node has is no process's of it")
{
    auto on = GENERATE(from_range(casts()));
    CAPTURE(on);
    ThisNode node{on};
    node.vip(on.vip, on.protocol, node.publish({.backends = {remote(on.away)}}));
    auto sent = on.request(on.vip);
    check_untouched(node.egress(sent, network().uplink), build(sent));
}

TEST_CASE("where sockets are served a process's packet to a frontend is left alone")
{
    auto on = GENERATE(from_range(casts()));
    CAPTURE(on);
    Host node;
    node.own(on.node(), network().uplink.ifindex);
    node.vip(on.vip, on.protocol, node.publish({.backends = {remote(on.away)}}));
    auto sent = from_process(on, on.vip);
    check_untouched(node.egress(sent, network().uplink), build(sent));
}

TEST_CASE("a process is told by way of lo that nobody serves what it dialled")
{
    auto on = GENERATE(from_range(casts()));
    CAPTURE(on);
    ThisNode node{on};
    node.vip(on.vip, on.protocol, node.publish({}));
    auto empty = from_process(on, on.vip);
    auto got = for_host(node.egress(empty, network().uplink));
    CHECK(name(got.reason) == name(LB_NO_BACKEND));
    CHECK(got.verdict == Verdict::redirect);
    CHECK(got.packet().src.address == on.vip.address);
    CHECK(got.packet().dst.address == on.node());

    auto unserved = from_process(on, {on.vip.address, {7001}});
    got = for_host(node.egress(unserved, network().uplink));
    CHECK(name(got.reason) == name(LB_PORT_UNSERVED));
    CHECK(got.verdict == Verdict::redirect);
}

TEST_CASE("processes of the node use the frontends on its loopback addresses, the service for the inside and "
          "the ranges that admit their node")
{
    auto on = GENERATE(from_range(casts()));
    CAPTURE(on);
    ThisNode node{on};
    auto inside = node.publish({.backends = {remote(on.away)}}),
         outside = node.publish({.backends = {local(on.pod)}});
    constexpr std::uint8_t flags = LB_FRONTEND_HOST_ONLY | LB_FRONTEND_RANGES | LB_FRONTEND_ADMITS_NODE;
    const lb_frontend row{
        .inside = inside, .outside = outside, .kind = LB_KIND_NODE_PORT, .flags = flags, .pad = 0};
    node.frontend(on.node_port, on.protocol, row);
    CHECK(node.egress(from_process(on, on.node_port), network().uplink).packet().dst == on.away);

    auto refused = row;
    refused.flags = LB_FRONTEND_RANGES;
    node.frontend(on.other_vip, on.protocol, refused);
    check_dropped(node.egress(from_process(on, on.other_vip), network().uplink), LB_SOURCE_RANGE);
    node.admit(inside, {on.node(), on.v4() ? 32u : 128u});
    CHECK(node.egress(from_process(on, on.other_vip), network().uplink).packet().dst == on.away);
}

TEST_CASE("ICMP errors about a process's flow reach the process, and its own reach the backend")
{
    auto on = GENERATE(from_range(casts()));
    auto kind = GENERATE_COPY(from_range(kinds(on)));
    CAPTURE(on, kind.type, kind.code);
    ThisNode node{on};
    node.vip(on.vip, on.protocol, node.publish({.backends = {remote(on.away)}}));
    auto sent = from_process(on, on.vip);
    auto seen = node.egress(sent, network().uplink).packet();

    auto about_request = error_about(seen, router(on).address, kind, whole, network().uplink);
    auto got = for_host(node.ingress(about_request, network().uplink));
    CHECK(name(got.reason) == name(LB_ICMP_TO_CLIENT));
    CHECK(got.verdict == Verdict::redirect);
    CHECK(got.packet().dst.address == on.node());
    CHECK(got.packet().payload == quote_of(sent, whole));

    auto answer = on.answer(seen);
    auto gotten = answer;
    gotten.src = on.vip;
    gotten.dst = sent.src;
    auto about_answer = error_about(gotten, on.node(), kind, whole, network().uplink);
    got = node.egress(about_answer, network().uplink);
    CHECK(name(got.reason) == name(LB_ICMP_TO_BACKEND));
    CHECK(got.verdict == Verdict::redirect);
    CHECK(got.packet().src.address == seen.src.address);
    CHECK(got.packet().dst.address == on.away.address);
    CHECK(got.packet().payload == quote_of(answer, whole));
}

TEST_CASE("a process's datagram in fragments goes where its first one goes, and none of them anywhere else")
{
    auto on = GENERATE(from_range(casts(proto_udp)));
    CAPTURE(on);
    ThisNode node{on};
    node.vip(on.vip, on.protocol, node.publish({.backends = {remote(on.away)}}));
    auto sent = from_process(on, on.vip);
    sent.payload = Bytes(3000, 0x5c);
    const auto frames = pieces(sent, 1400);
    REQUIRE(frames.size() == 3);
    check_dropped(node.egress(frames[1], network().uplink), LB_FRAGMENT);

    std::vector<Bytes> gone;
    for (const auto& frame : frames) {
        auto got = node.egress(frame, network().uplink);
        CHECK(name(got.reason) == name(LB_FORWARD_REMOTE));
        CHECK(got.verdict == Verdict::redirect);
        gone.push_back(got.frame);
    }
    const auto joined = join(gone);
    REQUIRE(joined);
    CHECK(joined->dst == on.away);
    CHECK(joined->src.address == on.node());
    CHECK(joined->payload == sent.payload);
}
