// ICMP errors and direct server return: about packets in the tunnel, and about answers that passed beside it.
#include <algorithm>

#include "bpf/expect.hpp"
#include "bpf/icmp_errors.hpp"
#include "bpf/tunnels.hpp"

using namespace naru;
using namespace naru::test;

namespace {

Spec direct(std::vector<Backend> backends)
{
    return {.backends = std::move(backends), .forwarding = Forwarding::dsr};
}

/// A flow that this node encapsulates: the client's packet and what it became.
struct Asked {
    explicit Asked(const Cast& cast) : on{cast}
    {
        service = node.publish(direct({remote(on.away)}));
        node.vip(on.vip, on.protocol, service);
        sent = on.request(on.vip);
        sent.payload = bytes("some bytes");
        outer = node.ingress(sent, network().uplink).packet();
    }

    Packet error(const Kind& kind, std::size_t length = whole) const
    {
        return error_about(outer, router(on).address, kind, length, network().uplink);
    }

    const Cast& on;
    Host node;
    std::uint32_t service = 0;
    Packet sent, outer;
};

bool is_too_big(const Cast& on, const Kind& kind)
{
    return on.v4() ? kind.type == 3 && kind.code == 4 : kind.type == 2;
}

std::vector<Kind> unheard(const Cast& on)
{
    return on.v4() ? std::vector<Kind>{{3, 2, 0}, {3, 3, 0}} : std::vector<Kind>{{4, 1, 6}, {1, 4, 0}};
}

bool is_unheard(const Cast& on, const Kind& kind)
{
    return std::ranges::any_of(unheard(on),
                               [&](const Kind& k) { return k.type == kind.type && k.code == kind.code; });
}

} // namespace

TEST_CASE("what happens to an encapsulated packet is told to the client as of its own packet")
{
    auto on = GENERATE(from_range(casts()));
    CAPTURE(on);
    Asked asked{on};
    for (const auto& kind : kinds(on)) {
        if (is_unheard(on, kind))
            continue;
        CAPTURE(kind.type, kind.code);
        auto got = asked.node.ingress(asked.error(kind), network().uplink);
        CHECK(name(got.reason) == name(LB_ICMP_TO_CLIENT));
        CHECK(got.verdict == Verdict::redirect);
        auto told = got.packet();
        CHECK(told.src.address == on.node());
        CHECK(told.dst.address == on.client.address);
        CHECK(told.icmp_type == kind.type);
        CHECK(told.icmp_code == kind.code);
        CHECK(told.icmp_rest == (is_too_big(on, kind) ? 1400 - overhead(on) : 0u));
        auto quote = quote_of(onward(asked.sent), whole);
        CHECK(told.payload == quote);
    }
}

TEST_CASE("a size that leaves no room for what every host takes is told as that")
{
    auto on = GENERATE(from_range(casts()));
    CAPTURE(on);
    Asked asked{on};
    auto told = [&](std::uint32_t mtu) {
        auto error = asked.error(on.v4() ? Kind{3, 4, mtu} : Kind{2, 0, mtu});
        return asked.node.ingress(error, network().uplink).packet().icmp_rest;
    };
    CHECK(told(on.v4() ? 70 : 1281) == (on.v4() ? 68 : 1280));
    CHECK(told(0) == (on.v4() ? 556 : 1280)); // a router that names no size
}

TEST_CASE("errors about tunnels of others, or with quotes that end too early, are none of ours")
{
    auto on = GENERATE(from_range(casts()));
    CAPTURE(on);
    Asked asked{on};
    auto passes = [&](const Packet& error) {
        auto frame = build(error);
        check_untouched(asked.node.ingress(frame, network().uplink), frame);
    };
    auto kind = kinds(on).front();
    passes(asked.error(kind, 20)); // the inner addresses are not quoted whole
    auto other = asked.outer;
    other.dst = on.second_away;
    passes(error_about(other, router(on).address, kind, whole, network().uplink));
    other = asked.outer;
    other.src.address = on.other_vip.address;
    passes(error_about(other, router(on).address, kind, whole, network().uplink));
    auto foreign = in_tunnel(on.request(on.other_client, on.vip), on.node(), on.away.address);
    passes(error_about(foreign, router(on).address, kind, whole, network().uplink));
    for (const auto& no : unheard(on))
        passes(error_about(foreign, router(on).address, no, whole, network().uplink));
}

TEST_CASE("where nobody strips, a flow goes on with an address of this node")
{
    auto on = GENERATE(from_range(casts()));
    CAPTURE(on);
    for (const auto& kind : unheard(on)) {
        CAPTURE(kind.type, kind.code);
        Asked asked{on};
        check_dropped(asked.node.ingress(asked.error(kind), network().uplink), LB_TUNNEL_UNHEARD);
        auto got = asked.node.ingress(asked.sent, network().uplink);
        CHECK(name(got.reason) == name(LB_FORWARD_REMOTE));
        CHECK(got.packet().src.address == on.node());
        CHECK(got.packet().dst == on.away);
        auto answer = on.answer(got.packet());
        answer.to_mac = network().uplink.mac;
        CHECK(asked.node.ingress(answer, network().uplink).packet().src == on.vip);
        auto other = on.request(on.other_client, on.vip);
        CHECK(name(asked.node.ingress(other, network().uplink).reason) == name(LB_ENCAPSULATED));
    }
}

TEST_CASE("a flow that goes on with an address of this node is one connection of its backend, not two")
{
    auto on = GENERATE(from_range(casts()));
    CAPTURE(on);
    Asked asked{on};
    auto compared = direct({remote(on.away)});
    compared.algorithm = LB_ALGORITHM_LC;
    asked.node.publish(compared, asked.service);
    asked.node.forget_flows();
    asked.node.ingress(asked.sent, network().uplink);
    CHECK(asked.node.open_connections(asked.service, 0) == 1);
    check_dropped(asked.node.ingress(asked.error(unheard(on).front()), network().uplink), LB_TUNNEL_UNHEARD);
    CHECK(asked.node.open_connections(asked.service, 0) == 1);
}

TEST_CASE("a connection that was heard once does not change its way, whoever says what")
{
    auto on = GENERATE(from_range(casts(proto_tcp)));
    CAPTURE(on);
    Asked asked{on};
    auto next = on.request(on.vip, ack);
    asked.node.ingress(next, network().uplink);
    check_dropped(asked.node.ingress(asked.error(unheard(on).front()), network().uplink), LB_NO_FLOW);
    CHECK(name(asked.node.ingress(next, network().uplink).reason) == name(LB_ENCAPSULATED));
}

TEST_CASE(
    "an error about an answer that passed elsewhere goes to the backend's node, and there to the backend")
{
    auto on = GENERATE(from_range(casts()));
    CAPTURE(on);
    Asked asked{on};
    auto answer = on.answer(asked.sent); // as the client should have got it
    for (const auto& kind : kinds(on)) {
        CAPTURE(kind.type, kind.code);
        auto error = error_about(answer, router(on).address, kind, whole, network().uplink);
        auto got = asked.node.ingress(error, network().uplink);
        check_sent(got, LB_ENCAPSULATED, Verdict::redirect,
                   in_tunnel(onward(error), on.node(), on.away.address));
    }

    Host behind;
    behind.vip(on.vip, on.protocol, behind.publish(direct({local(on.pod)})));
    behind.ingress(arriving(asked.sent, asked_node(on), on.pod.address), network().uplink);
    for (const auto& kind : kinds(on)) {
        CAPTURE(kind.type, kind.code);
        auto error = error_about(answer, router(on).address, kind, whole, network().uplink);
        auto got = behind.ingress(arriving(error, asked_node(on), on.pod.address), network().uplink);
        auto expected = error;
        expected.from_mac = other_mac;
        expected.dst.address = on.pod.address;
        auto known = answer;
        known.src = on.pod;
        expected.payload = quote_of(known, whole);
        check_sent(got, LB_ICMP_TO_BACKEND, Verdict::to_stack, expected);
    }
    auto foreign = error_about(on.answer(on.request(on.other_client, on.vip)), router(on).address,
                               kinds(on).front(), whole, network().uplink);
    auto frame = build(arriving(foreign, asked_node(on), on.pod.address));
    check_untouched(behind.ingress(frame, network().uplink), frame);
}

TEST_CASE("an error about an answer goes to the backend that the hash names where its flow is not known")
{
    auto on = GENERATE(from_range(casts()));
    auto affinity = GENERATE(0u, 60u);
    CAPTURE(on, affinity);
    Host asked, other;
    auto service = direct({remote(on.away), remote(on.second_away)});
    service.affinity_timeout_sec = affinity;
    std::uint32_t number = 0;
    for (auto* node : {&asked, &other})
        node->vip(on.vip, on.protocol, number = node->publish(service));
    for (std::uint16_t port = 1; port <= 8; ++port) {
        auto sent = on.request({on.client.address, {port}}, on.vip);
        other.forget_flows(); // both nodes have the same tables here
        auto backend = asked.ingress(sent, network().uplink).packet().dst.address;
        other.forget_flows();
        auto error =
            error_about(on.answer(sent), router(on).address, kinds(on).front(), whole, network().uplink);
        check_sent(other.ingress(error, network().uplink), LB_ENCAPSULATED, Verdict::redirect,
                   in_tunnel(onward(error), on.node(), backend));
        CHECK((on.tcp() ? other.flows().tcp : other.flows().any).empty());
    }

    auto error = error_about(on.answer(on.request(on.vip)), router(on).address, kinds(on).front(), whole,
                             network().uplink);
    if (!affinity) {
        service.algorithm = LB_ALGORITHM_RANDOM; // chance has placed the flow
        other.publish(service, number);
        check_dropped(other.ingress(error, network().uplink), LB_NO_FLOW);
    }
    for (auto algorithm : {LB_ALGORITHM_RR, LB_ALGORITHM_LC}) { // so has what became of others
        service.algorithm = algorithm;
        other.publish(service, number);
        check_dropped(other.ingress(error, network().uplink), LB_NO_FLOW);
    }
    service.algorithm = LB_ALGORITHM_DEFAULT;
    service.forwarding = Forwarding::snat;
    other.publish(service, number);
    check_dropped(other.ingress(error, network().uplink), LB_NO_FLOW);
    other.publish(direct({local(on.pod)}), number);
    check_dropped(other.ingress(error, network().uplink), LB_NO_FLOW);
}
