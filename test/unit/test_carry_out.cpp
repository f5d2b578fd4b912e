#include <catch2/catch.hpp>

#include <algorithm>

#include "builders.hpp"
#include "describe.hpp"
#include "model/plan.hpp"

using namespace naru;
using namespace naru::test;

namespace {

ServiceId id(std::string name, Scope scope = Scope::cluster)
{
    return {{"shop", std::move(name)}, "uid", "", Protocol::tcp, Family::v4, scope};
}

FrontendRow to(const ServiceId& service)
{
    FrontendRow row;
    row.inside = row.outside = service;
    return row;
}

void add(Tables& tables, const std::string& name, const std::string& address)
{
    tables.services[id(name)] = {};
    tables.frontends[key(address + ":80/TCP")] = to(id(name));
    tables.frontends[key(address + ":0")] = {};
}

/// What was tried, in order, with "!" for what failed.
struct Attempts {
    FakeKernel kernel;
    std::string tried;

    std::vector<Failure> run(const Tables& wanted)
    {
        return carry_out(diff(kernel.installed, wanted), kernel.installed,
                         one_by_one([this](const Change& change) {
                             auto result = kernel.apply(change);
                             tried += (tried.empty() ? "" : " ") + describe(change) + (result ? "" : "!");
                             return result;
                         }));
    }
};

} // namespace

TEST_CASE("a wildcard row that is tried alone waits for a port that is served", "[carry_out]")
{
    Attempts a;
    Tables wanted;
    add(wanted, "web", "10.96.0.1");
    const Change wildcard = PutFrontend{key("10.96.0.1:0"), {}};
    CHECK(carry_out({wildcard}, a.kernel.installed, one_by_one([&](const Change& change) {
                        return a.kernel.apply(change);
                    })).empty());
    CHECK(a.kernel.installed.empty());
    CHECK(a.run(wanted).empty());
    CHECK(a.kernel.installed == wanted);
}

TEST_CASE("changes are applied in their order", "[carry_out]")
{
    Attempts a;
    Tables wanted;
    add(wanted, "web", "10.96.0.1");
    CHECK(a.run(wanted).empty());
    CHECK(a.tried == "+web +10.96.0.1:80/TCP +10.96.0.1:*");
    CHECK(a.kernel.installed == wanted);
}

TEST_CASE("a Service without its backend set gets no frontend and no wildcard, others go on", "[carry_out]")
{
    Attempts a;
    Tables wanted;
    add(wanted, "web", "10.96.0.1");
    add(wanted, "zoo", "10.96.0.2");
    a.kernel.fails = [](const Change& c) { return describe(c) == "+web"; };
    auto failures = a.run(wanted);
    REQUIRE(failures.size() == 1);
    CHECK(describe(failures[0].change) == "+web");
    CHECK(failures[0].error.what == "no room");
    CHECK(a.tried == "+web! +zoo +10.96.0.2:80/TCP +10.96.0.2:*");
}

TEST_CASE("one failed set of a Service keeps back the frontends of all its sets", "[carry_out]")
{
    Attempts a;
    Tables wanted;
    wanted.services[id("web", Scope::cluster)] = {};
    wanted.services[id("web", Scope::local)] = {};
    wanted.frontends[key("10.96.0.1:80/TCP")] = to(id("web", Scope::cluster));
    a.kernel.fails = [](const Change& c) {
        const auto* put = std::get_if<PutService>(&c);
        return put && put->id.scope == Scope::local;
    };
    CHECK(a.run(wanted).size() == 1);
    CHECK(a.kernel.installed.frontends.empty());
}

TEST_CASE("a service that a frontend still names is not erased", "[carry_out]")
{
    Attempts a;
    add(a.kernel.installed, "old", "10.96.0.1");
    a.kernel.installed.services[id("gone")] = {};
    Tables wanted;
    add(wanted, "new", "10.96.0.1");
    a.kernel.fails = [](const Change& c) { return describe(c) == "+10.96.0.1:80/TCP"; };
    CHECK(a.run(wanted).size() == 1);
    CHECK(a.tried.find("-old") == std::string::npos);
    CHECK(a.tried.find("-gone") != std::string::npos);
}

TEST_CASE("a frontend that cannot be erased keeps its service", "[carry_out]")
{
    Attempts a;
    add(a.kernel.installed, "old", "10.96.0.1");
    a.kernel.fails = [](const Change& c) { return describe(c) == "-10.96.0.1:80/TCP"; };
    CHECK(a.run({}).size() == 1);
    CHECK(a.tried == "-10.96.0.1:* -10.96.0.1:80/TCP!");
}

TEST_CASE("puts that found no room are tried once more after the erases", "[carry_out]")
{
    Attempts a;
    add(a.kernel.installed, "old", "10.96.0.1");
    Tables wanted;
    add(wanted, "new", "10.96.0.2");
    a.kernel.fails = [&](const Change& c) {
        return describe(c) == "+new" && a.kernel.installed.services.contains(id("old"));
    };
    CHECK(a.run(wanted).empty());
    CHECK(a.kernel.installed == wanted);
}

TEST_CASE("a put that fails twice is reported once", "[carry_out]")
{
    Attempts a;
    add(a.kernel.installed, "old", "10.96.0.1");
    Tables wanted;
    add(wanted, "new", "10.96.0.2");
    a.kernel.fails = [](const Change& c) { return describe(c) == "+new"; };
    CHECK(a.run(wanted).size() == 1);
    CHECK(a.tried == "+new! -10.96.0.1:* -10.96.0.1:80/TCP -old +new!");
}

TEST_CASE("neighbours of one kind are tried together, a failure in their midst holds nobody up",
          "[carry_out]")
{
    Tables wanted;
    for (int i = 1; i <= 3; ++i)
        add(wanted, "web" + std::to_string(i), "10.96.0." + std::to_string(i));
    FakeKernel kernel;
    std::string calls;
    auto failures = carry_out(diff({}, wanted), kernel.installed, [&](std::span<const Change> changes) {
        calls += (calls.empty() ? "" : " ") + std::to_string(changes.size());
        return one_by_one([&](const Change& change) -> Result<> {
            if (describe(change) == "+10.96.0.2:80/TCP")
                return error("no room");
            return kernel.apply(change);
        })(changes);
    });
    REQUIRE(failures.size() == 1);
    CHECK(describe(failures[0].change) == "+10.96.0.2:80/TCP");
    // Three services; three frontends and three wildcards, of which the second frontend fails; the rest
    // without the wildcard of that address.
    CHECK(calls == "3 3 1 1 1");
    CHECK(kernel.installed.services.size() == 3);
    CHECK(kernel.installed.frontends.size() == 4);
    CHECK_FALSE(kernel.installed.frontends.contains(key("10.96.0.2:0")));
}

TEST_CASE("changes beyond count are tried in parts", "[carry_out]")
{
    Tables wanted;
    for (int i = 0; i < 1000; ++i)
        wanted.services[id("web" + std::to_string(i))] = {};
    FakeKernel kernel;
    std::size_t calls = 0, largest = 0;
    auto failures = carry_out(diff({}, wanted), kernel.installed, [&](std::span<const Change> changes) {
        ++calls;
        largest = std::max(largest, changes.size());
        return one_by_one([&](const Change& change) { return kernel.apply(change); })(changes);
    });
    CHECK(failures.empty());
    CHECK(kernel.installed.services.size() == 1000);
    CHECK(calls > 1);
    CHECK(largest < 1000);
}
