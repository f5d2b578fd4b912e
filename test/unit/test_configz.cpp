// The effective configuration as people and tools read it.
#include <catch2/catch.hpp>

#include "configz.hpp"

using namespace naru;

TEST_CASE("the defaults read as the flags are written")
{
    Config config;
    config.manifests = "/etc/naru";
    config.node_name = "n1";
    CHECK(to_json(config) ==
          R"({"manifests":"/etc/naru","kubernetes-api":"","service-proxy-name":"","relist-guard":"50%,10",)"
          R"("hostname-override":"n1",)"
          R"("bpf-path":"/sys/fs/bpf/naru","cgroup-path":"",)"
          R"("devices":"auto","external-ips":"on","published-node-addresses":"on",)"
          R"("source-ranges-other-family":"open","forwarding":"snat","nodeport-addresses":"primary",)"
          R"("socket-lb":"all","xdp":"auto",)"
          R"("healthz-bind-address":"0.0.0.0:10256","metrics-bind-address":"127.0.0.1:10249",)"
          R"("logging-format":"text","v":2,"seed":1851880053,"arena-bytes":67108864})");
}

TEST_CASE("of the way to the API server only the servers are shown")
{
    Config config;
    config.access = kube::Access{};
    config.access->servers = {*kube::Url::parse("https://10.0.0.1:6443"), *kube::Url::parse("https://api")};
    config.access->token = kube::Token{std::string{"planted-secret"}};
    config.access->client_key.text = "planted-secret";
    const auto json = to_json(config);
    CHECK_THAT(json, Catch::Contains(R"("kubernetes-api":"https://10.0.0.1:6443,https://api:443")"));
    CHECK_FALSE(json.contains("planted-secret"));
}

TEST_CASE("lists and other choices read as they were given")
{
    Config config;
    config.manifests = "/a\"b";
    config.devices = {"eth0", "eth1"};
    config.external_ips.only = {*Cidr::parse("192.0.2.0/24"), *Cidr::parse("fd00::/8")};
    config.node_ports = {
        .primary = false, .localhost = true, .all = false, .cidrs = {*Cidr::parse("10.0.0.0/8")}};
    config.published_node_addresses = false;
    config.close_other_family = true;
    config.datapath.socket_lb = SocketLb::host;
    config.datapath.xdp = XdpMode::native;
    config.forwarding = Forwarding::dsr;
    config.healthz = {"::", 1};
    const auto json = to_json(config);
    CHECK_THAT(json, Catch::Contains(R"("manifests":"/a\"b")") &&
                         Catch::Contains(R"("devices":"eth0,eth1")") &&
                         Catch::Contains(R"("external-ips":"192.0.2.0/24,fd00::/8")") &&
                         Catch::Contains(R"("nodeport-addresses":"localhost,10.0.0.0/8")") &&
                         Catch::Contains(R"("published-node-addresses":"off")") &&
                         Catch::Contains(R"("source-ranges-other-family":"closed")") &&
                         Catch::Contains(R"("socket-lb":"host")") && Catch::Contains(R"("xdp":"native")") &&
                         Catch::Contains(R"("forwarding":"dsr")") &&
                         Catch::Contains(R"("healthz-bind-address":"[::]:1")"));
}
