// Direct server return at the node that is asked: packets go to their backend's node as they are, in another
// header.
#include <set>

#include "bpf/expect.hpp"
#include "bpf/pieces.hpp"
#include "bpf/tunnels.hpp"

using namespace naru;
using namespace naru::test;
using namespace std::chrono_literals;

namespace {

Spec direct(std::vector<Backend> backends)
{
    return {.backends = std::move(backends), .forwarding = Forwarding::dsr};
}

void check_encapsulated(const Outcome& got, const Cast& on, const Packet& sent, const SocketAddress& backend)
{
    check_sent(got, LB_ENCAPSULATED, Verdict::redirect, in_tunnel(onward(sent), on.node(), backend.address));
}

void node_port(Host& node, const Cast& on, std::uint32_t service)
{
    node.frontend(on.node_port, on.protocol,
                  {.inside = service,
                   .outside = service,
                   .kind = LB_KIND_NODE_PORT,
                   .flags = LB_FRONTEND_NODE_ADDRESS,
                   .pad = 0});
}

} // namespace

TEST_CASE("a packet for a backend elsewhere goes to its node as it is, in a header that names the backend")
{
    auto on = GENERATE(from_range(casts()));
    auto fib_src = GENERATE(true, false);
    CAPTURE(on, fib_src);
    Host node{{.fib_src = fib_src}};
    auto service = node.publish(direct({remote(on.away)}));
    node.vip(on.vip, on.protocol, service);
    node_port(node, on, service);
    for (const auto& to : {on.vip, on.node_port})
        for (std::uint8_t flags : {syn, ack, std::uint8_t(ack | psh), std::uint8_t(ack | fin)}) {
            auto sent = on.request(to, flags);
            sent.tos = 0xb9; // a DSCP, and ECT(1)
            sent.flow_label = on.v4() ? 0 : 0xabcde;
            sent.payload = bytes("some bytes");
            check_encapsulated(node.ingress(sent, network().uplink), on, sent, on.away);
        }
    CHECK(node.flows().snat.empty());
    CHECK((on.tcp() ? node.flows().tcp : node.flows().any).size() == 2); // nothing is kept for answers
}

TEST_CASE("the NodePort of an address that no route would choose is the source of the outer header")
{
    auto on = GENERATE(from_range(casts()));
    CAPTURE(on);
    Host node;
    auto public_port = SocketAddress{on.other_vip.address, on.node_port.port};
    node.frontend(public_port, on.protocol,
                  {.inside = 1,
                   .outside = node.publish(direct({remote(on.away)})),
                   .kind = LB_KIND_NODE_PORT,
                   .flags = LB_FRONTEND_NODE_ADDRESS,
                   .pad = 0});
    auto sent = on.request(public_port);
    check_sent(node.ingress(sent, network().uplink), LB_ENCAPSULATED, Verdict::redirect,
               in_tunnel(onward(sent), public_port.address, on.away.address));
}

TEST_CASE("backends here, pods of this node and a pod that is its own backend are served as ever")
{
    auto on = GENERATE(from_range(casts()));
    CAPTURE(on);
    Host node;
    node.vip(on.vip, on.protocol, node.publish(direct({local(on.pod)})));
    CHECK(name(node.ingress(on.request(on.vip), network().uplink).reason) == name(LB_FORWARD_LOCAL));
    CHECK(name(node.ingress(on.pod_request(on.vip), network().pod).reason) == name(LB_HAIRPIN));
    node.vip(on.other_vip, on.protocol, node.publish(direct({remote(on.away)})));
    CHECK(name(node.ingress(on.pod_request(on.other_vip), network().pod).reason) == name(LB_FORWARD_LOCAL));
}

TEST_CASE("XDP leaves to tc what goes encapsulated, new flows and known ones, and what came so")
{
    auto on = GENERATE(from_range(casts()));
    CAPTURE(on);
    Host node;
    node.vip(on.vip, on.protocol, node.publish(direct({remote(on.away), local(on.pod)})));
    auto frame = build(on.request(on.vip));
    auto left = [&] {
        auto got = node.xdp(frame, network().uplink);
        CHECK_FALSE(got.sent);
        CHECK(got.frame == frame);
    };
    left();
    CHECK(node.flows().snat.empty());
    node.ingress(frame, network().uplink);
    left();
    frame = build(arriving(on.request(on.other_client, on.vip), asked_node(on), on.pod.address));
    left();
}

TEST_CASE("backends that share an address get an address of this node as source")
{
    auto on = GENERATE(from_range(casts()));
    CAPTURE(on);
    Host node;
    node.vip(on.vip, on.protocol,
             node.publish({.backends = {remote(on.away)}, .forwarding = Forwarding::shared_address}));
    CHECK(name(node.ingress(on.request(on.vip), network().uplink).reason) == name(LB_FORWARD_REMOTE));
}

TEST_CASE("a flow keeps its way when the Service gets another, a new one takes that")
{
    auto on = GENERATE(from_range(casts()));
    CAPTURE(on);
    Host node;
    auto service = node.publish(direct({remote(on.away)}));
    node.vip(on.vip, on.protocol, service);
    auto first = on.request(on.vip), second = on.request(on.other_client, on.vip);
    auto third = on.request({on.client.address, {40001}}, on.vip);
    auto next = [&](Packet packet) {
        packet.tcp_flags = on.tcp() ? ack : std::uint8_t{0};
        return name(node.ingress(packet, network().uplink).reason);
    };
    CHECK(name(node.ingress(first, network().uplink).reason) == name(LB_ENCAPSULATED));
    CHECK(next(first) == name(LB_ENCAPSULATED));
    node.publish({.backends = {remote(on.away)}}, service);
    CHECK(next(first) == name(LB_ENCAPSULATED));
    CHECK(name(node.ingress(second, network().uplink).reason) == name(LB_FORWARD_REMOTE));
    node.publish(direct({remote(on.away)}), service);
    CHECK(next(second) == name(LB_FORWARD_REMOTE));
    CHECK(next(first) == name(LB_ENCAPSULATED));
    CHECK(name(node.ingress(third, network().uplink).reason) == name(LB_ENCAPSULATED));
}

TEST_CASE(
    "a connection counts as established once its client has answered the backend, which nobody here saw")
{
    auto on = GENERATE(from_range(casts(proto_tcp)));
    CAPTURE(on);
    Host node;
    auto service = node.publish(direct({remote(on.away)}));
    node.vip(on.vip, on.protocol, service);
    auto state = [&] { return node.flows().tcp.at(0).second.state; };
    node.ingress(on.request(on.vip), network().uplink);
    CHECK(state() == LB_CT_OPEN);
    node.ingress(on.request(on.vip, ack), network().uplink);
    CHECK(state() == LB_CT_ESTABLISHED);
    node.publish(direct({remote(on.second_away)}), service);
    auto next = on.request(on.vip, ack);
    check_encapsulated(node.ingress(next, network().uplink), on, next, on.away); // it lives on
    auto fresh = on.request(on.vip);
    check_encapsulated(node.ingress(fresh, network().uplink), on, fresh, on.second_away);
    node.ingress(on.request(on.vip, ack), network().uplink);
    node.ingress(on.request(on.vip, rst), network().uplink);
    CHECK(state() == LB_CT_CLOSING);
}

TEST_CASE("the client is told the size that leaves room for the outer header")
{
    auto on = GENERATE(from_range(casts()));
    CAPTURE(on);
    Host node;
    node.vip(on.vip, on.protocol, node.publish(direct({remote(on.away)})));
    const auto room = 1500 - overhead(on);
    const auto headers = (on.v4() ? 20u : 40u) + (on.tcp() ? 20u : 8u);
    auto sent = on.request(on.vip);
    node.ingress(sent, network().uplink);
    sent.tcp_flags = on.tcp() ? ack : std::uint8_t{0};
    sent.payload.assign(room - headers, 0x5c);
    check_encapsulated(node.ingress(sent, network().uplink), on, sent, on.away);
    sent.payload.push_back(0);
    auto got = node.ingress(sent, network().uplink);
    CHECK(name(got.reason) == name(LB_TOO_BIG));
    CHECK(got.verdict == Verdict::redirect);
    auto told = got.packet();
    CHECK(told.dst.address == on.client.address);
    CHECK(told.src.address == on.node());
    CHECK(told.icmp_type == (on.v4() ? 3 : 2));
    CHECK(told.icmp_rest == room);
}

TEST_CASE("a merged packet is measured by its segments and the outer header")
{
    auto on = GENERATE(from_range(casts(proto_tcp)));
    CAPTURE(on);
    Host node;
    node.vip(on.vip, on.protocol, node.publish(direct({remote(on.away)})));
    auto sent = on.request(on.vip);
    sent.payload.assign(3000, 0x5c);
    const auto fits = static_cast<unsigned>(1500 - overhead(on) - (on.v4() ? 40u : 60u));
    // Test runs do not say of which kind the segments are, so the kernel refuses to encapsulate them; a lab
    // does that.
    CHECK(name(node.ingress(build(sent), network().uplink, fits).reason) == name(LB_REWRITE_FAILED));
    CHECK(name(node.ingress(build(sent), network().uplink, fits + 1).reason) == name(LB_TOO_BIG));
}

TEST_CASE("a packet with its last hop is answered, not encapsulated")
{
    auto on = GENERATE(from_range(casts()));
    CAPTURE(on);
    Host node;
    node.vip(on.vip, on.protocol, node.publish(direct({remote(on.away)})));
    auto sent = on.request(on.vip);
    sent.ttl = 1;
    auto got = node.ingress(sent, network().uplink);
    CHECK(name(got.reason) == name(LB_TTL_EXCEEDED));
    CHECK(got.verdict == Verdict::redirect);
    CHECK(got.packet().dst.address == on.client.address);
}

TEST_CASE("a backend without a route, and a node without an address, drop and say so")
{
    auto on = GENERATE(from_range(casts()));
    CAPTURE(on);
    Host node;
    node.vip(on.vip, on.protocol, node.publish(direct({remote(on.nowhere)})));
    check_dropped(node.ingress(on.request(on.vip), network().uplink), LB_NO_ROUTE);
}

TEST_CASE("every piece of a datagram goes to the backend of the first")
{
    auto on = GENERATE(from_range(casts(proto_udp)));
    CAPTURE(on);
    Host node;
    node.vip(on.vip, on.protocol, node.publish(direct({remote(on.away), remote(on.second_away)})));
    auto whole = on.request(on.vip);
    whole.payload.assign(3000, 0x11);
    std::vector<Bytes> inside;
    std::set<Address> backends;
    for (const auto& part : pieces(whole, 1000)) {
        auto got = node.ingress(part, network().uplink);
        CHECK(name(got.reason) == name(LB_ENCAPSULATED));
        CHECK(got.verdict == Verdict::redirect);
        auto outer = got.packet();
        CHECK(outer.src.address == on.node());
        backends.insert(outer.dst.address);
        inside.push_back(inner_frame(outer));
    }
    CHECK(backends.size() == 1);
    CHECK(join(inside) == onward(whole));
    check_dropped(node.ingress(pieces(whole, 1000).at(1), network().uplink), LB_FRAGMENT_OVERLAP);
}
