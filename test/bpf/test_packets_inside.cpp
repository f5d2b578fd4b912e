// Pods whose sockets were not translated: their packets are, at the ingress of their device.
#include "bpf/cast.hpp"
#include "bpf/expect.hpp"

using namespace naru;
using namespace naru::test;

TEST_CASE(
    "a pod reaches a backend anywhere with its own address, and gets the frontend's answer at its device")
{
    auto on = GENERATE(from_range(casts()));
    auto here = GENERATE(true, false);
    CAPTURE(on, here);
    Host node;
    auto backend = here ? on.second : on.away;
    node.vip(on.vip, on.protocol, node.publish({.backends = {here ? local(backend) : remote(backend)}}));

    auto sent = on.pod_request(on.vip);
    auto expected = sent;
    expected.dst = backend;
    auto got = node.ingress(sent, network().pod);
    check_sent(got, LB_FORWARD_LOCAL, Verdict::to_stack, expected);

    auto answer = on.answer(got.packet());
    auto reversed = answer;
    reversed.src = on.vip;
    check_sent(node.egress(answer, network().pod), LB_REPLY, Verdict::to_stack, reversed);
}

TEST_CASE("a pod that is chosen for its own request gets it back from an address of the node")
{
    auto on = GENERATE(from_range(casts()));
    CAPTURE(on);
    Host node;
    node.vip(on.vip, on.protocol, node.publish({.backends = {local(on.pod)}}));

    auto sent = on.pod_request(on.vip);
    auto got = node.ingress(sent, network().pod);
    auto expected = sent;
    expected.src = got.packet().src;
    expected.dst = on.pod;
    expected.ttl = static_cast<std::uint8_t>(sent.ttl - 1);
    std::swap(expected.to_mac, expected.from_mac);
    check_sent(got, LB_HAIRPIN, Verdict::redirect, expected);
    auto source = got.packet().src.address;
    CHECK(source != on.pod.address);
    CHECK((source == on.node() || source == (on.v4() ? addr("10.1.3.1") : addr("fd00:1:3::1"))));

    auto answer = on.answer(got.packet());
    auto back = answer;
    back.src = on.vip;
    back.dst = sent.src;
    back.ttl = static_cast<std::uint8_t>(answer.ttl - 1);
    std::swap(back.to_mac, back.from_mac);
    check_sent(node.ingress(answer, network().pod), LB_REPLY_SNAT, Verdict::redirect, back);
}

TEST_CASE("client and backend on one bridge talk at layer 2 in both directions")
{
    auto on = GENERATE(from_range(casts()));
    CAPTURE(on);
    Host node;
    node.vip(on.vip, on.protocol, node.publish({.backends = {local(on.neighbour)}}));
    auto sent = on.pod_request(on.vip);
    sent.src = {on.bridged.address, on.client.port};
    sent.to_mac = network().bridge.mac;
    sent.from_mac = port_pod_mac;

    auto expected = sent;
    expected.dst = on.neighbour;
    expected.to_mac = neighbour_mac;
    check_sent(node.ingress(sent, network().port), LB_FORWARD_LOCAL, Verdict::to_stack, expected);
}

TEST_CASE("a bridged pod's packet to a backend off the bridge, or to an unknown neighbour, stays addressed "
          "to the bridge")
{
    auto on = GENERATE(from_range(casts()));
    CAPTURE(on);
    auto silent = on.v4() ? at("10.1.3.77:8080") : at("[fd00:1:3::77]:8080");
    auto backend = GENERATE_COPY(values({on.pod, on.away, silent}));
    CAPTURE(backend.text());
    Host node;
    node.vip(on.vip, on.protocol, node.publish({.backends = {local(backend)}}));
    auto sent = on.pod_request(on.vip);
    sent.src = {on.bridged.address, on.client.port};
    sent.to_mac = network().bridge.mac;
    sent.from_mac = port_pod_mac;

    auto expected = sent;
    expected.dst = backend;
    check_sent(node.ingress(sent, network().port), LB_FORWARD_LOCAL, Verdict::to_stack, expected);
}

TEST_CASE("each side of a frontend uses its own service")
{
    auto on = GENERATE(from_range(casts()));
    CAPTURE(on);
    Host node;
    auto inside = node.publish({.backends = {remote(on.away)}}),
         outside = node.publish({.backends = {local(on.second)}});
    node.frontend(
        on.vip, on.protocol,
        {.inside = inside, .outside = outside, .kind = LB_KIND_LOAD_BALANCER, .flags = 0, .pad = 0});
    CHECK(node.ingress(on.pod_request(on.vip), network().pod).packet().dst == on.away);
    CHECK(node.ingress(on.request(on.vip), network().uplink).packet().dst == on.second);
}

TEST_CASE("pods are spread over all backends by lot, one flow staying where it is")
{
    auto on = GENERATE(from_range(casts()));
    CAPTURE(on);
    Host node;
    node.vip(on.vip, on.protocol,
             node.publish({.backends = {local(on.second), remote(on.away), remote(on.second_away)}}));
    std::map<SocketAddress, int> picks;
    for (std::uint16_t port = 10000; port < 10300; ++port) {
        auto packet = on.pod_request(on.vip);
        packet.src.port = {port};
        auto first = node.ingress(packet, network().pod).packet().dst;
        CHECK(node.ingress(packet, network().pod).packet().dst == first);
        ++picks[first];
    }
    REQUIRE(picks.size() == 3);
    for (const auto& [backend, count] : picks)
        CHECK(count > 50);
}

TEST_CASE("a frontend of the host's own sockets is nobody else's")
{
    auto on = GENERATE(from_range(casts()));
    CAPTURE(on);
    Host node;
    auto web = node.publish({.backends = {local(on.pod)}});
    node.frontend(
        on.node_port, on.protocol,
        {.inside = web, .outside = web, .kind = LB_KIND_NODE_PORT, .flags = LB_FRONTEND_HOST_ONLY, .pad = 0});
    auto sent = on.request(on.node_port);
    check_untouched(node.ingress(sent, network().uplink), build(sent));
}
