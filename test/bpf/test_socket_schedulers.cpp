// Algorithms that take turns or compare loads, for sockets that connect.
#include "socket_node.hpp"

#include <algorithm>
#include <memory>

using namespace naru;
using namespace naru::test;

namespace {

/// A Service over three servers, and clients that stay connected.
struct Connected {
    SocketNode node;
    UdpCase on;
    ServiceId id;
    std::vector<Backend> backends;
    std::vector<std::unique_ptr<Udp>> clients;

    Connected(const UdpCase& which, lb_algorithm algorithm, const std::vector<std::uint16_t>& weights)
        : on{which}, id{udp_service("placed", which.family)}
    {
        for (std::size_t i = 0; i < weights.size(); ++i)
            backends.push_back(
                {.at = node.serve({static_cast<char>('A' + i)}, on.backend(static_cast<int>(i) + 1)),
                 .chosen = true,
                 .serving = true,
                 .weight = weights[i]});
        std::ranges::sort(backends);
        choose(algorithm);
        REQUIRE(node.kernel().apply(PutFrontend{on.key(), udp_frontend(id)}));
    }

    void choose(lb_algorithm algorithm)
    {
        ServiceRow row;
        row.backends = backends;
        row.algorithm = algorithm;
        REQUIRE(node.kernel().apply(PutService{id, row}));
    }

    /// Who a new client is connected to.
    std::string connect()
    {
        clients.push_back(std::make_unique<Udp>(on.socket_of_v6));
        clients.back()->connect(on.vip());
        return node.ask(*clients.back()).substr(0, 1);
    }

    std::string connect_some(int count)
    {
        std::string out;
        for (int i = 0; i < count; ++i)
            out += connect();
        return out;
    }

    std::int64_t open(std::size_t backend)
    {
        auto maps = node.maps();
        const auto load =
            read<lb_load>(maps.loads, node.kernel().compared_backends().at(backend)).value_or(lb_load{});
        return static_cast<std::int64_t>(load.opened - load.closed);
    }
};

} // namespace

TEST_CASE("sockets take turns", "[sockets]")
{
    auto on = GENERATE(from_range(udp_cases()));
    CAPTURE(on.what);
    Connected calls{on, LB_ALGORITHM_RR, {1, 1, 1}};
    auto order = calls.connect_some(7);
    const std::string turns = "ABCABCABC"; // where they begin is where the service came to
    CHECK(turns.contains(order));
    calls.backends[0].weight = 2;
    calls.choose(LB_ALGORITHM_WRR);
    order = calls.connect_some(8);
    CHECK(std::ranges::count(order, 'A') == 4);
    CHECK(std::ranges::count(order, 'B') == 2);
}

TEST_CASE("a socket is a connection of its backend until it is closed or connected elsewhere", "[sockets]")
{
    auto on = GENERATE(from_range(udp_cases()));
    CAPTURE(on.what);
    Connected calls{on, LB_ALGORITHM_LC, {1, 1}};
    CHECK(calls.connect_some(5) == "ABABA");
    CHECK(calls.open(0) == 3);
    CHECK(calls.open(1) == 2);
    calls.clients.erase(calls.clients.begin()); // an A
    calls.clients.erase(calls.clients.begin() + 1);
    CHECK(calls.open(0) == 1);
    CHECK(calls.connect_some(2) == "AA");
    calls.clients.front()->connect(calls.backends[0].at); // a B, past the frontend
    CHECK(calls.open(1) == 1);
    CHECK(calls.connect() == "B");
    calls.clients.back()->connect(on.vip()); // once more: one of it
    CHECK(calls.open(0) + calls.open(1) == 5);
}

TEST_CASE("sockets are placed by weight, too", "[sockets]")
{
    auto on = GENERATE(from_range(udp_cases()));
    CAPTURE(on.what);
    CHECK(Connected{on, LB_ALGORITHM_SED, {1, 3}}.connect_some(6) == "BBABBB");
    CHECK(Connected{on, LB_ALGORITHM_WLC, {1, 3}}.connect_some(6) == "ABBBAB");
    CHECK(Connected{on, LB_ALGORITHM_NQ, {1, 3}}.connect_some(6) == "ABBBBB");
}

TEST_CASE("an unconnected socket is a connection as long as it remembers its backend", "[sockets]")
{
    auto on = GENERATE(from_range(udp_cases()));
    CAPTURE(on.what);
    Connected calls{on, LB_ALGORITHM_LC, {1, 1}};
    auto vip = on.vip();
    Udp first{on.socket_of_v6}, second{on.socket_of_v6};
    CHECK(calls.node.ask(first, &vip).starts_with("A"));
    CHECK(calls.node.ask(first, &vip).starts_with("A"));
    CHECK(calls.open(0) == 1);
    CHECK(calls.node.ask(second, &vip).starts_with("B"));
}
