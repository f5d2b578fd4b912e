#include <catch2/catch.hpp>

#include "builders.hpp"
#include "describe.hpp"
#include "model/diff.hpp"

using namespace naru;
using namespace naru::test;

namespace {

ServiceId id(std::string name)
{
    return {{"shop", std::move(name)}, "uid", "", Protocol::tcp, Family::v4, Scope::cluster};
}

FrontendRow to(const ServiceId& service)
{
    FrontendRow row;
    row.inside = row.outside = service;
    return row;
}

Tables web()
{
    Tables tables;
    tables.services[id("web")] = {};
    tables.frontends[key("10.96.0.1:80/TCP")] = to(id("web"));
    tables.frontends[key("10.96.0.1:0")] = {};
    return tables;
}

} // namespace

TEST_CASE("services are put before the frontends that name them, wildcards last", "[diff]")
{
    CHECK(describe(diff({}, web())) == "+web +10.96.0.1:80/TCP +10.96.0.1:*");
}

TEST_CASE("frontends are erased before the services they name", "[diff]")
{
    CHECK(describe(diff(web(), {})) == "-10.96.0.1:* -10.96.0.1:80/TCP -web");
}

TEST_CASE("equal tables need nothing", "[diff]") { CHECK(diff(web(), web()).empty()); }

TEST_CASE("a new owner is put over the old one before that one goes", "[diff]")
{
    Tables next = web();
    next.services.clear();
    next.services[id("new")] = {};
    next.frontends[key("10.96.0.1:80/TCP")] = to(id("new"));
    CHECK(describe(diff(web(), next)) == "+new +10.96.0.1:80/TCP -web");
}

TEST_CASE("only what differs is written", "[diff]")
{
    auto next = web();
    next.services[id("web")].affinity_timeout_sec = 10;
    CHECK(describe(diff(web(), next)) == "+web");
}

TEST_CASE("a frontend stops checking ranges before its service loses them", "[diff]")
{
    auto open = web(), checked = web();
    checked.frontends[key("10.96.0.1:80/TCP")].ranges = true;
    checked.services[id("web")].source_ranges = {cidr("10.0.0.0/8")};
    CHECK(describe(diff(checked, open)) == "+10.96.0.1:80/TCP +web");
    CHECK(describe(diff(open, checked)) == "+web +10.96.0.1:80/TCP");
}

TEST_CASE("a frontend never names a service before that is there, even when it stops checking ranges",
          "[diff]")
{
    auto checked = web();
    checked.frontends[key("10.96.0.1:80/TCP")].ranges = true;
    Tables next = web();
    next.services[id("new")] = {};
    next.frontends[key("10.96.0.1:80/TCP")] = to(id("new"));
    CHECK(describe(diff(checked, next)) == "+new +10.96.0.1:80/TCP");
}
