// What must not go through XDP: it leaves each of these to tc, byte for byte.
#include "bpf/cast.hpp"
#include "bpf/expect.hpp"
#include "bpf/icmp_errors.hpp"
#include "bpf/pieces.hpp"

using namespace naru;
using namespace naru::test;

namespace {

/// The frame is tc's, which gets it as it was sent.
Outcome left_to_tc(Host& node, const Bytes& frame)
{
    auto got = node.xdp(frame, network().uplink);
    CHECK_FALSE(got.sent);
    CHECK(got.frame == frame);
    return node.ingress(frame, network().uplink);
}

Outcome left_to_tc(Host& node, const Packet& packet) { return left_to_tc(node, build(packet)); }

/// A Service with a backend on the other node, whose flows XDP serves.
void serve_remote(Host& node, const Cast& on)
{
    node.vip(on.vip, on.protocol, node.publish({.backends = {remote(on.away)}}));
}

lb_frontend node_port_of(std::uint32_t service)
{
    return {.inside = service,
            .outside = service,
            .kind = LB_KIND_NODE_PORT,
            .flags = LB_FRONTEND_NODE_ADDRESS,
            .pad = 0};
}

SocketAddress client_port(const Cast& on, unsigned port)
{
    return {on.client.address, {static_cast<std::uint16_t>(port)}};
}

} // namespace

TEST_CASE("XDP leaves every piece of a datagram to tc, which puts them on one way")
{
    auto on = GENERATE(from_range(casts()));
    CAPTURE(on);
    Host node;
    serve_remote(node, on);
    auto large = on.request(on.vip);
    large.payload = Bytes(3000, 7);
    for (const auto& frame : pieces(large, 1000))
        CHECK(name(left_to_tc(node, frame).reason) == "forward_remote");
    if (!on.v4()) { // a datagram of one piece
        auto atomic = on.request(on.vip);
        atomic.extensions = {Extension{.type = 44}};
        CHECK(name(left_to_tc(node, atomic).reason) == "forward_remote");
    }
}

TEST_CASE("XDP leaves ICMP errors about its flows to tc, which gives them to the client")
{
    auto on = GENERATE(from_range(casts()));
    CAPTURE(on);
    Host node;
    serve_remote(node, on);
    auto got = node.xdp(on.request(on.vip), network().uplink);
    REQUIRE(got.sent);
    const auto seen = Outcome{.frame = got.frame}.packet();
    for (const auto& kind : kinds(on)) {
        auto error = error_about(seen, router(on).address, kind, eight_bytes, network().uplink);
        auto by_tc = left_to_tc(node, error);
        CHECK(name(by_tc.reason) == "icmp_to_client");
        CHECK(by_tc.packet().dst.address == on.client.address);
    }
}

TEST_CASE("XDP leaves a frame to tc however short it is cut")
{
    auto on = GENERATE(from_range(casts()));
    CAPTURE(on);
    Host node;
    serve_remote(node, on);
    const auto whole_frame = build(on.request(on.vip));
    REQUIRE(node.xdp(whole_frame, network().uplink).sent);
    for (auto length = ip_offset(); length < whole_frame.size(); ++length) {
        CAPTURE(length);
        const Bytes cut(whole_frame.begin(), whole_frame.begin() + static_cast<std::ptrdiff_t>(length));
        auto got = node.xdp(cut, network().uplink);
        CHECK_FALSE(got.sent);
        CHECK(got.frame == cut);
    }
}

TEST_CASE("XDP leaves to tc what nobody can have sent, and what is for loopback: both are dropped there")
{
    auto on = GENERATE(from_range(casts()));
    CAPTURE(on);
    Host node;
    serve_remote(node, on);
    const auto impossible = on.v4() ? std::vector{addr("127.0.0.1"), addr("0.0.0.0"), addr("224.0.0.1"),
                                                  addr("255.255.255.255"), on.vip.address}
                                    : std::vector{addr("::1"), addr("::"), addr("ff02::1"), on.vip.address};
    for (const auto& source : impossible)
        check_dropped(left_to_tc(node, on.request({source, on.client.port}, on.vip)), LB_MALFORMED);
    const auto loopback = on.v4() ? addr("127.0.0.1") : addr("::1");
    check_dropped(left_to_tc(node, on.request({loopback, on.vip.port})), LB_LOOPBACK);
}

TEST_CASE("XDP leaves alone the answer to a datagram that the node itself sent from a frontend's number")
{
    auto on = GENERATE(from_range(casts(proto_udp)));
    CAPTURE(on);
    Host node;
    node.frontend(on.node_port, on.protocol, node_port_of(node.publish({.backends = {remote(on.away)}})));
    auto question = on.request(on.node_port, on.client), answer = on.request(on.client, on.node_port);
    check_untouched(node.egress(question, network().uplink), build(question));

    check_untouched(left_to_tc(node, answer), build(answer));
    CHECK(node.xdp(on.request(on.other_client, on.node_port), network().uplink).sent);
}

TEST_CASE("XDP leaves alone what is in the middle of a connection of the host's on a frontend's number")
{
    auto on = GENERATE(from_range(casts(proto_tcp)));
    auto flags = GENERATE(as<std::uint8_t>{}, ack, rst, syn | ack, fin | ack);
    CAPTURE(on, int{flags});
    Host node;
    node.frontend(on.node_port, on.protocol, node_port_of(node.publish({.backends = {remote(on.away)}})));
    auto sent = on.request(on.node_port, flags);
    check_untouched(left_to_tc(node, sent), build(sent));
    CHECK(node.flows().tcp.empty());
}

TEST_CASE("the limit of new flows holds for XDP and tc together, and known flows go on")
{
    auto on = GENERATE(from_range(casts()));
    CAPTURE(on);
    Host node{{.new_flow_per_sec = 3}};
    serve_remote(node, on);
    for (unsigned port = 2000; port < 2003; ++port)
        CHECK(node.xdp(on.request(client_port(on, port), on.vip), network().uplink).sent);
    check_dropped(left_to_tc(node, on.request(client_port(on, 2003), on.vip)), LB_NEW_FLOW_LIMIT);
    CHECK(node.xdp(on.request(client_port(on, 2000), on.vip), network().uplink).sent);
}

TEST_CASE("a new flow that XDP leaves to tc counts once towards the limit")
{
    auto on = GENERATE(from_range(casts()));
    CAPTURE(on);
    Host node{{.new_flow_per_sec = 3}};
    node.vip(on.vip, on.protocol, node.publish({.backends = {local(on.pod)}}));
    for (unsigned port = 2000; port < 2003; ++port)
        CHECK(name(left_to_tc(node, on.request(client_port(on, port), on.vip)).reason) == "forward_local");
    check_dropped(left_to_tc(node, on.request(client_port(on, 2003), on.vip)), LB_NEW_FLOW_LIMIT);
}
