// Where packets of the host must leave for Services to see them: installed rows and routes in, complaints
// out.
#include <catch2/catch.hpp>

#include "host_routes.hpp"

using namespace naru;
using Catch::Contains;

namespace {

Address addr(const char* text) { return Address::parse(text).value(); }

void add(Tables& tables, const char* address, std::uint16_t port, lb_frontend_kind kind)
{
    FrontendRow row;
    row.kind = kind;
    tables.frontends[{addr(address), {port}, Protocol::tcp}] = row;
}

std::map<std::uint32_t, Device> devices(std::initializer_list<std::uint32_t> indices)
{
    std::map<std::uint32_t, Device> made;
    for (auto index : indices) {
        Link link;
        link.index = index;
        made.emplace(index, Device{link, DeviceRole::uplink});
    }
    return made;
}

Tables both_families()
{
    Tables tables;
    add(tables, "10.96.0.1", 443, LB_KIND_CLUSTER_IP);
    add(tables, "fd96::1", 443, LB_KIND_CLUSTER_IP);
    return tables;
}

} // namespace

TEST_CASE("one ClusterIP of each family stands for all, and only a row that serves a port")
{
    Tables tables;
    add(tables, "192.0.2.1", 30080, LB_KIND_NODE_PORT);
    tables.frontends[{addr("10.96.0.1"), {0}, std::nullopt}] = {};
    CHECK(samples(tables).empty());
    add(tables, "10.96.0.9", 80, LB_KIND_CLUSTER_IP);
    add(tables, "10.96.0.10", 80, LB_KIND_CLUSTER_IP);
    CHECK(samples(tables) == std::vector{addr("10.96.0.9")});
    add(tables, "fd96::7", 80, LB_KIND_CLUSTER_IP);
    CHECK(samples(tables) == std::vector{addr("10.96.0.9"), addr("fd96::7")});
}

TEST_CASE("a route by a device with programs is none to complain of")
{
    CHECK(route_complaint(addr("10.96.0.1"), 2, devices({2})).empty());
}

TEST_CASE("a missing route and one past the programs are named with the remedy")
{
    CHECK_THAT(route_complaint(addr("10.96.0.1"), std::nullopt, devices({2})),
               Contains("no route to 10.96.0.1") && Contains("a default route is enough"));
    CHECK_THAT(route_complaint(addr("fd96::1"), 7, devices({2})),
               Contains("fd96::1") && Contains("number 7") && Contains("--devices"));
}

TEST_CASE("a complaint is told when it is new, and again when it comes back")
{
    std::map<Address, std::optional<std::uint32_t>> routes{{addr("10.96.0.1"), 2}, {addr("fd96::1"), {}}};
    HostRoutes follow{
        [&](const Address& to) -> Result<std::optional<std::uint32_t>> { return routes.at(to); }};
    const auto installed = both_families();
    const auto known = devices({2});

    const auto first = follow.follow(installed, known);
    REQUIRE(first.size() == 1);
    CHECK_THAT(first[0], Contains("fd96::1"));
    CHECK(follow.follow(installed, known).empty());

    routes.at(addr("10.96.0.1")) = std::nullopt;
    const auto second = follow.follow(installed, known);
    REQUIRE(second.size() == 1);
    CHECK_THAT(second[0], Contains("10.96.0.1"));

    routes.at(addr("fd96::1")) = 2;
    CHECK(follow.follow(installed, known).empty());
    routes.at(addr("fd96::1")) = std::nullopt;
    CHECK(follow.follow(installed, known) == first);
}

TEST_CASE("a kernel that cannot be asked for a route is told of, too")
{
    HostRoutes follow{
        [](const Address&) -> Result<std::optional<std::uint32_t>> { return error("no answer"); }};
    Tables tables;
    add(tables, "10.96.0.1", 443, LB_KIND_CLUSTER_IP);
    CHECK(follow.follow(tables, {}) == std::vector<std::string>{"no answer"});
}
