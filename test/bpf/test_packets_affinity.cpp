// ClientIP affinity: a client stays with its backend for [last connection, last connection + timeout).
#include <algorithm>
#include <set>

#include "bpf/cast.hpp"
#include "bpf/expect.hpp"
#include "lb/hash.h"

using namespace naru;
using namespace naru::test;

namespace {

constexpr std::uint32_t timeout_sec = 10;

/// A VIP with affinity over three backends here, and a client that dials it from ever new ports.
struct Sticky {
    Host node;
    Cast on;
    std::vector<SocketAddress> all;
    std::uint32_t service = 0;
    std::uint16_t next_port = 2000;

    explicit Sticky(const Cast& cast) : on{cast}, all{cast.pod, cast.second, cast.neighbour}
    {
        publish({});
        node.vip(on.vip, on.protocol, service);
    }

    void publish(const std::set<SocketAddress>& draining_ones, std::uint32_t timeout = timeout_sec)
    {
        Spec spec{.backends = {}, .affinity_timeout_sec = timeout};
        for (const auto& backend : all)
            spec.backends.push_back(draining_ones.contains(backend) ? draining(local(backend))
                                                                    : local(backend));
        service = node.publish(spec, service);
    }

    SocketAddress dial(const Address& client)
    {
        return node.ingress(on.request({client, {next_port++}}, on.vip), network().uplink).packet().dst;
    }
    SocketAddress dial() { return dial(on.client.address); }

    std::set<SocketAddress> dial_often(int times)
    {
        std::set<SocketAddress> reached;
        for (int i = 0; i < times; ++i)
            reached.insert(dial());
        return reached;
    }

    /// What the hash of the client alone says.
    SocketAddress first_pick() const
    {
        auto client = on.client.address.raw();
        lb_frontend_key key{.addr = on.vip.address.raw(),
                            .port = on.vip.port.raw(),
                            .proto = on.protocol,
                            .pad = 0,
                            .pad2 = 0};
        const auto& block = node.block(service);
        auto slot = lb_slot(lb_hash_client(&client, &key, LB_DEFAULT_SEED),
                            static_cast<std::uint16_t>(block.slots.size()));
        const auto& row = block.rows[block.slots[slot]];
        return {Address::from(row.addr), Port::from(row.port)};
    }
};

} // namespace

TEST_CASE("a client stays with one backend from every port, and every node would pick the same first")
{
    auto on = GENERATE(from_range(casts()));
    CAPTURE(on);
    Sticky sticky{on};
    CHECK(sticky.dial_often(50) == std::set{sticky.first_pick()});
    CHECK(sticky.node.flows().affinity.size() == 1);
}

TEST_CASE("clients are spread though each is sticky")
{
    auto on = GENERATE(from_range(casts()));
    CAPTURE(on);
    Sticky sticky{on};
    std::set<SocketAddress> reached;
    for (unsigned i = 0; i < 60; ++i) {
        auto client = on.client.address;
        client.bytes[15] = static_cast<std::uint8_t>(i);
        reached.insert(sticky.dial(client));
    }
    CHECK(reached.size() == 3);
}

TEST_CASE("a pod is as sticky as a client outside")
{
    auto on = GENERATE(from_range(casts()));
    CAPTURE(on);
    Sticky sticky{on};
    std::set<SocketAddress> reached;
    for (std::uint16_t port = 3000; port < 3050; ++port) {
        auto packet = on.pod_request(on.vip);
        packet.src = {on.bridged.address, {port}};
        reached.insert(sticky.node.ingress(packet, network().pod).packet().dst);
    }
    CHECK(reached.size() == 1);
}

TEST_CASE("stickiness lasts until the timeout and ends with it, to the tick")
{
    auto on = GENERATE(from_range(casts()));
    CAPTURE(on);
    Sticky sticky{on};
    // On a backend that the hash of the client would not name, so that staying shows.
    auto first = sticky.dial();
    sticky.publish({first});
    auto held = sticky.dial();
    sticky.publish({});
    REQUIRE(held != first);

    auto before = sticky.node.flows();
    auto dial_after = [&](std::uint64_t ticks) {
        return within_one_tick([&](std::uint64_t now) {
            sticky.node.restore(before);
            sticky.node.idle(ticks, now);
            return sticky.dial();
        });
    };
    const std::uint64_t timeout = timeout_sec * ticks_per_second();
    for (int i = 0; i < 20; ++i)
        REQUIRE(dial_after(timeout - 1) == held);
    std::set<SocketAddress> reached;
    for (int i = 0; i < 60; ++i)
        reached.insert(dial_after(timeout));
    CHECK(reached.size() == 3); // by lot, not by the hash
}

TEST_CASE("every new connection starts the timeout anew, packets of an old one do not")
{
    auto on = GENERATE(from_range(casts()));
    CAPTURE(on);
    Sticky sticky{on};
    auto last_seen = [&] { return sticky.node.flows().affinity.front().second.last_seen; };
    auto flow = on.request({on.client.address, {2000}}, on.vip);
    sticky.node.ingress(flow, network().uplink);
    sticky.next_port = 2001;

    sticky.node.pass(std::chrono::seconds{6});
    auto aged = last_seen();
    sticky.node.ingress(flow, network().uplink);
    CHECK(last_seen() == aged);
    sticky.dial();
    CHECK(last_seen() >= aged + 6 * ticks_per_second());
}

TEST_CASE("a client moves when its backend is no longer chosen, and stays where it moved to")
{
    auto on = GENERATE(from_range(casts()));
    CAPTURE(on);
    Sticky sticky{on};
    auto first = sticky.dial();
    sticky.publish({first});
    auto moved = sticky.dial_often(20);
    REQUIRE(moved.size() == 1);
    CHECK_FALSE(moved.contains(first));
    sticky.publish({});
    CHECK(sticky.dial_often(20) == moved);
}

TEST_CASE("a client does not stay with a backend that was replaced in its row")
{
    auto on = GENERATE(from_range(casts()));
    CAPTURE(on);
    Sticky sticky{on};
    auto held = sticky.dial();
    std::erase(sticky.all, held);
    sticky.all.push_back(on.bridged);
    sticky.publish({});
    CHECK(sticky.dial_often(5) == std::set{sticky.first_pick()});
}

TEST_CASE("affinity switched off and on again does not remember what it held before")
{
    auto on = GENERATE(from_range(casts()));
    CAPTURE(on);
    Sticky sticky{on};
    auto first = sticky.dial();
    sticky.publish({first});
    auto held = sticky.dial();
    sticky.publish({}, 0);
    CHECK(sticky.dial_often(60).size() == 3);
    sticky.publish({});
    CHECK(sticky.dial_often(5) == std::set{first});
    CHECK(held != first);
}

TEST_CASE("two ports of one address stick on their own")
{
    auto on = GENERATE(from_range(casts()));
    CAPTURE(on);
    Sticky sticky{on};
    SocketAddress second_port{on.vip.address, {static_cast<std::uint16_t>(on.vip.port.host + 1)}};
    Spec spec{.backends = {}, .affinity_timeout_sec = timeout_sec};
    for (const auto& backend : sticky.all)
        spec.backends.push_back(local(backend));
    auto second = sticky.node.publish(spec);
    sticky.node.vip(second_port, on.protocol, second);
    auto dial_second = [&] {
        auto sent = on.request({on.client.address, {sticky.next_port++}}, second_port);
        return sticky.node.ingress(sent, network().uplink).packet().dst;
    };
    auto first_of_second = dial_second();

    // The client moves away from its first pick on one port, and stays moved there when all are back.
    auto left = sticky.dial();
    sticky.publish({left});
    auto moved = sticky.dial();
    sticky.publish({});
    CHECK(moved != left);
    CHECK(sticky.node.flows().affinity.size() == 2);
    for (int i = 0; i < 10; ++i) {
        CHECK(dial_second() == first_of_second);
        CHECK(sticky.dial() == moved);
    }
    for (auto& backend : spec.backends) // and the other way round
        if (backend.at == first_of_second)
            backend = draining(backend);
    sticky.node.publish(spec, second);
    auto second_moved = dial_second();
    CHECK(second_moved != first_of_second);
    CHECK(sticky.dial() == moved);
}

TEST_CASE("an entry of another service on the same frontend is void")
{
    auto on = GENERATE(from_range(casts()));
    CAPTURE(on);
    Sticky sticky{on};
    auto first = sticky.dial();
    sticky.publish({first});
    REQUIRE(sticky.dial() != first);
    Spec spec{.backends = {}, .affinity_timeout_sec = timeout_sec};
    for (const auto& backend : sticky.all)
        spec.backends.push_back(local(backend));
    sticky.service = sticky.node.publish(spec);
    sticky.node.vip(on.vip, on.protocol, sticky.service);
    CHECK(sticky.dial_often(5) == std::set{sticky.first_pick()});
}
