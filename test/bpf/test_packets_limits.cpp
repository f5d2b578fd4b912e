// What is bounded, who is admitted, and tables that contradict themselves.
#include "bpf/cast.hpp"
#include "bpf/expect.hpp"

using namespace naru;
using namespace naru::test;

namespace {

SocketAddress client_port(const Cast& on, unsigned port)
{
    return {on.client.address, {static_cast<std::uint16_t>(port)}};
}

} // namespace

TEST_CASE("refusals stop at the limit and come back with time")
{
    auto on = GENERATE(from_range(casts()));
    CAPTURE(on);
    Host node{{.reject_per_sec = 3}};
    node.vip(on.vip, on.protocol, node.publish({}));
    for (int second = 0; second < 2; ++second) {
        for (int i = 0; i < 3; ++i)
            CHECK(name(node.ingress(on.request(on.vip), network().uplink).reason) == name(LB_NO_BACKEND));
        check_dropped(node.ingress(on.request(on.vip), network().uplink), LB_REJECT_LIMIT);
        node.age_buckets(ticks_per_second());
    }
}

TEST_CASE("a limit below one per tick still admits its rate while packets arrive at every tick")
{
    auto on = casts(proto_udp).front();
    Host node{{.reject_per_sec = 50}};
    node.vip(on.vip, on.protocol, node.publish({}));
    while (node.ingress(on.request(on.vip), network().uplink).reason == LB_NO_BACKEND)
        ;
    std::uint64_t admitted = 0, ticks = 2 * ticks_per_second();
    auto started = now_jiffies();
    for (std::uint64_t tick = 0; tick < ticks; ++tick) {
        node.age_buckets(1);
        admitted += node.ingress(on.request(on.vip), network().uplink).reason == LB_NO_BACKEND;
    }
    ticks += now_jiffies() - started; // those that really passed count too
    CHECK(admitted >= 80);
    CHECK(admitted <= 50 * ticks / ticks_per_second() + 2); // parts of a token at both ends
}

TEST_CASE("new flows stop at the limit, known ones go on")
{
    auto on = GENERATE(from_range(casts()));
    CAPTURE(on);
    Host node{{.new_flow_per_sec = 3}};
    node.vip(on.vip, on.protocol, node.publish({.backends = {local(on.pod)}}));
    for (unsigned port = 2000; port < 2003; ++port)
        CHECK(node.ingress(on.request(client_port(on, port), on.vip), network().uplink).reason ==
              LB_FORWARD_LOCAL);
    auto late = on.request(client_port(on, 2003), on.vip);
    check_dropped(node.ingress(late, network().uplink), LB_NEW_FLOW_LIMIT);
    CHECK(node.ingress(on.request(client_port(on, 2000), on.vip), network().uplink).reason ==
          LB_FORWARD_LOCAL);
    node.age_buckets(ticks_per_second());
    CHECK(node.ingress(late, network().uplink).reason == LB_FORWARD_LOCAL);
}

TEST_CASE("ports for translated sources run out for one backend at a time and are used again after expiry")
{
    auto on = GENERATE(from_range(casts()));
    CAPTURE(on);
    Host node{{.snat_first = {50000, 50000}, .snat_second = {50001, 50001}}};
    node.vip(on.vip, on.protocol, node.publish({.backends = {remote(on.away)}}));
    node.vip(on.other_vip, on.protocol, node.publish({.backends = {remote(on.second_away)}}));

    auto first = node.ingress(on.request(client_port(on, 2000), on.vip), network().uplink).packet();
    auto second = node.ingress(on.request(client_port(on, 2001), on.vip), network().uplink).packet();
    CHECK(std::min(first.src.port, second.src.port).host == 50000);
    CHECK(std::max(first.src.port, second.src.port).host == 50001);

    auto late = on.request(client_port(on, 2002), on.vip);
    check_dropped(node.ingress(late, network().uplink), LB_NO_PORT);
    CHECK(node.ingress(on.request(client_port(on, 2002), on.other_vip), network().uplink).reason ==
          LB_FORWARD_REMOTE);

    node.pass(std::chrono::seconds{on.tcp() ? tcp_unreplied_sec : udp_unreplied_sec});
    CHECK(node.ingress(late, network().uplink).reason == LB_FORWARD_REMOTE);
}

TEST_CASE("an empty second range is no port 0")
{
    auto on = GENERATE(from_range(casts()));
    CAPTURE(on);
    Host node{{.snat_first = {50000, 50001}, .snat_second = {1, 0}}};
    node.vip(on.vip, on.protocol, node.publish({.backends = {remote(on.away)}}));
    auto port =
        node.ingress(on.request(client_port(on, 2000), on.vip), network().uplink).packet().src.port.host;
    CHECK((port == 50000 || port == 50001));
}

TEST_CASE("source ranges admit whom they name and nobody else")
{
    auto on = GENERATE(from_range(casts()));
    CAPTURE(on);
    Host node;
    auto web = node.publish({.backends = {local(on.pod)}}),
         other = node.publish({.backends = {local(on.pod)}});
    node.vip(on.vip, on.protocol, web, LB_FRONTEND_RANGES);
    node.vip(on.other_vip, on.protocol, other, LB_FRONTEND_RANGES);
    node.admit(web, {on.client.address, on.v4() ? 32u : 128u});

    CHECK(node.ingress(on.request(on.vip), network().uplink).reason == LB_FORWARD_LOCAL);
    check_dropped(node.ingress(on.request(on.other_client, on.vip), network().uplink), LB_SOURCE_RANGE);
    check_dropped(node.ingress(on.request(on.other_vip), network().uplink), LB_SOURCE_RANGE);
    check_dropped(node.ingress(on.pod_request(on.vip), network().pod), LB_SOURCE_RANGE);

    node.admit(web, on.v4() ? cidr("198.51.100.0/24") : cidr("2001:db8:ffff::/48"));
    CHECK(node.ingress(on.request(on.other_client, on.vip), network().uplink).reason == LB_FORWARD_LOCAL);
}

TEST_CASE("a flow outlives source ranges that would not admit it, a new one is held to them")
{
    auto on = GENERATE(from_range(casts()));
    auto here = GENERATE(true, false);
    CAPTURE(on, here);
    Host node;
    auto backend = here ? local(on.pod) : remote(on.away);
    auto web = node.publish({.backends = {backend}});
    node.vip(on.vip, on.protocol, web);
    auto seen = node.ingress(on.request(on.vip), network().uplink).packet();
    auto reply = [&] {
        auto answer = on.answer(seen);
        return here ? node.egress(answer, network().uplink) : node.ingress(answer, network().uplink);
    };
    CHECK(reply().packet().src == on.vip);

    node.vip(on.vip, on.protocol, web, LB_FRONTEND_RANGES); // admits nobody
    auto later = node.ingress(on.request(on.vip, ack), network().uplink).packet();
    CHECK(later.dst == seen.dst);
    CHECK(later.src == seen.src);
    CHECK(reply().packet().src == on.vip);
    auto fresh = on.request({on.client.address, {4321}}, on.vip);
    check_dropped(node.ingress(fresh, network().uplink), LB_SOURCE_RANGE);
}

TEST_CASE("a device without a row is left alone")
{
    auto on = GENERATE(from_range(casts()));
    CAPTURE(on);
    Host node;
    node.vip(on.vip, on.protocol, node.publish({.backends = {remote(on.away)}}));
    auto answer = on.answer(node.ingress(on.request(on.vip), network().uplink).packet());
    node.device(network().uplink, {});

    for (const auto& sent :
         {on.request(on.vip), on.request(on.v4() ? at("127.0.0.1:1") : at("[::1]:1")), answer})
        check_untouched(node.ingress(sent, network().uplink), build(sent));
}

TEST_CASE("a service record or slot that names what is not there drops the flow")
{
    auto on = GENERATE(from_range(casts()));
    CAPTURE(on);
    Host node;
    auto web = node.publish({.backends = {local(on.pod)}});
    node.vip(on.vip, on.protocol, web);
    auto good = node.record(web);
    auto run = [&] { return node.ingress(on.request(on.vip), network().uplink); };
    auto slot = node.arena() + good.block + sizeof(lb_block) + sizeof(lb_backend);

    SECTION("no such service")
    {
        node.withdraw(web);
        check_dropped(run(), LB_BAD_STATE);
    }
    SECTION("a number beyond the map")
    {
        node.vip(on.vip, on.protocol, LB_SERVICES_MAX);
        check_dropped(run(), LB_BAD_STATE);
    }
    SECTION("a block outside the arena")
    {
        for (std::uint32_t block : {arena_bytes, arena_bytes - 16, 0xffffffe0u}) {
            node.record(web, {.block = block, .rows = good.rows, .slots = good.slots});
            check_dropped(run(), LB_BAD_STATE);
        }
    }
    SECTION("slots outside the arena")
    {
        node.record(web, {.block = arena_bytes - LB_BLOCK_ALIGN, .rows = 1000, .slots = 1});
        check_dropped(run(), LB_BAD_STATE);
    }
    SECTION("a position behind the last row")
    {
        *slot = std::byte{1};
        check_dropped(run(), LB_BAD_STATE);
    }
    SECTION("a vacant row")
    {
        std::fill_n(slot - sizeof(lb_backend), sizeof(lb_backend), std::byte{0});
        check_dropped(run(), LB_BAD_STATE);
    }
    CHECK(node.flows().tcp.size() + node.flows().any.size() == 0);
}

TEST_CASE("an entry that names a row out of bounds is no reason to crash: the flow is chosen anew")
{
    auto on = GENERATE(from_range(casts()));
    CAPTURE(on);
    Host node;
    auto web = node.publish({.backends = {local(on.pod)}});
    node.vip(on.vip, on.protocol, web);
    auto sent = on.request(on.vip);
    auto flow = flow_of(sent, node.ingress(sent, network().uplink).packet());
    auto entry = node.entry(flow.forward).value();
    entry.position = 0xffff;
    entry.to = on.nowhere.address.raw();
    node.write(flow.forward, entry);
    CHECK(node.ingress(sent, network().uplink).packet().dst == on.pod);
}
