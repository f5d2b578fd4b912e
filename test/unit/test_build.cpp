#include <catch2/catch.hpp>

#include "builders.hpp"
#include "source/kube/build.hpp"

using namespace naru;
using namespace naru::kube;
using namespace naru::test;

TEST_CASE("internal addresses of a Node come first, each kind in its order, other kinds not at all")
{
    NodeAddresses addresses;
    addresses.add("ExternalIP", "203.0.113.1");
    addresses.add("InternalIP", "192.0.2.1");
    addresses.add("Hostname", "192.0.2.9");
    addresses.add("InternalIP", "fd00::1");
    addresses.add("InternalIP", "not an address");
    addresses.add("ExternalIP", "203.0.113.2");
    CHECK(std::move(addresses).take() ==
          std::vector{addr("192.0.2.1"), addr("fd00::1"), addr("203.0.113.1"), addr("203.0.113.2")});
}

TEST_CASE("only an absent ipMode and VIP leave an address to the nodes")
{
    CHECK_FALSE(leaves_to_balancer(""));
    CHECK_FALSE(leaves_to_balancer("VIP"));
    CHECK(leaves_to_balancer("Proxy"));
    CHECK(leaves_to_balancer("Teleport"));
}

TEST_CASE("the older single fields count where the lists are empty")
{
    Service service;
    settle_cluster_ips(service, "10.96.0.1");
    settle_cluster_ips(service, "10.96.0.2");
    CHECK(service.cluster_ips == std::vector{addr("10.96.0.1")});
    Service headless;
    settle_cluster_ips(headless, "None");
    CHECK(headless.cluster_ips.empty());

    Node node;
    settle_pod_cidrs(node, "10.244.1.0/24");
    settle_pod_cidrs(node, "10.244.2.0/24");
    CHECK(node.pod_cidrs == std::vector{cidr("10.244.1.0/24")});
    Node none;
    add_pod_cidr(none, "10.244.1.0");
    CHECK(none.pod_cidrs.empty());
}

TEST_CASE("numbers out of their range never become others")
{
    CHECK(port(1) == Port{1});
    CHECK(port(65535) == Port{65535});
    for (std::int64_t wrong :
         {std::int64_t{0}, std::int64_t{-1}, std::int64_t{65536}, (std::int64_t{1} << 32) + 80})
        CHECK_FALSE(port(wrong));
    CHECK(affinity_timeout(10800) == 10800);
    CHECK(affinity_timeout(-1) == 0);
    CHECK(affinity_timeout((std::int64_t{1} << 32) + 60) == UINT32_MAX);
    CHECK(wait_of(3) == 3);
    CHECK_FALSE(wait_of(0));
    CHECK_FALSE(wait_of(-5));
    CHECK(wait_of(std::int64_t{1} << 40) == INT32_MAX);
}

TEST_CASE("an annotation ends the initial events only when it is true")
{
    Metadata metadata;
    metadata.annotation("k8s.io/initial-events-end", "false");
    CHECK_FALSE(metadata.initial_events_end);
    metadata.annotation("example.org/initial-events-end", "true");
    CHECK_FALSE(metadata.initial_events_end);
    metadata.annotation("k8s.io/initial-events-end", "true");
    CHECK(metadata.initial_events_end);
}

TEST_CASE("a Node that is being deleted or about to be is not eligible")
{
    Metadata leaving;
    leaving.being_deleted = true;
    Node node;
    take(leaving, node);
    CHECK_FALSE(node.eligible);
    Node tainted;
    tainted.eligible = false;
    take(Metadata{}, tainted);
    CHECK_FALSE(tainted.eligible);
    Node staying;
    take(Metadata{}, staying);
    CHECK(staying.eligible);
}
