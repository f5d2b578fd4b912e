#include <catch2/catch.hpp>

#include "snapshots.hpp"

using namespace naru;
using namespace naru::test;
using ctl::Filter;
using ctl::Format;

namespace {

std::string table(const ctl::Snapshot& tables, const Filter& filter = {})
{
    return render(ctl::services(tables, filter), Format::table, false);
}

} // namespace

TEST_CASE("a frontend is one line with its Service, policy and usable backends")
{
    CHECK(render(ctl::services(shop(), {}), Format::table, true) ==
          "ID  FRONTEND          KIND       SERVICE        POLICY       BACKENDS       FLAGS\n"
          "1   10.96.0.1:80/TCP  ClusterIP  shop/web:http  itp=Cluster  2 of 2 usable\n");
}

TEST_CASE("a document has every row, with addresses as text and numbers as numbers")
{
    CHECK(render(ctl::services(shop(), {}), Format::json, true) == R"([
  {"id": null, "frontend": "10.96.0.1:*", "protocol": null, "kind": "address", "namespace": null, "name": null, "port_name": null, "type": null, "policy": null, "backends": [], "usable": 0, "total": 0, "inside": null, "outside": null, "forwarding": null, "flags": [], "shadowed": []},
  {"id": 1, "frontend": "10.96.0.1:80", "protocol": "TCP", "kind": "ClusterIP", "namespace": "shop", "name": "web", "port_name": "http", "type": "ClusterIP", "policy": "itp=Cluster", "backends": ["10.1.0.1:8080", "10.1.0.2:8080"], "usable": 2, "total": 2, "inside": 1, "outside": 1, "forwarding": "snat", "flags": [], "shadowed": []}
]
)");
}

TEST_CASE("outside addresses are judged by the set and the policy of clients from outside")
{
    auto tables = shop();
    auto idle = backend_at("10.1.0.2:8080");
    idle.chosen = false;
    auto local = row_with({backend_at("10.1.0.1:8080", true), idle});
    local.affinity_timeout_sec = 10800;
    put_service(tables, 2, name_of("web", LB_SCOPE_LOCAL), local);
    tables.frontends.clear();
    put_frontend(
        tables, "192.0.2.10:80/TCP",
        {.inside = 1, .outside = 2, .kind = LB_KIND_LOAD_BALANCER, .flags = LB_FRONTEND_RANGES, .pad = 0});
    tables.ranges = {to_raw(1, cidr("203.0.113.0/24")), to_raw(1, cidr("198.51.100.0/24")),
                     to_raw(2, cidr("10.0.0.0/8"))};
    CHECK(table(tables) == "2  192.0.2.10:80/TCP  LoadBalancer  shop/web:http  etp=Local  1 local, 2 total  "
                           "affinity=10800s,ranges=2\n");
}

TEST_CASE("a wide table tells how clients outside reach other nodes, and why not as was asked for")
{
    auto tables = shop();
    auto shown = [&](Forwarding forwarding) {
        auto row = row_with({backend_at("10.1.0.1:8080")});
        row.forwarding = forwarding;
        put_service(tables, 1, name_of("web"), row);
        return render(ctl::services(tables, {}), Format::wide, false);
    };
    CHECK(shown(Forwarding::snat).contains(" snat"));
    CHECK(shown(Forwarding::dsr).contains(" dsr"));
    CHECK(shown(Forwarding::shared_address).contains("snat (backends share an address)"));
    put_service(tables, 2, name_of("web", LB_SCOPE_LOCAL), {});
    tables.frontends.clear();
    put_frontend(tables, "192.0.2.10:80/TCP",
                 {.inside = 1, .outside = 2, .kind = LB_KIND_LOAD_BALANCER, .flags = 0, .pad = 0});
    CHECK(
        render(ctl::services(tables, {}), Format::wide, false).contains("none (backends of this node only)"));
}

TEST_CASE("a frontend shows its owner, and the Services that wait for it in their order")
{
    auto tables = shop();
    tables.waiting[{at("10.96.0.1:80"), 6}] = {{2, "shop/youngest"}, {1, "other/younger"}};
    tables.waiting[{at("10.96.0.1:80"), 17}] = {{1, "shop/of-another-protocol"}};
    CHECK(table(tables).contains("shop/web:http  itp=Cluster  2 of 2 usable  shadows=2\n"));
    auto wide = render(ctl::services(tables, {}), Format::wide, false);
    CHECK(wide.contains("shadows=2  other/younger,shop/youngest\n"));
    auto document = render(ctl::services(tables, {}), Format::json, false);
    CHECK(document.contains(R"("flags": ["shadows=2"], "shadowed": ["other/younger", "shop/youngest"]})"));
}

TEST_CASE("deleted ports and addresses without port show in wide tables only")
{
    auto tables = shop();
    put_frontend(
        tables, "10.96.0.1:81/TCP",
        {.inside = 1, .outside = 1, .kind = LB_KIND_CLUSTER_IP, .flags = LB_FRONTEND_TOMBSTONE, .pad = 0});
    CHECK_FALSE(table(tables).contains("10.96.0.1:81"));
    auto wide = render(ctl::services(tables, {}), Format::wide, false);
    CHECK(wide.contains("10.96.0.1:81/TCP"));
    CHECK(wide.contains("tombstone"));
    CHECK(wide.contains("10.96.0.1:*"));
}

TEST_CASE("rows are sorted by Service and address, whatever the order in the map")
{
    auto tables = shop();
    put_service(tables, 2, name_of("api"), {});
    put_frontend(tables, "10.96.0.9:80/TCP", cluster_ip(2));
    put_frontend(tables, "10.96.0.2:80/TCP", cluster_ip(1));
    auto shown = table(tables);
    CHECK(shown.find("10.96.0.9") < shown.find("10.96.0.1"));
    CHECK(shown.find("10.96.0.1") < shown.find("10.96.0.2"));
    std::ranges::reverse(tables.frontends);
    CHECK(table(tables) == shown);
}

TEST_CASE("filters leave out what was not asked for")
{
    auto tables = shop();
    put_service(tables, 2,
                {.ns = "other",
                 .name = "dns",
                 .port_name = "",
                 .proto = 17,
                 .family = 4,
                 .scope = LB_SCOPE_CLUSTER,
                 .type = LB_TYPE_CLUSTER_IP},
                {});
    put_frontend(tables, "10.96.0.10:53/UDP", cluster_ip(2));
    auto only = [&](const Filter& filter, const char* wanted, const char* unwanted) {
        auto shown = table(tables, filter);
        CHECK(shown.contains(wanted));
        CHECK_FALSE(shown.contains(unwanted));
    };
    Filter filter;
    filter.ns = "other";
    only(filter, "other/dns", "shop/web");
    filter = {};
    filter.ip = addr("10.96.0.1");
    only(filter, "shop/web", "other/dns");
    filter = {};
    filter.port = Port{53};
    only(filter, "other/dns", "shop/web");
    filter = {};
    filter.protocol = Protocol::tcp;
    only(filter, "shop/web", "other/dns");
}

TEST_CASE("a frontend whose service is not there is shown without backends")
{
    ctl::Snapshot tables;
    tables.services[9] = {};
    put_frontend(tables, "10.96.0.1:80/TCP", cluster_ip(9));
    CHECK(table(tables) == "9  10.96.0.1:80/TCP  ClusterIP  #9\n");
}

TEST_CASE("a name that tries to draw on the terminal is shown as text")
{
    auto tables = shop();
    tables.services[1].name->name = "web\x1b[2J";
    CHECK(table(tables).contains("shop/web\\x1b[2J:http"));
}
