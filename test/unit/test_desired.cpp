#include <catch2/catch.hpp>

#include "builders.hpp"
#include "model/desired.hpp"

using namespace naru;
using namespace naru::test;

namespace {

Desired desire(const Service& service, const std::vector<EndpointSlice>& slices = {},
               const NodeView& node = view())
{
    std::vector<const EndpointSlice*> pointers;
    for (const auto& slice : slices)
        pointers.push_back(&slice);
    return desired(service, pointers, node);
}

/// The frontends as text, without the services they lead to.
std::string frontends(const Desired& desired)
{
    std::string out;
    for (const auto& [key, claim] : desired.claims) {
        out += (out.empty() ? "" : " ") + key.text();
        out += claim.row.kind == LB_KIND_CLUSTER_IP      ? "=C"
               : claim.row.kind == LB_KIND_NODE_PORT     ? "=N"
               : claim.row.kind == LB_KIND_LOAD_BALANCER ? "=L"
                                                         : "=E";
    }
    return out;
}

std::string services(const Desired& desired)
{
    std::string out;
    for (const auto& [id, _] : desired.services)
        out += (out.empty() ? "" : ", ") + id.text();
    return out;
}

std::string reasons(const Desired& desired)
{
    std::string out;
    for (const auto& notice : desired.notices)
        out += (out.empty() ? "" : " ") + notice.reason;
    return out;
}

const FrontendRow& row(const Desired& desired, std::string_view text)
{
    return desired.claims.at(key(text)).row;
}

Scope inside(const Desired& desired, std::string_view text) { return row(desired, text).inside->scope; }
Scope outside(const Desired& desired, std::string_view text) { return row(desired, text).outside->scope; }

Service load_balancer()
{
    auto s = service("web");
    s.type = ServiceType::load_balancer;
    s.ports[0].node_port = {30080};
    s.ingress = {{.ip = addr("203.0.113.1")}};
    s.external_ips = {addr("198.51.100.1")};
    return s;
}

const ServiceRow& set(const Desired& desired, Scope scope, Family family = Family::v4)
{
    for (const auto& [id, row] : desired.services)
        if (id.scope == scope && id.family == family)
            return row;
    throw std::out_of_range{"no such set"};
}

} // namespace

TEST_CASE("a ClusterIP Service is one frontend with one backend set", "[desired]")
{
    auto d = desire(service("web"), {slice("web", {endpoint("10.0.0.1")})});
    CHECK(frontends(d) == "10.96.0.1:80/TCP=C");
    CHECK(services(d) == "shop/web/TCP v4 cluster");
    CHECK(set(d, Scope::cluster).backends.size() == 1);
    CHECK(set(d, Scope::cluster).type == LB_TYPE_CLUSTER_IP);
    CHECK_FALSE(row(d, "10.96.0.1:80/TCP").node_address);
    CHECK(d.notices.empty());
    const auto& claim = d.claims.begin()->second;
    CHECK(claim.owner == ObjectKey{"shop", "web"});
    CHECK(claim.created_sec == 1000);
    CHECK(claim.uid == "uid-web");
}

TEST_CASE("a load balancer Service has every kind of frontend and a local set", "[desired]")
{
    auto d = desire(load_balancer());
    CHECK(frontends(d) ==
          "10.96.0.1:80/TCP=C 192.0.2.1:30080/TCP=N 198.51.100.1:80/TCP=E 203.0.113.1:80/TCP=L");
    CHECK(services(d) == "shop/web/TCP v4 cluster, shop/web/TCP v4 local");
    CHECK(row(d, "192.0.2.1:30080/TCP").node_address);
    CHECK_FALSE(row(d, "203.0.113.1:80/TCP").node_address);
    CHECK(set(d, Scope::cluster).type == LB_TYPE_LOAD_BALANCER);
}

TEST_CASE("each type serves what the type allows", "[desired]")
{
    auto s = load_balancer();
    s.external_ips.clear();
    s.type = ServiceType::node_port;
    CHECK(frontends(desire(s)) == "10.96.0.1:80/TCP=C 192.0.2.1:30080/TCP=N");
    s.type = ServiceType::cluster_ip;
    CHECK(frontends(desire(s)) == "10.96.0.1:80/TCP=C");
    CHECK(services(desire(s)) == "shop/web/TCP v4 cluster");
    s.type = ServiceType::external_name;
    CHECK(frontends(desire(s)).empty());
    CHECK(services(desire(s)).empty());
}

TEST_CASE("a nodePort of 0 is none", "[desired]")
{
    auto s = load_balancer();
    s.ports[0].node_port = {0};
    CHECK(frontends(desire(s)) == "10.96.0.1:80/TCP=C 198.51.100.1:80/TCP=E 203.0.113.1:80/TCP=L");
}

TEST_CASE("headless and labelled Services are left alone", "[desired]")
{
    CHECK(services(desire(service("web", {}))).empty());
    auto labelled = service("web");
    labelled.headless_label = true;
    CHECK(services(desire(labelled)).empty());
}

TEST_CASE("service-proxy-name picks whose Services are served", "[desired]")
{
    auto foreign = service("web");
    foreign.proxy_name = "other";
    auto named = view();
    named.proxy_name = "other";
    CHECK(services(desire(foreign)).empty());
    CHECK_FALSE(services(desire(foreign, {}, named)).empty());
    CHECK(services(desire(service("web"), {}, named)).empty());
    foreign.proxy_name = "";
    CHECK(services(desire(foreign)).empty());
}

TEST_CASE("each family is a Service of its own, a family without a ClusterIP is skipped", "[desired]")
{
    auto s = load_balancer();
    s.cluster_ips = {addr("10.96.0.1"), addr("fd96::1")};
    s.ingress.push_back({.ip = addr("2001:db8::1")});
    auto d =
        desire(s, {slice("web", {endpoint("10.0.0.1")}, "4"), slice("web", {endpoint("fd00:1::1")}, "6")});
    CHECK(set(d, Scope::cluster, Family::v6).backends.size() == 1);
    CHECK(inside(d, "[fd96::1]:80/TCP") == Scope::cluster);
    CHECK(row(d, "[fd00::1]:30080/TCP").inside->family == Family::v6);
    CHECK(row(d, "[2001:db8::1]:80/TCP").inside->family == Family::v6);
    CHECK(row(d, "203.0.113.1:80/TCP").inside->family == Family::v4);

    s.cluster_ips = {addr("fd96::1")};
    CHECK(frontends(desire(s)) == "[2001:db8::1]:80/TCP=L [fd00::1]:30080/TCP=N [fd96::1]:80/TCP=C");
}

TEST_CASE("an ingress is served by its ip unless its mode is Proxy", "[desired]")
{
    auto s = load_balancer();
    s.external_ips.clear();
    s.ports[0].node_port = {};
    s.ingress = {{.ip = addr("203.0.113.1"), .proxy = true}, {.ip = {}}, {.ip = addr("203.0.113.2")}};
    CHECK(frontends(desire(s)) == "10.96.0.1:80/TCP=C 203.0.113.2:80/TCP=L");
}

TEST_CASE("traffic policies choose the sets of both sides", "[desired]")
{
    auto s = load_balancer();
    SECTION("Cluster on both sides by default")
    {
        auto d = desire(s);
        for (const auto* f :
             {"10.96.0.1:80/TCP", "192.0.2.1:30080/TCP", "203.0.113.1:80/TCP", "198.51.100.1:80/TCP"}) {
            CHECK(inside(d, f) == Scope::cluster);
            CHECK(outside(d, f) == Scope::cluster);
        }
    }
    SECTION("external Local: clients of this node short-circuit to the cluster set")
    {
        s.external_policy = TrafficPolicy::local;
        auto d = desire(s);
        CHECK(inside(d, "10.96.0.1:80/TCP") == Scope::cluster);
        CHECK(outside(d, "10.96.0.1:80/TCP") == Scope::cluster);
        for (const auto* f : {"192.0.2.1:30080/TCP", "203.0.113.1:80/TCP", "198.51.100.1:80/TCP"}) {
            CHECK(inside(d, f) == Scope::cluster);
            CHECK(outside(d, f) == Scope::local);
        }
    }
    SECTION("internal Local: the ClusterIP alone, on both sides")
    {
        s.internal_policy = TrafficPolicy::local;
        auto d = desire(s);
        CHECK(inside(d, "10.96.0.1:80/TCP") == Scope::local);
        CHECK(outside(d, "10.96.0.1:80/TCP") == Scope::local);
        CHECK(inside(d, "203.0.113.1:80/TCP") == Scope::cluster);
        CHECK(outside(d, "203.0.113.1:80/TCP") == Scope::cluster);
    }
    SECTION("internal Local of a ClusterIP Service needs both sets")
    {
        auto plain = service("web");
        plain.internal_policy = TrafficPolicy::local;
        CHECK(services(desire(plain)) == "shop/web/TCP v4 cluster, shop/web/TCP v4 local");
    }
}

TEST_CASE("an empty local set drops only while somebody elsewhere could serve", "[desired]")
{
    auto s = load_balancer();
    auto drop = [&](Endpoint e) {
        auto d = desire(s, {slice("web", {std::move(e)})});
        CHECK_FALSE(set(d, Scope::cluster).drop_if_empty);
        return set(d, Scope::local).drop_if_empty;
    };
    CHECK(drop(endpoint("10.0.0.1", "n2")));
    CHECK_FALSE(drop(endpoint("10.0.0.1", "n1")));
    auto warming = endpoint("10.0.0.1", "n2");
    warming.ready = false;
    CHECK_FALSE(drop(warming));
    warming.terminating = true;
    CHECK(drop(warming));
    CHECK_FALSE(set(desire(s), Scope::local).drop_if_empty);
}

TEST_CASE("TCP, UDP and SCTP on one number are independent", "[desired]")
{
    auto s = service("dns");
    s.ports = {{"tcp", Protocol::tcp, {53}, {}},
               {"udp", Protocol::udp, {53}, {}},
               {"sctp", Protocol::sctp, {53}, {}}};
    auto d = desire(s);
    CHECK(frontends(d) == "10.96.0.1:53/TCP=C 10.96.0.1:53/UDP=C 10.96.0.1:53/SCTP=C");
    CHECK(row(d, "10.96.0.1:53/SCTP").inside->port_name == "sctp");
    CHECK(reasons(d).empty());
}

TEST_CASE("impossible and repeated ports are told, the rest is served", "[desired]")
{
    auto s = service("web");
    s.ports = {{"a", Protocol::tcp, {80}, {}}, {"b", Protocol::tcp, {0}, {}}, {"a", Protocol::tcp, {81}, {}}};
    auto d = desire(s);
    CHECK(frontends(d) == "10.96.0.1:80/TCP=C");
    CHECK(reasons(d) == "InvalidPort DuplicatePort");
}

TEST_CASE("within one Service the kind decides who has a key", "[desired]")
{
    auto s = load_balancer();
    s.ingress = {{.ip = addr("10.96.0.1")}};
    s.external_ips = {addr("192.0.2.1")};
    s.ports = {{"a", Protocol::tcp, {30080}, {}}, {"b", Protocol::tcp, {81}, {30080}}};
    auto d = desire(s);
    CHECK(frontends(d) ==
          "10.96.0.1:81/TCP=C 10.96.0.1:30080/TCP=C 192.0.2.1:81/TCP=E 192.0.2.1:30080/TCP=N");
    CHECK(row(d, "192.0.2.1:30080/TCP").inside->port_name == "b");
}

TEST_CASE("addresses nobody may serve are refused with a notice", "[desired]")
{
    const auto* hostile = GENERATE("127.0.0.1", "0.0.0.0", "169.254.0.1", "224.0.0.1", "255.255.255.255");
    auto s = load_balancer();
    s.ports[0].node_port = {};
    s.external_ips.clear();
    SECTION("as ingress") { s.ingress = {{.ip = addr(hostile)}}; }
    SECTION("as externalIP")
    {
        s.ingress.clear();
        s.external_ips = {addr(hostile)};
    }
    auto d = desire(s);
    CHECK(frontends(d) == "10.96.0.1:80/TCP=C");
    CHECK(reasons(d) == "FrontendRefused");
    CHECK(services(d) == "shop/web/TCP v4 cluster");
}

TEST_CASE("an address of this node is served for the exact port and marked", "[desired]")
{
    auto s = load_balancer();
    s.ingress = {{.ip = addr("192.0.2.1")}};
    CHECK(row(desire(s), "192.0.2.1:80/TCP").node_address);
    auto node = view();
    node.interface_addresses.insert(addr("10.96.0.1"));
    CHECK(row(desire(s, {}, node), "10.96.0.1:80/TCP").node_address);
}

TEST_CASE("addresses of the Node are refused on request, those of its interfaces are not", "[desired]")
{
    auto s = load_balancer();
    s.ports[0].node_port = {};
    s.ingress = {{.ip = addr("192.0.2.1")}, {.ip = addr("203.0.113.1")}};
    s.external_ips = {addr("192.0.2.1")};
    auto node = view();
    node.interface_addresses.insert(addr("203.0.113.1")); // as whoever announces a VIP by ARP puts it there
    CHECK(frontends(desire(s, {}, node)) == "10.96.0.1:80/TCP=C 192.0.2.1:80/TCP=L 203.0.113.1:80/TCP=L");
    node.published_node_addresses = false;
    auto d = desire(s, {}, node);
    CHECK(frontends(d) == "10.96.0.1:80/TCP=C 203.0.113.1:80/TCP=L");
    REQUIRE(reasons(d) == "FrontendRefused");
    CHECK(
        d.notices[0].message ==
        "192.0.2.1 is not served by node n1: it is an address of that node (--published-node-addresses off)");
    s.type = ServiceType::node_port;
    s.external_ips.clear();
    s.ports[0].node_port = {30080};
    CHECK(frontends(desire(s, {}, node)) == "10.96.0.1:80/TCP=C 192.0.2.1:30080/TCP=N");
}

TEST_CASE("source ranges of one family shut out the other on request", "[desired]")
{
    auto s = load_balancer();
    s.cluster_ips.push_back(addr("fd96::1"));
    s.ingress = {{.ip = addr("203.0.113.1")}, {.ip = addr("2001:db8::1")}};
    s.source_ranges = {"198.51.100.0/24"};
    auto node = view();
    CHECK_FALSE(row(desire(s, {}, node), "[2001:db8::1]:80/TCP").ranges);
    node.close_other_family = true;
    auto d = desire(s, {}, node);
    CHECK(row(d, "[2001:db8::1]:80/TCP").ranges);
    CHECK_FALSE(row(d, "[2001:db8::1]:80/TCP").admits_node);
    CHECK(row(d, "203.0.113.1:80/TCP").ranges);
    REQUIRE(reasons(d) == "SourceRangesOtherFamily");
    CHECK(d.notices[0].message ==
          "loadBalancerSourceRanges holds no IPv6 range: nobody of that family is admitted");
    s.source_ranges.clear();
    CHECK_FALSE(row(desire(s, {}, node), "[2001:db8::1]:80/TCP").ranges);
}

TEST_CASE("externalIPs can be narrowed and switched off", "[desired]")
{
    auto s = service("web");
    s.external_ips = {addr("198.51.100.1"), addr("203.0.113.9")};
    auto node = view();
    CHECK(frontends(desire(s)) == "10.96.0.1:80/TCP=C 198.51.100.1:80/TCP=E 203.0.113.9:80/TCP=E");
    node.external_ips.only = {cidr("198.51.100.0/24")};
    CHECK(frontends(desire(s, {}, node)) == "10.96.0.1:80/TCP=C 198.51.100.1:80/TCP=E");
    CHECK(reasons(desire(s, {}, node)) == "FrontendRefused");
    node.external_ips = {.on = false, .only = {}};
    CHECK(frontends(desire(s, {}, node)) == "10.96.0.1:80/TCP=C");
}

TEST_CASE("localhost nodePorts are for processes of the host", "[desired]")
{
    auto s = load_balancer();
    s.cluster_ips.push_back(addr("fd96::1"));
    auto node = view();
    node.node_ports.localhost = true;
    auto d = desire(s, {}, node);
    CHECK(row(d, "127.0.0.1:30080/TCP").host_only);
    CHECK(row(d, "[::1]:30080/TCP").host_only);
    CHECK_FALSE(row(d, "192.0.2.1:30080/TCP").host_only);
    CHECK(d.notices.empty());
}

TEST_CASE("affinity has a default and a legal range", "[desired]")
{
    auto s = load_balancer();
    CHECK(set(desire(s), Scope::cluster).affinity_timeout_sec == 0);
    s.client_ip_affinity = true;
    CHECK(set(desire(s), Scope::cluster).affinity_timeout_sec == 10800);
    CHECK(set(desire(s), Scope::local).affinity_timeout_sec == 10800);
    for (auto legal : {1u, 86400u}) {
        s.affinity_timeout_sec = legal;
        CHECK(set(desire(s), Scope::cluster).affinity_timeout_sec == legal);
        CHECK(desire(s).notices.empty());
    }
    for (auto illegal : {0u, 86401u}) {
        s.affinity_timeout_sec = illegal;
        CHECK(set(desire(s), Scope::cluster).affinity_timeout_sec == 10800);
        CHECK(reasons(desire(s)) == "InvalidAffinityTimeout");
    }
}

TEST_CASE("an annotation names the algorithm of all sets, and one that nobody knows is told and ignored",
          "[desired]")
{
    auto s = load_balancer();
    CHECK(set(desire(s), Scope::cluster).algorithm == LB_ALGORITHM_DEFAULT);
    for (auto [name, algorithm] : {std::pair{"maglev", LB_ALGORITHM_MAGLEV},
                                   {"random", LB_ALGORITHM_RANDOM},
                                   {"sh", LB_ALGORITHM_SH},
                                   {"dh", LB_ALGORITHM_DH},
                                   {"wrr", LB_ALGORITHM_WRR},
                                   {"nq", LB_ALGORITHM_NQ}}) {
        s.algorithm = name;
        CHECK(set(desire(s), Scope::cluster).algorithm == algorithm);
        CHECK(set(desire(s), Scope::local).algorithm == algorithm);
        CHECK(desire(s).notices.empty());
    }
    for (const std::string unknown : {"", "Maglev", "lblc", "random "}) {
        s.algorithm = unknown;
        CHECK(set(desire(s), Scope::cluster).algorithm == LB_ALGORITHM_DEFAULT);
        CHECK(reasons(desire(s)) == "UnknownAlgorithm");
    }
    s.algorithm = std::string(1000, 'x');
    CHECK(desire(s).notices.at(0).message.size() < 160);
}

TEST_CASE("weights of a slice that cannot be read are told, and those of other slices hold", "[desired]")
{
    auto first = slice("web", {endpoint("10.1.0.1"), endpoint("10.1.0.2")}, "1");
    auto second = slice("web", {endpoint("10.1.0.3")}, "2");
    first.weights = "10.1.0.1=3,10.1.0.2=many";
    second.weights = "10.1.0.3=2";
    auto d = desire(service("web"), {first, second});
    const auto& backends = set(d, Scope::cluster).backends;
    REQUIRE(backends.size() == 3);
    CHECK(backends[0].weight == 1);
    CHECK(backends[1].weight == 1);
    CHECK(backends[2].weight == 2);
    REQUIRE(reasons(d) == "InvalidWeight");
    CHECK(d.notices[0].message == "naru.io/weight of EndpointSlice shop/web-1: \"10.1.0.2=many\" is no "
                                  "address=weight with a weight from 0 to 65535, the annotation is ignored");
    first.weights = "10.1.0.1=3";
    CHECK(desire(service("web"), {first, second}).notices.empty());
}

TEST_CASE("source ranges guard the load balancer's frontends only", "[desired]")
{
    auto s = load_balancer();
    s.source_ranges = {"10.0.0.0/8", "192.0.2.0/24"};
    auto d = desire(s);
    CHECK(row(d, "203.0.113.1:80/TCP").ranges);
    CHECK(row(d, "203.0.113.1:80/TCP").admits_node);
    for (const auto* open : {"10.96.0.1:80/TCP", "192.0.2.1:30080/TCP", "198.51.100.1:80/TCP"})
        CHECK_FALSE(row(d, open).ranges);
    CHECK(set(d, Scope::cluster).source_ranges == std::vector{cidr("10.0.0.0/8"), cidr("192.0.2.0/24")});
    CHECK(set(d, Scope::local).source_ranges.empty());
    s.source_ranges = {"10.0.0.0/8"};
    CHECK_FALSE(row(desire(s), "203.0.113.1:80/TCP").admits_node);
    s.source_ranges.clear();
    CHECK_FALSE(row(desire(s), "203.0.113.1:80/TCP").ranges);
}

TEST_CASE("source ranges of the other family leave a family open and say so", "[desired]")
{
    auto s = load_balancer();
    s.source_ranges = {"fd00::/8"};
    auto d = desire(s);
    CHECK_FALSE(row(d, "203.0.113.1:80/TCP").ranges);
    CHECK(reasons(d) == "SourceRangesOtherFamily");
}

TEST_CASE("source ranges nobody can read admit nobody", "[desired]")
{
    auto s = load_balancer();
    s.source_ranges = {"office"};
    auto d = desire(s);
    CHECK(row(d, "203.0.113.1:80/TCP").ranges);
    CHECK_FALSE(row(d, "203.0.113.1:80/TCP").admits_node);
    CHECK(set(d, Scope::cluster).source_ranges.empty());
    CHECK(reasons(d) == "InvalidSourceRange InvalidSourceRange");
    s.source_ranges.push_back("10.0.0.0/8");
    CHECK(set(desire(s), Scope::cluster).source_ranges.size() == 1);
    CHECK(reasons(desire(s)) == "InvalidSourceRange");
}

TEST_CASE("hostile endpoint addresses are told, the others serve", "[desired]")
{
    auto d = desire(service("web"), {slice("web", {endpoint("10.0.0.1"), endpoint("127.0.0.1")})});
    CHECK(set(d, Scope::cluster).backends.size() == 1);
    CHECK(reasons(d) == "EndpointRefused");
}

TEST_CASE("an annotation names the forwarding, else the flag does, and local sets have none", "[desired]")
{
    auto s = load_balancer();
    NodeView direct = view();
    direct.forwarding = Forwarding::dsr;
    auto cluster_of = [](const Desired& d) { return set(d, Scope::cluster).forwarding; };
    CHECK(cluster_of(desire(s)) == Forwarding::snat);
    CHECK(cluster_of(desire(s, {}, direct)) == Forwarding::dsr);
    CHECK(set(desire(s, {}, direct), Scope::local).forwarding == Forwarding::snat);
    auto sctp = s;
    sctp.ports[0].protocol = Protocol::sctp;
    CHECK(cluster_of(desire(sctp, {}, direct)) == Forwarding::snat);
    s.forwarding = "dsr";
    CHECK(cluster_of(desire(s)) == Forwarding::dsr);
    s.forwarding = "snat";
    CHECK(cluster_of(desire(s, {}, direct)) == Forwarding::snat);
    s.forwarding = "roundabout";
    CHECK(cluster_of(desire(s)) == Forwarding::snat);
    CHECK(cluster_of(desire(s, {}, direct)) == Forwarding::dsr);
    CHECK(reasons(desire(s)) == "UnknownForwarding");
}

TEST_CASE("a set never grows beyond a block: chosen endpoints stay, in order", "[desired]")
{
    std::vector<Endpoint> endpoints;
    for (unsigned i = 0; i < LB_MAX_ROWS + 10; ++i) {
        auto e = endpoint("10.0.0.0");
        e.address.bytes[13] = static_cast<std::uint8_t>(i >> 16);
        e.address.bytes[14] = static_cast<std::uint8_t>(i >> 8);
        e.address.bytes[15] = static_cast<std::uint8_t>(i);
        e.ready = i >= 10;
        endpoints.push_back(e);
    }
    auto d = desire(service("web"), {slice("web", endpoints)});
    const auto& backends = set(d, Scope::cluster).backends;
    CHECK(backends.size() == LB_MAX_ROWS);
    CHECK(std::ranges::is_sorted(backends));
    CHECK(std::ranges::all_of(backends, &Backend::chosen));
    CHECK(reasons(d) == "TooManyEndpoints");
}

TEST_CASE("a load balancer with policy Local has a health check, and nothing else has", "[desired]")
{
    auto s = load_balancer();
    s.health_check_node_port = {32000};
    CHECK_FALSE(desire(s).health_check);
    s.external_policy = TrafficPolicy::local;
    const auto check = desire(s).health_check;
    REQUIRE(check);
    CHECK(
        *check ==
        HealthCheck{.port = {32000}, .created_sec = 1000, .uid = "uid-web", .ready_here = {{Family::v4, 0}}});
    s.health_check_node_port = {0};
    CHECK_FALSE(desire(s).health_check);
    s.health_check_node_port = {32000};
    s.type = ServiceType::node_port;
    CHECK_FALSE(desire(s).health_check);
}

TEST_CASE("a health check counts the ready endpoints of this node, once for all ports", "[desired]")
{
    auto s = load_balancer();
    s.external_policy = TrafficPolicy::local;
    s.health_check_node_port = {32000};
    s.cluster_ips.push_back(addr("fd96::1"));
    s.ports.push_back({.name = "b", .protocol = Protocol::tcp, .port = {81}, .node_port = {}});

    auto with = [](std::string_view address, bool ready, bool serving, bool terminating,
                   std::string node = "n1") {
        auto e = endpoint(address, std::move(node));
        e.ready = ready;
        e.serving = serving;
        e.terminating = terminating;
        return e;
    };
    auto count = [&](std::vector<Endpoint> endpoints, Family family = Family::v4) {
        auto of = slice("web", std::move(endpoints));
        of.ports.push_back({.name = "b", .protocol = Protocol::tcp, .port = Port{8081}});
        return desire(s, {of}).health_check->ready_here.at(family);
    };
    CHECK(count({}) == 0);
    CHECK(count({endpoint("10.0.0.1"), endpoint("10.0.0.2"), endpoint("10.0.0.3", "n2")}) == 2);
    CHECK(count({endpoint("10.0.0.1"), endpoint("10.0.0.1")}) == 1);
    CHECK(count({endpoint("fd00::5"), endpoint("fd00::6")}, Family::v6) == 2);
    CHECK(count({endpoint("fd00::5")}) == 0);
    CHECK(count({with("10.0.0.1", false, true, true)}) == 0);
    CHECK(count({with("10.0.0.1", false, true, false)}) == 0);
    CHECK(count({with("10.0.0.1", true, true, false), with("10.0.0.2", false, true, true)}) == 1);
    CHECK(count({with("10.0.0.1", true, true, false, "n2"), with("10.0.0.2", false, true, true)}) == 0);
}

TEST_CASE("a health check counts an endpoint that is ready for one of the ports only", "[desired]")
{
    auto s = load_balancer();
    s.external_policy = TrafficPolicy::local;
    s.health_check_node_port = {32000};
    s.ports.push_back({.name = "b", .protocol = Protocol::tcp, .port = {81}, .node_port = {}});
    auto of_b = slice("web", {endpoint("10.0.0.2")}, "b");
    of_b.ports = {{.name = "b", .protocol = Protocol::tcp, .port = Port{8081}}};
    auto of_none = slice("web", {endpoint("10.0.0.3")}, "c");
    of_none.ports[0].name = "unknown";
    CHECK(desire(s, {slice("web", {endpoint("10.0.0.1")}), of_b, of_none})
              .health_check->ready_here.at(Family::v4) == 2);
}
