#include <catch2/catch.hpp>

#include <algorithm>

#include "builders.hpp"
#include "model/health_checks.hpp"

using namespace naru;

namespace {

constexpr Port p1{32001};
constexpr Port p2{32002};

HealthCheck check(Port port, std::int64_t created_sec = 1000, std::size_t ready = 1)
{
    return {.port = port, .created_sec = created_sec, .uid = "u", .ready_here = {{Family::v4, ready}}};
}

/// Remembers what the last step changed and told.
struct World {
    HealthChecks checks;
    std::string told;

    std::string set(const std::string& name, std::optional<HealthCheck> next)
    {
        std::vector<Notice> notices;
        std::set<Port> changed;
        checks.replace({"shop", name}, std::move(next), notices, changed);
        told.clear();
        for (const auto& notice : notices)
            told += notice.service.name + ":" + notice.reason + ' ';
        std::string out;
        for (const auto port : changed)
            out += (out.empty() ? "" : " ") + std::to_string(port.host) + '=' + owner(port);
        return out;
    }

    std::string owner(Port port) const
    {
        const auto at = checks.at(port);
        return at ? std::string{at->service.name} : "-";
    }
};

} // namespace

TEST_CASE("a port opens, moves and closes with its Service")
{
    World w;
    CHECK(w.set("web", check(p1)) == "32001=web");
    CHECK(w.set("web", check(p2)) == "32001=- 32002=web");
    CHECK(w.checks.ports() == std::set{p2});
    CHECK(w.set("web", std::nullopt) == "32002=-");
    CHECK(w.set("web", std::nullopt).empty());
    CHECK(w.checks.ports().empty());
    CHECK(w.told.empty());
}

TEST_CASE("a new count is seen at once and changes no port")
{
    World w;
    w.set("web", check(p1, 1000, 1));
    CHECK(w.set("web", check(p1, 1000, 0)).empty());
    CHECK(w.checks.at(p1)->check.ready_here.at(Family::v4) == 0);
}

TEST_CASE("a family that comes or goes changes the port")
{
    World w;
    auto both = check(p1);
    both.ready_here[Family::v6] = 1;
    w.set("web", check(p1));
    CHECK(w.set("web", both) == "32001=web");
    CHECK(w.set("web", check(p1)) == "32001=web");
}

TEST_CASE("of two Services with one port the older has it, whoever comes first, and the other when it goes")
{
    World first;
    first.set("old", check(p1, 1000));
    CHECK(first.set("young", check(p1, 2000)).empty());
    CHECK(first.told == "young:FailedToStartServiceHealthcheck ");
    CHECK(first.set("young", check(p1, 2000, 5)).empty());
    CHECK(first.told.empty());
    CHECK(first.set("old", std::nullopt) == "32001=young");
    CHECK(first.told.empty());

    World second;
    second.set("young", check(p1, 2000));
    CHECK(second.set("old", check(p1, 1000)) == "32001=old");
    CHECK(second.told == "young:FailedToStartServiceHealthcheck ");
    CHECK(second.set("old", check(p2, 1000)) == "32001=young 32002=old");
    CHECK(second.told.empty());
}

TEST_CASE("with one age the smaller uid has the port, and an unknown age is the youngest")
{
    World w;
    auto a = check(p1), b = check(p1);
    a.uid = "a";
    b.uid = "b";
    w.set("b", b);
    w.set("a", a);
    CHECK(w.owner(p1) == "a");
    a.created_sec = 0;
    CHECK(w.set("a", a) == "32001=b");
    CHECK(w.told == "a:FailedToStartServiceHealthcheck ");
}

TEST_CASE("the owner of a port does not depend on the order in which Services come")
{
    std::vector<std::pair<std::string, HealthCheck>> all{
        {"a", check(p1, 3000)}, {"b", check(p1, 1000)}, {"c", check(p1, 2000)}, {"d", check(p2, 1000)}};
    do {
        World w;
        for (const auto& [name, each] : all)
            w.set(name, each);
        CHECK(w.owner(p1) == "b");
        CHECK(w.owner(p2) == "d");
        w.set("b", std::nullopt);
        CHECK(w.owner(p1) == "c");
        for (const auto& [name, _] : all)
            w.set(name, std::nullopt);
        CHECK(w.checks.ports().empty());
    } while (std::ranges::next_permutation(all, {}, &std::pair<std::string, HealthCheck>::first).found);
}
