// A client outside, a Service, a backend here or elsewhere: there and back.
#include <cstdlib>

#include "bpf/cast.hpp"
#include "bpf/expect.hpp"

using namespace naru;
using namespace naru::test;

namespace {

bool in_snat_ranges(Port port) { return (port.host >= 1024 && port.host <= 29999) || port.host >= 61000; }

/// What a backend elsewhere should see of a packet, but for the port the node lends.
Packet translated(const Packet& sent, const SocketAddress& backend, const Address& source, Port port)
{
    auto expected = sent;
    expected.src = {source, port};
    expected.dst = backend;
    expected.ttl = static_cast<std::uint8_t>(sent.ttl - 1);
    return expected;
}

} // namespace

TEST_CASE("a backend on this node sees the client itself, by way of the stack")
{
    auto on = GENERATE(from_range(casts()));
    CAPTURE(on);
    Host node;
    node.vip(on.vip, on.protocol, node.publish({.backends = {local(on.pod)}}));

    auto sent = on.request(on.vip);
    auto expected = sent;
    expected.dst = on.pod;
    check_sent(node.ingress(sent, network().uplink), LB_FORWARD_LOCAL, Verdict::to_stack, expected);
}

TEST_CASE("the answer of a backend on this node leaves with the frontend's address")
{
    auto on = GENERATE(from_range(casts()));
    CAPTURE(on);
    Host node;
    node.vip(on.vip, on.protocol, node.publish({.backends = {local(on.pod)}}));
    auto seen = node.ingress(on.request(on.vip), network().uplink).packet();

    auto answer = on.answer(seen);
    check_untouched(node.ingress(answer, network().pod), build(answer)); // not reversed too early
    auto expected = answer;
    expected.src = on.vip;
    check_sent(node.egress(answer, network().uplink), LB_REPLY, Verdict::to_stack, expected);
}

TEST_CASE("a backend elsewhere sees an address and port of this node, past the stack")
{
    auto on = GENERATE(from_range(casts()));
    auto fib_src = GENERATE(true, false);
    CAPTURE(on, fib_src);
    Host node{{.fib_src = fib_src}};
    node.vip(on.vip, on.protocol, node.publish({.backends = {remote(on.away)}}));

    auto sent = on.request(on.vip);
    auto got = node.ingress(sent, network().uplink);
    auto port = got.packet().src.port;
    CHECK(in_snat_ranges(port));
    check_sent(got, LB_FORWARD_REMOTE, Verdict::redirect, translated(sent, on.away, on.node(), port));

    auto next = on.request(on.vip, ack);
    check_sent(node.ingress(next, network().uplink), LB_FORWARD_REMOTE, Verdict::redirect,
               translated(next, on.away, on.node(), port));
}

TEST_CASE("a client port inside the ranges is kept toward a backend elsewhere")
{
    auto on = GENERATE(from_range(casts()));
    CAPTURE(on);
    Host node;
    node.vip(on.vip, on.protocol, node.publish({.backends = {remote(on.away)}}));

    auto sent = on.request({on.client.address, {2000}}, on.vip);
    check_sent(node.ingress(sent, network().uplink), LB_FORWARD_REMOTE, Verdict::redirect,
               translated(sent, on.away, on.node(), {2000}));
}

TEST_CASE("the answer of a backend elsewhere goes back to the client from the frontend, past the stack")
{
    auto on = GENERATE(from_range(casts()));
    CAPTURE(on);
    Host node;
    node.vip(on.vip, on.protocol, node.publish({.backends = {remote(on.away)}}));
    auto seen = node.ingress(on.request(on.vip), network().uplink).packet();

    auto answer = on.answer(seen);
    auto expected = answer;
    expected.src = on.vip;
    expected.dst = on.client;
    expected.ttl = static_cast<std::uint8_t>(answer.ttl - 1);
    check_sent(node.ingress(answer, network().uplink), LB_REPLY_SNAT, Verdict::redirect, expected);
}

TEST_CASE("a translated source falls back to the route's device and then to the node's primary address")
{
    auto on = GENERATE(from_range(casts()));
    CAPTURE(on);
    Host node{{.fib_src = false}};
    node.vip(on.vip, on.protocol, node.publish({.backends = {remote(on.away)}}));
    auto primary = on.v4() ? addr("192.0.2.99") : addr("2001:db8:1::99");
    node.primary(primary, primary);
    CHECK(node.ingress(on.request(on.vip), network().uplink).packet().src.address == on.node());

    node.device(
        network().uplink,
        lb_device{.flags = LB_DEVICE_UPLINK, .master = 0, .addr4 = {}, .addr6 = {}, .mac = {}, .pad = {}});
    CHECK(node.ingress(on.request(on.other_client, on.vip), network().uplink).packet().src.address ==
          primary);
}

TEST_CASE("where the kernel knows no source for a route, the device's address is used")
{
    auto on = GENERATE_COPY(filter([](const Cast& cast) { return !cast.v4(); }, from_range(casts())));
    CAPTURE(on);
    Host node;
    node.vip(on.vip, on.protocol, node.publish({.backends = {remote(on.away)}}));
    auto run = [](const char* commands) { REQUIRE(std::system(commands) == 0); };
    run("for each in lo uplink pod bridge port wire inner portinner; do ip -6 addr flush dev $each; done");
    auto got = node.ingress(on.request(on.vip), network().uplink);
    run("ip addr add ::1/128 dev lo; ip addr add 2001:db8:1::1/64 dev uplink nodad; "
        "ip addr add fd00:1:3::1/64 dev bridge nodad");
    check_sent(got, LB_FORWARD_REMOTE, Verdict::redirect,
               translated(on.request(on.vip), on.away, on.node(), got.packet().src.port));
}

TEST_CASE("without any address of the family a flow that needs one is dropped")
{
    auto on = GENERATE(from_range(casts()));
    CAPTURE(on);
    Host node{{.fib_src = false}};
    node.vip(on.vip, on.protocol, node.publish({.backends = {remote(on.away)}}));
    node.device(
        network().uplink,
        lb_device{.flags = LB_DEVICE_UPLINK, .master = 0, .addr4 = {}, .addr6 = {}, .mac = {}, .pad = {}});
    node.primary({}, {});

    check_dropped(node.ingress(on.request(on.vip), network().uplink), LB_NO_SOURCE);
    CHECK(node.flows().snat.empty());
}

TEST_CASE("a port of this node's own address is forwarded like a VIP")
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

    auto sent = on.request(on.node_port);
    auto expected = sent;
    expected.dst = on.pod;
    check_sent(node.ingress(sent, network().uplink), LB_FORWARD_LOCAL, Verdict::to_stack, expected);
}

TEST_CASE("a client and two frontends with one backend get two ports toward it, and right answers from both")
{
    auto on = GENERATE(from_range(casts()));
    auto here = GENERATE(true, false);
    CAPTURE(on, here);
    Host node;
    auto web = node.publish({.backends = {here ? local(on.pod) : remote(on.away)}});
    node.vip(on.vip, on.protocol, web);
    node.vip(on.other_vip, on.protocol, web);

    SocketAddress client{on.client.address, {5000}}; // kept, so that the second flow collides with the first
    auto first = node.ingress(on.request(client, on.vip), network().uplink).packet();
    auto second = node.ingress(on.request(client, on.other_vip), network().uplink).packet();
    REQUIRE(first.dst == second.dst);
    CHECK(first.src.port.host == 5000);
    CHECK(first.src.port != second.src.port);
    CHECK(first.src.address == second.src.address);

    for (const auto& [seen, frontend] : {std::pair{first, on.vip}, std::pair{second, on.other_vip}}) {
        auto answer = on.answer(seen);
        auto got = here ? node.egress(answer, network().uplink) : node.ingress(answer, network().uplink);
        CHECK(got.packet().src == frontend);
        CHECK(got.packet().dst == client);
    }
}

TEST_CASE("a UDP checksum that was left out stays out over IPv4, there and back")
{
    auto here = GENERATE(true, false);
    CAPTURE(here);
    auto on = casts(proto_udp).front();
    Host node;
    node.vip(on.vip, on.protocol, node.publish({.backends = {here ? local(on.pod) : remote(on.away)}}));

    auto sent = on.request(on.vip);
    sent.udp_checksum = false;
    auto seen = node.ingress(sent, network().uplink).packet();
    CHECK(seen.dst == (here ? on.pod : on.away));
    CHECK_FALSE(seen.udp_checksum);

    auto back = here ? node.egress(on.answer(seen), network().uplink)
                     : node.ingress(on.answer(seen), network().uplink);
    CHECK(back.packet().src == on.vip);
    CHECK_FALSE(back.packet().udp_checksum);
}

TEST_CASE("a UDP checksum that becomes zero by translation is written as all ones")
{
    auto on = GENERATE(from_range(casts(proto_udp)));
    CAPTURE(on);
    Host node;
    node.vip(on.vip, on.protocol, node.publish({.backends = {local(on.pod)}}));
    auto sent = on.request(on.vip);
    sent.payload.resize(8);
    auto after = sent;
    after.dst = on.pod;
    bool found = false;
    for (unsigned word = 0; word < 0x10000 && !found; ++word) { // the payload that sums up to nothing
        after.payload[0] = static_cast<std::uint8_t>(word >> 8);
        after.payload[1] = static_cast<std::uint8_t>(word & 0xff);
        auto frame = build(after);
        auto at = l4_offset(after) + 6;
        found = frame[at] == 0xff && frame[at + 1] == 0xff;
    }
    REQUIRE(found);
    sent.payload = after.payload;

    auto got = node.ingress(sent, network().uplink);
    CHECK(got.frame == build(after));
}

TEST_CASE(
    "a packet whose hop limit is used up is not redirected, one to a local backend is the stack's to judge")
{
    auto on = GENERATE(from_range(casts()));
    CAPTURE(on);
    Host node;
    node.vip(on.vip, on.protocol, node.publish({.backends = {remote(on.away)}}));
    node.vip(on.other_vip, on.protocol, node.publish({.backends = {local(on.pod)}}));
    auto last_hop = [&](const SocketAddress& to) {
        auto packet = on.request(to);
        packet.ttl = 1;
        return packet;
    };
    CHECK(name(node.ingress(last_hop(on.vip), network().uplink).reason) == name(LB_TTL_EXCEEDED));
    CHECK(node.ingress(last_hop(on.other_vip), network().uplink).packet().ttl == 1);
}

TEST_CASE("a backend without a route is a counted drop")
{
    auto on = GENERATE(from_range(casts()));
    CAPTURE(on);
    Host node;
    node.vip(on.vip, on.protocol, node.publish({.backends = {remote(on.nowhere)}}));
    check_dropped(node.ingress(on.request(on.vip), network().uplink), LB_NO_ROUTE);
}

TEST_CASE("a payload behind the headers does not change, whatever its length")
{
    auto on = GENERATE(from_range(casts()));
    auto length = GENERATE(0u, 1u, 7u, 128u, 1400u);
    CAPTURE(on, length);
    Host node;
    node.vip(on.vip, on.protocol, node.publish({.backends = {remote(on.away)}}));
    auto sent = on.request(on.vip);
    sent.payload.assign(length, 0xa5);
    CHECK(node.ingress(sent, network().uplink).packet().payload == sent.payload);
}

TEST_CASE("padding behind a short packet is not part of it")
{
    auto on = GENERATE(from_range(casts()));
    CAPTURE(on);
    Host node;
    node.vip(on.vip, on.protocol, node.publish({.backends = {local(on.pod)}}));
    auto sent = on.request(on.vip);
    auto frame = build(sent);
    frame.insert(frame.end(), 20, 0x77);
    auto expected = sent;
    expected.dst = on.pod;
    check_sent(node.ingress(frame, network().uplink), LB_FORWARD_LOCAL, Verdict::to_stack, expected);
}

TEST_CASE("marks of congestion, service class and flow label pass through translation, there and back")
{
    auto on = GENERATE(from_range(casts()));
    auto here = GENERATE(true, false);
    CAPTURE(on, here);
    Host node;
    node.vip(on.vip, on.protocol, node.publish({.backends = {here ? local(on.pod) : remote(on.away)}}));
    auto mark = [&](Packet packet, std::uint32_t label) {
        packet.tos = 0xb9; // expedited forwarding, ECT(1)
        packet.flow_label = on.v4() ? 0 : label;
        return packet;
    };
    auto check_marks = [&](const Packet& got, const Packet& sent) {
        CHECK(int{got.tos} == int{sent.tos});
        CHECK(got.flow_label == sent.flow_label);
    };
    auto request = mark(on.request(on.vip), 0xabcde);
    auto seen = node.ingress(request, network().uplink).packet();
    check_marks(seen, request);
    auto answer = mark(on.answer(seen), 0x12345);
    auto got = here ? node.egress(answer, network().uplink) : node.ingress(answer, network().uplink);
    CHECK(got.packet().src == on.vip);
    check_marks(got.packet(), answer);
}
