// Connections of backends after what no program sees: evictions, lifetimes, live changes, another agent.
#include <catch2/catch.hpp>

#include <algorithm>
#include <vector>

#include "datapath/kernel.hpp"
#include "datapath/sweep.hpp"
#include "small_maps.hpp"

using namespace naru;
using namespace naru::test;

namespace {

constexpr std::uint64_t now = 1'000'000;

constexpr lb_config config()
{
    lb_config made{};
    made.hz = 100;
    made.arena_bytes = 1u << 16;
    made.tcp_unreplied_sec = 20;
    made.tcp_established_sec = 8000;
    made.tcp_closing_sec = 10;
    made.udp_sec = 60;
    made.udp_unreplied_sec = 30;
    made.sock_udp_sec = 60;
    return made;
}

SocketAddress backend_at(int number)
{
    return {Address::parse("10.1.0." + std::to_string(number)).value(), {8080}};
}

const ServiceId web{.key = {"shop", "web"}, .uid = "uid", .port_name = "http"};

ServiceRow row_of(lb_algorithm algorithm, std::size_t backends)
{
    std::vector<Backend> list;
    for (std::size_t i = 1; i <= backends; ++i)
        list.push_back({.at = backend_at(static_cast<int>(i)), .chosen = true, .serving = true});
    ServiceRow row;
    row.backends = list;
    row.algorithm = algorithm;
    return row;
}

/// An agent's view of maps that others may have made.
struct Agent {
    Maps maps;
    Kernel kernel;

    explicit Agent(const Maps& shared) : maps{again(shared)}, kernel{open(shared)} {}

    static Kernel open(const Maps& shared)
    {
        std::vector<std::string> findings;
        auto kernel = Kernel::open(again(shared), LB_DEFAULT_SEED, findings);
        REQUIRE(kernel);
        REQUIRE(findings.empty());
        return std::move(*kernel);
    }

    std::size_t sweep()
    {
        auto result = naru::sweep(maps, config(), now, kernel.compared_backends());
        REQUIRE(result);
        return result->corrected;
    }

    void want(lb_algorithm algorithm, std::size_t backends)
    {
        REQUIRE(kernel.apply(PutService{web, row_of(algorithm, backends)}));
    }
};

lb_tuple flow(std::uint32_t number, Protocol protocol, lb_direction direction = LB_DIR_FORWARD)
{
    return {.src = Address::parse("10.9.0.1").value().raw(),
            .dst = Address::parse("10.96.0.1").value().raw(),
            .sport = static_cast<std::uint16_t>(number),
            .dport = static_cast<std::uint16_t>(number >> 16),
            .proto = static_cast<std::uint8_t>(protocol),
            .direction = static_cast<std::uint8_t>(direction),
            .pad = 0};
}

lb_ct entry(std::uint32_t generation, lb_ct_state state = LB_CT_ESTABLISHED, std::uint64_t last_seen = now)
{
    lb_ct made{};
    made.state = static_cast<std::uint8_t>(state);
    made.generation = generation;
    made.last_seen = last_seen;
    return made;
}

std::int64_t open(const Maps& maps, std::uint32_t generation)
{
    const auto load = read<lb_load>(maps.loads, generation).value_or(lb_load{});
    return static_cast<std::int64_t>(load.opened - load.closed);
}

} // namespace

TEST_CASE("after a flood that evicted connections a backend has those that are left", "[loads]")
{
    auto maps = small_maps({.flows = 256});
    Agent agent{maps};
    agent.want(LB_ALGORITHM_LC, 2);
    const auto generations = agent.kernel.compared_backends();
    REQUIRE(generations.size() == 2);
    for (std::uint32_t i = 0; i < 2000; ++i) // what the programs do for each
        write(maps.ct_tcp, flow(i, Protocol::tcp), entry(generations[i % 2]));
    write(maps.loads, generations[0], lb_load{.opened = 1000, .closed = 0});
    write(maps.loads, generations[1], lb_load{.opened = 1000, .closed = 0});

    std::int64_t left[2]{};
    for (const auto& key : keys<lb_tuple>(maps.ct_tcp))
        ++left[read<lb_ct>(maps.ct_tcp, key)->generation == generations[1]];
    REQUIRE(left[0] + left[1] <= 256);
    CHECK(agent.sweep() == 2);
    CHECK(open(maps, generations[0]) == left[0]);
    CHECK(open(maps, generations[1]) == left[1]);
    CHECK(agent.sweep() == 0);
}

TEST_CASE("connections of all tables count, once each; those that are ending or whose time has passed do not",
          "[loads]")
{
    auto maps = small_maps();
    Agent agent{maps};
    agent.want(LB_ALGORITHM_WLC, 1);
    const auto own = agent.kernel.compared_backends().at(0);
    const auto long_ago = now - 9000 * 100;
    write(maps.ct_tcp, flow(1, Protocol::tcp), entry(own));
    write(maps.ct_tcp, flow(1, Protocol::tcp, LB_DIR_REPLY), entry(own));
    write(maps.ct_tcp, flow(2, Protocol::tcp), entry(own, LB_CT_CLOSING));
    write(maps.ct_tcp, flow(3, Protocol::tcp), entry(own, LB_CT_ESTABLISHED, long_ago));
    write(maps.ct_tcp, flow(4, Protocol::tcp), entry(own + 1)); // somebody else's
    write(maps.ct_any, flow(5, Protocol::udp), entry(own, LB_CT_OPEN));
    write(maps.snat, flow(5, Protocol::udp, LB_DIR_REPLY), entry(own));
    lb_sock sock{};
    sock.generation = own;
    write(maps.sock, std::uint64_t{77}, sock);
    lb_sock_udp_key there{}, back{};
    there.cookie = back.cookie = 78;
    back.direction = LB_DIR_REPLY;
    lb_sock_udp datagrams{};
    datagrams.generation = own;
    datagrams.last_seen = now;
    write(maps.sock_udp, there, datagrams);
    write(maps.sock_udp, back, datagrams);
    agent.sweep();
    CHECK(open(maps, own) == 4);
}

TEST_CASE("another agent finds the counters as they are, and a backend that has gone has none", "[loads]")
{
    auto maps = small_maps();
    std::vector<std::uint32_t> generations;
    {
        Agent first{maps};
        first.want(LB_ALGORITHM_SED, 2);
        generations = first.kernel.compared_backends();
        write(maps.ct_tcp, flow(1, Protocol::tcp), entry(generations[1]));
        first.sweep();
    }
    Agent second{maps};
    CHECK(second.kernel.compared_backends() == generations);
    CHECK(open(maps, generations[1]) == 1);
    CHECK(second.sweep() == 0);
    second.want(LB_ALGORITHM_SED, 1);
    CHECK(second.kernel.compared_backends() == std::vector{generations[0]});
    second.sweep();
    CHECK_FALSE(read<lb_load>(maps.loads, generations[1]));
}

TEST_CASE("connections from before a Service compared loads are counted, and no longer when it does not",
          "[loads]")
{
    auto maps = small_maps();
    Agent agent{maps};
    agent.want(LB_ALGORITHM_RR, 1);
    CHECK(agent.kernel.compared_backends().empty());
    agent.want(LB_ALGORITHM_LC, 1);
    const auto own = agent.kernel.compared_backends().at(0);
    write(maps.ct_tcp, flow(1, Protocol::tcp), entry(own));
    write(maps.ct_tcp, flow(2, Protocol::tcp), entry(own));
    CHECK(agent.sweep() == 1);
    CHECK(open(maps, own) == 2);
    agent.want(LB_ALGORITHM_RR, 1);
    CHECK(agent.sweep() == 0);
    CHECK_FALSE(read<lb_load>(maps.loads, own));
}
