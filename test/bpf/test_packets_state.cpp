// Memory of a choice: which packets follow an entry, which start anew, and how long an entry counts.
#include "bpf/cast.hpp"
#include "bpf/expect.hpp"

using namespace naru;
using namespace naru::test;

namespace {

/// A VIP with one backend here; `change` replaces it, so that the old one and a fresh pick can be told apart.
struct Served {
    Host node;
    std::uint32_t service;
    Cast on;

    explicit Served(const Cast& cast) : service{node.publish({.backends = {local(cast.pod)}})}, on{cast}
    {
        node.vip(on.vip, on.protocol, service);
    }

    SocketAddress backend_of(std::uint8_t flags)
    {
        return node.ingress(on.request(on.vip, flags), network().uplink).packet().dst;
    }
    void drain_old() { node.publish({.backends = {draining(local(on.pod)), local(on.second)}}, service); }
    void remove_old() { node.publish({.backends = {local(on.second)}}, service); }

    /// Question and answer: UDP is established by them, TCP by the client's next packet.
    Flow converse()
    {
        auto sent = on.request(on.vip);
        auto seen = node.ingress(sent, network().uplink).packet();
        node.egress(on.answer(seen), network().uplink);
        if (on.tcp())
            node.ingress(on.request(on.vip, ack), network().uplink);
        return flow_of(sent, seen);
    }
};

} // namespace

TEST_CASE("from outside a packet without an entry goes where its connection's start went")
{
    auto on = GENERATE(from_range(casts(proto_tcp)));
    CAPTURE(on);
    Host node;
    node.vip(on.vip, on.protocol,
             node.publish({.backends = {local(on.pod), local(on.second), remote(on.away)}}));
    for (std::uint16_t port = 2000; port < 2050; ++port) {
        SocketAddress client{on.client.address, {port}};
        auto start = node.ingress(on.request(client, on.vip), network().uplink).packet();
        node.pass(
            std::chrono::seconds{tcp_unreplied_sec}); // as on another node, or after a restart of this one
        auto stray = node.ingress(on.request(client, on.vip, ack), network().uplink).packet();
        CHECK(stray.dst == start.dst);
    }
}

TEST_CASE("a RST without an entry starts nothing, and inside no packet but a SYN does")
{
    auto on = GENERATE(from_range(casts(proto_tcp)));
    CAPTURE(on);
    Served served{on};
    check_dropped(served.node.ingress(on.request(on.vip, rst), network().uplink), LB_NO_FLOW);
    check_dropped(served.node.ingress(on.pod_request(on.vip, ack), network().pod), LB_NO_FLOW);
    check_dropped(served.node.ingress(on.pod_request(on.vip, rst), network().pod), LB_NO_FLOW);
    CHECK(served.node.flows().tcp.empty());
}

TEST_CASE("on this node's own address a packet without an entry is the host's")
{
    auto on = GENERATE(from_range(casts(proto_tcp)));
    auto flags = GENERATE(as<std::uint8_t>{}, ack, rst, syn | ack, fin | ack);
    CAPTURE(on, int{flags});
    Host node;
    auto web = node.publish({.backends = {local(on.pod)}});
    node.frontend(on.node_port, on.protocol,
                  {.inside = web,
                   .outside = web,
                   .kind = LB_KIND_NODE_PORT,
                   .flags = LB_FRONTEND_NODE_ADDRESS,
                   .pad = 0});
    auto sent = on.request(on.node_port, flags);
    check_untouched(node.ingress(sent, network().uplink), build(sent));
}

TEST_CASE("a datagram of the node's own from a frontend's number gets its answer for a while")
{
    auto on = GENERATE(from_range(casts(proto_udp)));
    CAPTURE(on);
    Host node;
    auto web = node.publish({.backends = {local(on.pod)}});
    node.frontend(on.node_port, on.protocol,
                  {.inside = web,
                   .outside = web,
                   .kind = LB_KIND_NODE_PORT,
                   .flags = LB_FRONTEND_NODE_ADDRESS,
                   .pad = 0});
    auto backend_of = [&](const Packet& sent) { return node.ingress(sent, network().uplink).packet().dst; };
    auto question = on.request(on.node_port, on.client), answer = on.request(on.client, on.node_port);

    CHECK(backend_of(on.request(on.other_client, on.node_port)) == on.pod);
    check_untouched(node.egress(question, network().uplink), build(question));
    check_untouched(node.ingress(answer, network().uplink), build(answer));
    CHECK(backend_of(on.request(on.other_client, on.node_port)) == on.pod);

    node.pass(std::chrono::seconds{udp_unreplied_sec - 1});
    check_untouched(node.ingress(answer, network().uplink), build(answer));
    node.pass(std::chrono::seconds{1}); // what came in has kept nothing alive
    CHECK(backend_of(answer) == on.pod);
    CHECK(name(node.egress(question, network().uplink).reason) == "pass");
    CHECK(backend_of(answer) == on.pod); // a client's flow is not taken from it
}

TEST_CASE("established TCP stays with its backend whatever became of it")
{
    auto on = GENERATE(from_range(casts(proto_tcp)));
    CAPTURE(on);
    Served served{on};
    served.converse();
    served.drain_old();
    CHECK(served.backend_of(ack) == on.pod);
    served.remove_old();
    CHECK(served.backend_of(ack) == on.pod);
    served.node.withdraw(served.service);
    CHECK(served.backend_of(ack) == on.pod);
}

TEST_CASE("a SYN on an established entry is a new connection and picks afresh")
{
    auto on = GENERATE(from_range(casts(proto_tcp)));
    CAPTURE(on);
    Served served{on};
    served.converse();
    served.drain_old();
    CHECK(served.backend_of(syn) == on.second);
    CHECK(served.backend_of(ack) == on.second);
}

TEST_CASE("a SYN sent again follows its open handshake while the backend serves, and no longer")
{
    auto on = GENERATE(from_range(casts(proto_tcp)));
    CAPTURE(on);
    Served served{on};
    CHECK(served.backend_of(syn) == on.pod);
    served.drain_old();
    CHECK(served.backend_of(syn) == on.pod);
    served.remove_old();
    CHECK(served.backend_of(syn) == on.second);
}

TEST_CASE("a UDP flow stays with a backend that drains and leaves one that is gone with the next datagram")
{
    auto on = GENERATE(from_range(casts(proto_udp)));
    auto answered = GENERATE(true, false);
    CAPTURE(on, answered);
    Served served{on};
    answered ? static_cast<void>(served.converse()) : static_cast<void>(served.backend_of(0));
    served.drain_old();
    CHECK(served.backend_of(0) == on.pod);
    served.remove_old();
    CHECK(served.backend_of(0) == on.second);
}

TEST_CASE("a UDP flow does not follow another backend into the position of its own")
{
    auto on = GENERATE(from_range(casts(proto_udp)));
    CAPTURE(on);
    Served served{on};
    served.converse();
    served.node.publish({}, served.service);
    served.node.publish({.backends = {local(on.second)}}, served.service); // the same row, another generation
    REQUIRE(served.node.block(served.service).rows.size() == 1);
    CHECK(served.backend_of(0) == on.second);
}

TEST_CASE("a UDP flow does not stay with a Service that has lost the frontend")
{
    auto on = GENERATE(from_range(casts(proto_udp)));
    CAPTURE(on);
    Served served{on};
    served.converse();
    REQUIRE(served.backend_of(0) == on.pod);
    served.node.vip(on.vip, on.protocol, served.node.publish({.backends = {local(on.second)}}));
    CHECK(served.backend_of(0) == on.second);
}

TEST_CASE("a flow stays with its backend when a policy gives its frontend the other backend set")
{
    auto on = GENERATE(from_range(casts()));
    auto to_local = GENERATE(true, false);
    CAPTURE(on, to_local);
    Host node;
    auto chosen = [&](const SocketAddress& which) {
        Spec spec{.backends = {local(on.pod), local(on.second)}};
        for (auto& backend : spec.backends)
            backend.chosen = backend.at == which;
        return spec;
    };
    auto first = node.publish(chosen(on.pod)), other = node.publish(chosen(on.second), 0, first);
    node.vip(on.vip, on.protocol, to_local ? first : other);
    auto backend_of = [&](const SocketAddress& client) {
        return node.ingress(on.request(client, on.vip), network().uplink)
            .packet()
            .dst; // TCP: a handshake sent again
    };
    auto mine = to_local ? on.pod : on.second, theirs = to_local ? on.second : on.pod;
    REQUIRE(backend_of(on.client) == mine);
    node.vip(on.vip, on.protocol, to_local ? other : first);
    node.withdraw(to_local ? first : other);
    CHECK(backend_of(on.client) == mine);
    CHECK(backend_of(on.other_client) == theirs);
    node.publish({.backends = {local(theirs)}}, to_local ? other : first);
    CHECK(backend_of(on.client) == theirs);
}

TEST_CASE("a UDP flow stays with its backend also where the two sets number it differently")
{
    auto on = GENERATE(from_range(casts(proto_udp)));
    CAPTURE(on);
    Host node; // sets that an agent has written which did not know of siblings
    auto inside = node.publish({.backends = {local(on.second), local(on.pod)}});
    auto outside = node.publish({.backends = {local(on.pod)}});
    node.frontend(
        on.vip, on.protocol,
        {.inside = inside, .outside = outside, .kind = LB_KIND_LOAD_BALANCER, .flags = 0, .pad = 0});
    auto backend = [&] { return node.ingress(on.request(on.vip), network().uplink).packet().dst; };
    REQUIRE(backend() == on.pod);
    node.publish({.backends = {draining(local(on.pod)), local(on.second)}}, outside);
    CHECK(backend() == on.pod);
    node.publish({.backends = {local(on.second)}}, outside);
    CHECK(backend() == on.second);
}

TEST_CASE("after a UDP flow moved, a late answer of the old backend still is the frontend's")
{
    auto on = GENERATE(from_range(casts(proto_udp)));
    CAPTURE(on);
    Served served{on};
    auto old = served.node.ingress(on.request(on.vip), network().uplink).packet();
    served.remove_old();
    auto moved = served.node.ingress(on.request(on.vip), network().uplink).packet();
    REQUIRE(moved.dst == on.second);
    for (const auto& seen : {old, moved})
        CHECK(served.node.egress(on.answer(seen), network().uplink).packet().src == on.vip);
}

TEST_CASE("an entry counts until its lifetime has passed, to the tick")
{
    struct State {
        const char* what;
        std::uint8_t protocol;
        std::uint32_t lifetime_sec;
        std::uint8_t next; ///< TCP: flags of the packet that would follow the entry
    };
    auto state = GENERATE(values<State>({
        {"handshake open", proto_tcp, tcp_unreplied_sec, syn},
        {"established", proto_tcp, tcp_established_sec, ack},
        {"closing", proto_tcp, tcp_closing_sec, ack},
        {"unanswered", proto_udp, udp_unreplied_sec, 0},
        {"answered", proto_udp, udp_sec, 0},
    }));
    auto on = GENERATE_COPY(from_range(casts(state.protocol)));
    CAPTURE(state.what, on);
    Served served{on};
    std::string what = state.what;
    if (what == "handshake open" || what == "unanswered")
        served.backend_of(syn);
    else
        served.converse();
    if (what == "closing")
        served.backend_of(rst);
    served.drain_old();
    auto before = served.node.flows();

    auto after_ticks = [&](std::uint64_t ticks) {
        return within_one_tick([&](std::uint64_t now) {
            served.node.restore(before);
            served.node.idle(ticks, now);
            return served.backend_of(state.next);
        });
    };
    auto lifetime = static_cast<std::uint64_t>(state.lifetime_sec) * ticks_per_second();
    CHECK(after_ticks(lifetime - 1) == on.pod);
    CHECK(after_ticks(lifetime) == on.second);
}

TEST_CASE("an answer after its entry's lifetime is nobody's")
{
    auto on = GENERATE(from_range(casts()));
    auto here = GENERATE(true, false);
    CAPTURE(on, here);
    Host node;
    node.vip(on.vip, on.protocol, node.publish({.backends = {here ? local(on.pod) : remote(on.away)}}));
    auto answer = on.answer(node.ingress(on.request(on.vip), network().uplink).packet());
    node.pass(std::chrono::seconds{on.tcp() ? tcp_unreplied_sec : udp_unreplied_sec});
    auto got = here ? node.egress(answer, network().uplink) : node.ingress(answer, network().uplink);
    check_untouched(got, build(answer));
}

TEST_CASE("traffic in either direction keeps both entries of a flow alive")
{
    auto on = GENERATE(from_range(casts()));
    auto by_client = GENERATE(true, false);
    CAPTURE(on, by_client);
    Served served{on};
    auto flow = served.converse();
    auto lifetime = std::chrono::seconds{on.tcp() ? tcp_established_sec : udp_sec};
    served.node.pass(lifetime - std::chrono::seconds{5});
    auto seen = on.request(on.vip, ack);
    seen.dst = on.pod;
    by_client ? served.node.ingress(on.request(on.vip, ack), network().uplink)
              : served.node.egress(on.answer(seen, ack), network().uplink);

    auto forward = served.node.entry(flow.forward).value(), reply = served.node.entry(flow.reply).value();
    CHECK(now_jiffies() - forward.last_seen < 5 * ticks_per_second());
    CHECK(forward.last_seen == reply.last_seen);
}
