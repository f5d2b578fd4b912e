#include <catch2/catch.hpp>

#include "builders.hpp"
#include "model/tables.hpp"

using namespace naru;
using namespace naru::test;

TEST_CASE("tables read like sentences, one line a row, sorted", "[tables]")
{
    ServiceId cluster{{"shop", "web"}, "uid", "http", Protocol::tcp, Family::v4, Scope::cluster};
    auto local = cluster;
    local.scope = Scope::local;
    Tables tables;
    tables.services[local] = {
        .backends = {}, .drop_if_empty = true, .type = LB_TYPE_LOAD_BALANCER, .source_ranges = {}};
    tables.services[cluster] = {
        .backends = {{.at = at("10.0.0.1:80"), .chosen = true, .serving = true, .local = true},
                     {.at = at("10.0.0.2:80"), .serving = true, .terminating = true}},
        .affinity_timeout_sec = 10,
        .type = LB_TYPE_LOAD_BALANCER,
        .source_ranges = {cidr("10.0.0.0/8"), cidr("192.0.2.0/24")}};
    tables.frontends[key("1.2.3.4:80/TCP")] = {.kind = LB_KIND_LOAD_BALANCER,
                                               .inside = cluster,
                                               .outside = local,
                                               .node_address = true,
                                               .ranges = true,
                                               .admits_node = true};
    tables.frontends[key("127.0.0.1:30080/TCP")] = {
        .kind = LB_KIND_NODE_PORT, .inside = cluster, .outside = cluster, .host_only = true};
    tables.frontends[key("[fd96::1]:0")] = {};

    CHECK(render(tables) ==
          "service shop/web:http/TCP v4 cluster type LoadBalancer affinity 10s admits 10.0.0.0/8,192.0.2.0/24"
          ": 10.0.0.1:80 chosen local, 10.0.0.2:80 terminating\n"
          "service shop/web:http/TCP v4 local type LoadBalancer drop-if-empty\n"
          "frontend 1.2.3.4:80/TCP LoadBalancer node-address ranges admits-node -> "
          "inside shop/web:http/TCP v4 cluster, outside shop/web:http/TCP v4 local\n"
          "frontend 127.0.0.1:30080/TCP NodePort host-only -> shop/web:http/TCP v4 cluster\n"
          "frontend [fd96::1]:* wildcard\n");
    CHECK_FALSE(tables.empty());
    CHECK(render({}).empty());
}

TEST_CASE("an unnamed port is not written", "[tables]")
{
    ServiceId id{{"shop", "dns"}, "uid", "", Protocol::udp, Family::v6, Scope::cluster};
    CHECK(id.text() == "shop/dns/UDP v6 cluster");
}

TEST_CASE("the Services of tables are told once each, with a backend or without", "[tables]")
{
    Tables tables;
    ServiceId web{{"shop", "web"}, "uid", "", Protocol::tcp, Family::v4, Scope::cluster};
    auto web_local = web, idle = web;
    web_local.scope = Scope::local;
    idle.key.name = "idle";
    tables.services[web].backends = {{.at = at("10.0.0.1:80"), .chosen = true}};
    tables.services[web_local] = {};
    tables.services[idle] = {};
    CHECK(services_in(tables) == std::set<ObjectKey>{{"shop", "idle"}, {"shop", "web"}});
    CHECK(services_with_backends(tables) == std::set<ObjectKey>{{"shop", "web"}});
}
