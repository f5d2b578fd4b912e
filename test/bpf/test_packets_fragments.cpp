// Datagrams in pieces: every path of a frontend, in and out of order.
#include <algorithm>
#include <functional>

#include "bpf/cast.hpp"
#include "bpf/expect.hpp"
#include "bpf/pieces.hpp"

using namespace naru;
using namespace naru::test;

namespace {

using Way = std::function<Outcome(const Bytes&)>;

/// All pieces went the same way for the same reason; what came out, put together.
Packet carried(const std::vector<Bytes>& sent, lb_reason why, Verdict verdict, const Way& way)
{
    std::vector<Bytes> out;
    for (const auto& frame : sent) {
        auto got = way(frame);
        CHECK(name(got.reason) == name(why));
        CHECK(got.verdict == verdict);
        out.push_back(got.frame);
    }
    auto joined = join(out);
    REQUIRE(joined);
    return *joined;
}

Way coming_in(Host& node, const Link& link)
{
    return [&](const Bytes& frame) { return node.ingress(frame, link); };
}

Way going_out(Host& node, const Link& link)
{
    return [&](const Bytes& frame) { return node.egress(frame, link); };
}

/// What becomes of the packet when it is whole. A small one of the same flow goes there: one of this size
/// would not, past the MTU of the next hop.
Packet whole(const Way& way, const Packet& packet)
{
    auto small = packet;
    small.payload = bytes("small");
    auto seen = way(build(small)).packet();
    seen.payload = packet.payload;
    return seen;
}

/// The same packet, large enough for many pieces.
Packet large(Packet packet, std::size_t payload = 5001)
{
    packet.payload.resize(payload);
    for (std::size_t i = 0; i < payload; ++i)
        packet.payload[i] = static_cast<std::uint8_t>(i * 7 + i / 251);
    return packet;
}

/// One packet for a frontend, and what becomes of it and of its answer when both come whole.
struct Route {
    const char* what;
    std::function<Packet(const Cast&)> request;
    std::function<Backend(const Cast&)> backend;
    const Link& (*in)();
    lb_reason there, back;
    bool answer_goes_out; ///< the answer is seen at the egress of `in`, else at its ingress
};

const Link& uplink() { return network().uplink; }
const Link& pod() { return network().pod; }

const std::vector<Route> routes{
    {"from outside to a pod here", [](auto& on) { return on.request(on.vip); },
     [](auto& on) { return local(on.pod); }, uplink, LB_FORWARD_LOCAL, LB_REPLY, true},
    {"from outside to the other node", [](auto& on) { return on.request(on.vip); },
     [](auto& on) { return remote(on.away); }, uplink, LB_FORWARD_REMOTE, LB_REPLY_SNAT, false},
    {"from a pod to a pod", [](auto& on) { return on.pod_request(on.vip); },
     [](auto& on) { return local(on.bridged); }, pod, LB_FORWARD_LOCAL, LB_REPLY, true},
    {"from a pod to itself", [](auto& on) { return on.pod_request(on.vip); },
     [](auto& on) { return local(on.pod); }, pod, LB_HAIRPIN, LB_REPLY_SNAT, false},
};

void serve(Host& node, const Cast& on, const Route& route)
{
    node.vip(on.vip, on.protocol, node.publish({.backends = {route.backend(on)}}));
}

Verdict verdict_of(lb_reason why)
{
    return why == LB_FORWARD_LOCAL || why == LB_REPLY ? Verdict::to_stack : Verdict::redirect;
}

/// A VIP with a backend elsewhere, and a request to it in pieces of 1,000 bytes.
struct Served {
    Host node;
    Packet request;
    std::vector<Bytes> sent;

    explicit Served(const Cast& on) : request{large(on.request(on.vip))}, sent{pieces(request, 1000)}
    {
        node.vip(on.vip, on.protocol, node.publish({.backends = {remote(on.away)}}));
    }
    Outcome in(const Bytes& frame) { return node.ingress(frame, network().uplink); }
    Packet expected() { return whole(coming_in(node, network().uplink), request); }
};

} // namespace

TEST_CASE("a datagram in pieces comes out as the same datagram would have whole, and so does its answer")
{
    auto on = GENERATE(from_range(casts()));
    auto size = GENERATE(8u, 1000u, 1448u);
    for (const auto& route : routes) {
        CAPTURE(on, route.what, size);
        Host node;
        serve(node, on, route);
        const auto& link = route.in();
        auto request = large(route.request(on), size == 8 ? 200 : 5001);
        auto each = std::max<std::size_t>(size, on.tcp() ? 24 : 8);

        auto seen =
            carried(pieces(request, each), route.there, verdict_of(route.there), coming_in(node, link));
        CHECK(seen == whole(coming_in(node, link), request));
        CHECK(seen.payload == request.payload);

        auto answer = large(on.answer(seen), size == 8 ? 300 : 4999);
        auto way = route.answer_goes_out ? going_out(node, link) : coming_in(node, link);
        auto got = carried(pieces(answer, each, 0xabcd), route.back, verdict_of(route.back), way);
        CHECK(got.src == on.vip);
        CHECK(got.dst == request.src);
        CHECK(got == whole(way, answer));
    }
}

TEST_CASE("a UDP body of 65,507 bytes passes in pieces of an MTU of 1,500, in both directions")
{
    auto on = GENERATE(from_range(casts(proto_udp)));
    CAPTURE(on);
    Host node;
    node.vip(on.vip, on.protocol, node.publish({.backends = {remote(on.away)}}));
    auto way = coming_in(node, network().uplink);
    auto each = on.v4() ? 1480u : 1448u;
    auto request = large(on.request(on.vip), 65507);
    auto sent = pieces(request, each);
    CHECK(sent.size() == (65507 + 8 + each - 1) / each);
    auto seen = carried(sent, LB_FORWARD_REMOTE, Verdict::redirect, way);
    CHECK(seen.dst == on.away);
    CHECK(seen.payload == request.payload);
    auto answer = large(on.answer(seen), 65507);
    auto got = carried(pieces(answer, each), LB_REPLY_SNAT, Verdict::redirect, way);
    CHECK(got.dst == on.client);
    CHECK(got.payload == answer.payload);
}

TEST_CASE("pieces behind the first may come in any order")
{
    auto on = GENERATE(from_range(casts()));
    CAPTURE(on);
    Served served{on};
    auto way = coming_in(served.node, network().uplink);
    auto reversed = served.sent;
    std::reverse(reversed.begin() + 1, reversed.end());
    auto seen = carried(reversed, LB_FORWARD_REMOTE, Verdict::redirect, way);
    CHECK(seen == served.expected());

    auto halves = pieces(served.request, 1000, 0x1235);
    std::stable_partition(halves.begin() + 1, halves.end(), [&](const Bytes& frame) {
        return (std::find(halves.begin(), halves.end(), frame) - halves.begin()) % 2;
    });
    CHECK(carried(halves, LB_FORWARD_REMOTE, Verdict::redirect, way) == seen);
}

TEST_CASE("a piece that comes before its first one is queued again as it came, and passes after it")
{
    auto on = GENERATE(from_range(casts()));
    CAPTURE(on);
    Served served{on};
    for (auto early = served.sent.rbegin(); early != served.sent.rend() - 1; ++early) {
        auto got = served.in(*early);
        CHECK(name(got.reason) == name(LB_FRAGMENT_WAIT));
        CHECK(got.verdict == Verdict::redirect);
        CHECK(got.frame == *early);
    }
    CHECK(served.node.fragmented() == 0);
    auto seen =
        carried(served.sent, LB_FORWARD_REMOTE, Verdict::redirect, coming_in(served.node, network().uplink));
    CHECK(seen == served.expected());
}

TEST_CASE("answers that come in to this node wait for their first piece, too")
{
    auto on = GENERATE(from_range(casts(proto_udp)));
    CAPTURE(on);
    Served served{on};
    auto answer = pieces(large(on.answer(served.expected())), 1000);
    auto early = served.in(answer[1]);
    CHECK(name(early.reason) == name(LB_FRAGMENT_WAIT));
    CHECK(early.frame == answer[1]);
    carried(answer, LB_REPLY_SNAT, Verdict::redirect, coming_in(served.node, network().uplink));
}

TEST_CASE("many datagrams in pieces at once do not mix, whatever they have in common")
{
    auto on = GENERATE(from_range(casts()));
    CAPTURE(on);
    Served served{on};
    struct One {
        Packet request;
        std::vector<Bytes> sent, out;
    };
    std::vector<One> all;
    for (std::uint32_t i = 0; i < 12; ++i) {
        auto from = i % 2 ? on.client : on.other_client;
        from.port = {static_cast<std::uint16_t>(2000 + i / 4)};
        auto request = large(on.request(from, on.vip), 3000 + i);
        all.push_back({request, pieces(request, 1000, 0x700 + i / 2), {}});
    }
    for (std::size_t part = 0; part < 4; ++part)
        for (auto& one : all)
            if (part < one.sent.size())
                one.out.push_back(served.in(one.sent[part]).frame);
    for (auto& one : all) {
        auto joined = join(one.out);
        REQUIRE(joined);
        CHECK(*joined == whole(coming_in(served.node, network().uplink), one.request));
    }
}

TEST_CASE("an identification is free again when its datagram is complete, and after its time")
{
    auto on = GENERATE(from_range(casts()));
    CAPTURE(on);
    Served served{on};
    auto way = coming_in(served.node, network().uplink);
    auto again = [&](unsigned port) {
        return large(on.request({on.client.address, {static_cast<std::uint16_t>(port)}}, on.vip), 3000);
    };
    carried(served.sent, LB_FORWARD_REMOTE, Verdict::redirect, way);
    auto second = pieces(again(2001), 1000);
    carried(second, LB_FORWARD_REMOTE, Verdict::redirect, way);
    CHECK(served.node.fragmented() == 1);

    auto third = pieces(again(2002), 1000);
    CHECK(name(served.in(third[0]).reason) == name(LB_FORWARD_REMOTE));
    auto fourth = pieces(again(2003), 1000);
    check_dropped(served.in(fourth[0]), LB_FRAGMENT_OVERLAP);
    served.node.age_fragments(LB_FRAGMENT_SEC * ticks_per_second());
    CHECK(name(served.in(third[1]).reason) == name(LB_FRAGMENT_WAIT));
    carried(fourth, LB_FORWARD_REMOTE, Verdict::redirect, way);
}

TEST_CASE("an atomic fragment is a whole packet, whatever its identification")
{
    auto on = GENERATE(values({casts(proto_tcp).back(), casts(proto_udp).back()}));
    CAPTURE(on);
    Host node;
    node.vip(on.vip, on.protocol, node.publish({.backends = {remote(on.away)}}));
    auto sent = on.request(on.vip);
    sent.extensions = {{.type = 44}};
    auto expected = sent;
    expected.dst = on.away;
    expected.src.address = on.node();
    --expected.ttl;
    for (int i = 0; i < 2; ++i) {
        auto got = node.ingress(sent, network().uplink);
        expected.src.port = got.packet().src.port;
        check_sent(got, LB_FORWARD_REMOTE, Verdict::redirect, expected);
    }
    CHECK(node.fragmented() == 0);
}

TEST_CASE("an echo request in pieces is answered in pieces")
{
    auto on = GENERATE(from_range(casts(proto_udp)));
    CAPTURE(on);
    Served served{on};
    auto ping = large(on.request(on.vip));
    ping.src.port = ping.dst.port = {0};
    ping.protocol = on.v4() ? proto_icmp : proto_icmp6;
    ping.icmp_type = on.v4() ? 8 : 128;
    ping.icmp_rest = 0x12340001;
    auto pong = ping;
    std::swap(pong.src, pong.dst);
    std::swap(pong.to_mac, pong.from_mac);
    pong.icmp_type = on.v4() ? 0 : 129;
    pong.ttl = 64;
    CHECK(carried(pieces(ping, 1000), LB_ECHO, Verdict::redirect, coming_in(served.node, network().uplink)) ==
          pong);
}

TEST_CASE("pieces of what is not ours leave byte for byte as they came, in any order and both directions")
{
    auto on = GENERATE(from_range(casts()));
    CAPTURE(on);
    Served served{on};
    auto elsewhere = pieces(large(on.request(on.other_vip)), 1000);
    std::swap(elsewhere[1], elsewhere[3]);
    for (bool reversed : {false, true}) {
        for (const auto& frame : elsewhere)
            for (const auto* link : {&network().uplink, &network().pod, &network().port}) {
                check_untouched(served.node.ingress(frame, *link), frame);
                check_untouched(served.node.egress(frame, *link), frame);
            }
        if (!reversed)
            std::reverse(elsewhere.begin(), elsewhere.end());
    }
    CHECK(served.node.fragmented() == 0);
}

TEST_CASE("pieces for this node itself pass behind their first one; before it they may be ours and wait")
{
    auto on = GENERATE(from_range(casts()));
    CAPTURE(on);
    Served served{on};
    auto host = on.request(on.node_port);
    host.dst.port = {60000};
    auto sent = pieces(large(host), 1000);
    CHECK(name(served.in(sent[1]).reason) == name(LB_FRAGMENT_WAIT));
    for (const auto& frame : sent)
        check_untouched(served.in(frame), frame);
}
