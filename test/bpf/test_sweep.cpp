// Lifetimes of flow entries and of tombstones, at a time the test says.
#include <catch2/catch.hpp>

#include <vector>

#include "datapath/kernel.hpp"
#include "datapath/sweep.hpp"
#include "datapath/table.hpp"
#include "small_maps.hpp"

using namespace naru;
using namespace naru::test;

namespace {

constexpr std::uint32_t hz = 100;
constexpr std::uint64_t now = 1'000'000;

constexpr lb_config config()
{
    lb_config made{};
    made.hz = hz;
    made.arena_bytes = 1u << 16;
    made.tcp_unreplied_sec = 20;
    made.tcp_established_sec = 8000;
    made.tcp_closing_sec = 10;
    made.udp_sec = 60;
    made.udp_unreplied_sec = 30;
    made.sock_udp_sec = 60;
    return made;
}

Address addr(const char* text) { return Address::parse(text).value(); }

lb_tuple flow(std::uint16_t sport, Protocol protocol = Protocol::tcp, lb_direction direction = LB_DIR_FORWARD)
{
    return {.src = addr("10.1.0.1").raw(),
            .dst = addr("10.96.0.1").raw(),
            .sport = Port{sport}.raw(),
            .dport = Port{80}.raw(),
            .proto = static_cast<std::uint8_t>(protocol),
            .direction = static_cast<std::uint8_t>(direction),
            .pad = 0};
}

/// Seen so many seconds ago, or one tick less.
lb_ct entry(lb_ct_state state, std::uint32_t seconds_ago, bool one_tick_less = false)
{
    lb_ct made{};
    made.state = static_cast<std::uint8_t>(state);
    made.last_seen = now - std::uint64_t{seconds_ago} * hz + one_tick_less;
    return made;
}

SweepResult swept(const Maps& maps)
{
    auto result = sweep(maps, config(), now);
    REQUIRE(result);
    return *result;
}

struct Lifetime {
    UniqueFd Maps::* map;
    Protocol protocol;
    lb_ct_state state;
    std::uint32_t seconds;
};

} // namespace

TEST_CASE("a flow whose answers pass elsewhere is kept for two minutes behind its client's FIN", "[sweep]")
{
    auto maps = small_maps();
    Table<lb_tuple, lb_ct> table{maps.ct_tcp.get(), "lb_ct_tcp"};
    auto put = [&](std::uint16_t port, std::uint8_t flags, bool one_tick_less) {
        auto made = entry(LB_CT_ESTABLISHED, LB_DSR_FIN_SEC, one_tick_less);
        made.flags = flags;
        REQUIRE(table.put(flow(port), made));
    };
    put(1, LB_CT_DSR | LB_CT_FIN, false);
    put(2, LB_CT_DSR | LB_CT_FIN, true);
    put(3, LB_CT_DSR, false);
    put(4, LB_CT_FIN, false);
    CHECK(swept(maps).deleted == 1);
    CHECK_FALSE(table.get(flow(1)).value());
}

TEST_CASE("every kind of flow is deleted exactly when its time has passed", "[sweep]")
{
    auto maps = small_maps();
    const std::vector<Lifetime> lifetimes{
        {&Maps::ct_tcp, Protocol::tcp, LB_CT_OPEN, 20},
        {&Maps::ct_tcp, Protocol::tcp, LB_CT_ESTABLISHED, 8000},
        {&Maps::ct_tcp, Protocol::tcp, LB_CT_CLOSING, 10},
        {&Maps::ct_tcp, Protocol::sctp, LB_CT_OPEN, 20},
        {&Maps::ct_tcp, Protocol::sctp, LB_CT_ESTABLISHED, 8000},
        {&Maps::ct_tcp, Protocol::sctp, LB_CT_CLOSING, 10},
        {&Maps::ct_any, Protocol::udp, LB_CT_OPEN, 30},
        {&Maps::ct_any, Protocol::udp, LB_CT_ESTABLISHED, 60},
        {&Maps::snat, Protocol::tcp, LB_CT_CLOSING, 10},
        {&Maps::snat, Protocol::udp, LB_CT_OPEN, 30},
    };
    std::uint16_t port = 1000;
    for (const auto& each : lifetimes) {
        write(maps.*each.map, flow(port++, each.protocol), entry(each.state, each.seconds));
        write(maps.*each.map, flow(port++, each.protocol), entry(each.state, each.seconds, true));
    }
    auto result = swept(maps);
    CHECK(result.seen == 20);
    CHECK(result.deleted == 10);
    port = 1000;
    for (const auto& each : lifetimes) {
        INFO("state " << each.state << ", " << each.seconds << " s");
        CHECK_FALSE(read<lb_ct>(maps.*each.map, flow(port++, each.protocol)));
        CHECK(read<lb_ct>(maps.*each.map, flow(port++, each.protocol)));
    }
}

TEST_CASE("an entry written after the clock was read is young", "[sweep]")
{
    auto maps = small_maps();
    auto future = entry(LB_CT_OPEN, 0);
    future.last_seen = now + 3;
    write(maps.ct_tcp, flow(1000), future);
    CHECK(swept(maps).deleted == 0);
}

TEST_CASE("an entry that began anew since it was read is not deleted", "[sweep]")
{
    auto maps = small_maps();
    Table<lb_tuple, lb_ct> table{maps.ct_any.get(), "lb_ct_any"};
    auto old = [](const lb_ct& held) { return held.last_seen < now; };
    auto key = flow(1000, Protocol::udp);
    write(maps.ct_any, key, entry(LB_CT_OPEN, 31));
    Result<bool> deleted = true;
    auto listed = table.for_each([&](const lb_tuple& each, const lb_ct& value) {
        REQUIRE(old(value));
        write(maps.ct_any, each, entry(LB_CT_OPEN, 0)); // the client sends
        deleted = table.erase_if(each, old);
    });
    REQUIRE(listed);
    CHECK(deleted == false);
    CHECK(read<lb_ct>(maps.ct_any, key));
    write(maps.ct_any, key, entry(LB_CT_OPEN, 31));
    CHECK(table.erase_if(key, old) == true);
    CHECK(table.erase_if(key, old) == false);
    CHECK_FALSE(read<lb_ct>(maps.ct_any, key));
}

TEST_CASE("more entries than one batch holds are all seen", "[sweep]")
{
    auto maps = small_maps({.flows = 16384});
    for (std::uint16_t port = 1; port <= 5000; ++port)
        write(maps.ct_any, flow(port, Protocol::udp), entry(LB_CT_OPEN, port % 2 ? 31 : 0));
    auto result = swept(maps);
    CHECK(result.seen == 5000);
    CHECK(result.deleted == 2500);
    CHECK(keys<lb_tuple>(maps.ct_any).size() == 2500);
}

TEST_CASE(
    "an affinity entry outlives its timeout, so that its client is known to be back, but not its service",
    "[sweep]")
{
    auto maps = small_maps();
    std::vector<std::string> findings;
    auto kernel = Kernel::open(again(maps), LB_DEFAULT_SEED, findings);
    REQUIRE(kernel);
    ServiceId web{.key = {"shop", "web"}, .uid = {}, .port_name = {}};
    ServiceRow row;
    row.backends = {{.at = {addr("10.0.0.1"), {80}}, .chosen = true, .serving = true}};
    row.affinity_timeout_sec = 100;
    REQUIRE(kernel->apply(PutService{web, row}));

    auto record = read<lb_service>(maps.services, 1u).value();
    std::vector<std::byte> arena(maps.arena_bytes);
    auto only = 0u;
    REQUIRE(bpf_map_lookup_elem(maps.arena.get(), &only, arena.data()) == 0);
    auto block = decode(std::span{arena}.subspan(record.block), 1, record);
    REQUIRE(block);

    auto client = [](std::uint16_t number) {
        lb_affinity_key key{};
        key.port = number;
        return key;
    };
    lb_affinity sticky{.last_seen = now - 100 * hz + 1,
                       .service = 1,
                       .generation = 1,
                       .epoch = block->affinity_epoch,
                       .position = 0,
                       .pad = 0};
    write(maps.affinity, client(1), sticky);
    sticky.last_seen = now - 100 * hz;
    write(maps.affinity, client(2), sticky);
    sticky.last_seen = now;
    sticky.epoch += 1;
    write(maps.affinity, client(3), sticky);
    sticky.epoch -= 1;
    sticky.service = 7;
    write(maps.affinity, client(4), sticky);

    CHECK(swept(maps).deleted == 2);
    CHECK(read<lb_affinity>(maps.affinity, client(1)));
    CHECK(read<lb_affinity>(maps.affinity, client(2)));
    row.affinity_timeout_sec = 0;
    REQUIRE(kernel->apply(PutService{web, row}));
    CHECK(swept(maps).deleted == 2);
}

TEST_CASE("a choice of an unconnected socket is forgotten when it was not used for long", "[sweep]")
{
    auto maps = small_maps();
    lb_sock_udp_key key{};
    lb_sock_udp value{};
    key.cookie = 1;
    value.last_seen = now - 60 * hz;
    write(maps.sock_udp, key, value);
    key.cookie = 2;
    value.last_seen += 1;
    write(maps.sock_udp, key, value);
    CHECK(swept(maps).deleted == 1);
    CHECK(read<lb_sock_udp>(maps.sock_udp, key));
}

TEST_CASE("a tombstone stands as long as a live TCP flow was dialled through it", "[sweep]")
{
    auto maps = small_maps();
    lb_frontend_key key{
        .addr = addr("10.96.0.1").raw(), .port = Port{80}.raw(), .proto = 6, .pad = 0, .pad2 = 0};
    lb_frontend tombstone{};
    tombstone.flags = LB_FRONTEND_TOMBSTONE;
    write(maps.frontends, key, tombstone);
    auto live = key;
    live.port = Port{81}.raw();
    lb_frontend row{};
    row.inside = row.outside = 1;
    write(maps.frontends, live, row);

    write(maps.ct_tcp, flow(1000), entry(LB_CT_ESTABLISHED, 7999));
    CHECK(swept(maps).tombstones == 1);
    CHECK(read<lb_frontend>(maps.frontends, key));

    write(maps.ct_tcp, flow(1000), entry(LB_CT_ESTABLISHED, 8000));
    write(maps.ct_tcp, flow(1001, Protocol::tcp, LB_DIR_REPLY), entry(LB_CT_ESTABLISHED, 0));
    CHECK(swept(maps).tombstones == 0);
    CHECK_FALSE(read<lb_frontend>(maps.frontends, key));
    CHECK(read<lb_frontend>(maps.frontends, live));
}

TEST_CASE("the tombstones of one address and port stand or go by the connections of their own protocol",
          "[sweep]")
{
    auto maps = small_maps();
    auto key = [](Protocol protocol) {
        return lb_frontend_key{.addr = addr("10.96.0.1").raw(),
                               .port = Port{80}.raw(),
                               .proto = static_cast<std::uint8_t>(protocol),
                               .pad = 0,
                               .pad2 = 0};
    };
    lb_frontend tombstone{};
    tombstone.flags = LB_FRONTEND_TOMBSTONE;
    write(maps.frontends, key(Protocol::tcp), tombstone);
    write(maps.frontends, key(Protocol::sctp), tombstone);
    write(maps.ct_tcp, flow(1000, Protocol::sctp), entry(LB_CT_ESTABLISHED, 0));
    CHECK(swept(maps).tombstones == 1);
    CHECK_FALSE(read<lb_frontend>(maps.frontends, key(Protocol::tcp)));
    CHECK(read<lb_frontend>(maps.frontends, key(Protocol::sctp)));
}
