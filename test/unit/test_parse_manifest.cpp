#include <catch2/catch.hpp>

#include <chrono>
#include <string>

#include "source/manifest/manifests.hpp"

using namespace naru;

namespace {

struct Parsed {
    std::optional<FileObjects> objects;
    std::vector<Complaint> complaints;
};

Parsed parse(const std::string& text)
{
    Parsed out;
    out.objects = parse_manifest(text, "web.yaml", out.complaints);
    return out;
}

FileObjects good(const std::string& text)
{
    auto parsed = parse(text);
    for (const auto& complaint : parsed.complaints)
        FAIL_CHECK(complaint.text());
    REQUIRE(parsed.objects);
    return *parsed.objects;
}

std::string complaint(const std::string& text)
{
    auto parsed = parse(text);
    CHECK_FALSE(parsed.objects);
    REQUIRE(parsed.complaints.size() == 1);
    return parsed.complaints[0].text();
}

std::string service_with(const std::string& spec)
{
    return "apiVersion: v1\nkind: Service\nmetadata: {name: web, namespace: shop}\nspec:\n" + spec;
}

std::string slice_with(const std::string& rest)
{
    return "apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata:\n  name: web-1\n"
           "  labels: {kubernetes.io/service-name: web}\n" +
           rest;
}

Address address(const char* text) { return *Address::parse(text); }

} // namespace

TEST_CASE("every field of a Service arrives")
{
    auto objects = good(R"(
apiVersion: v1
kind: Service
metadata:
  name: web
  namespace: shop
  uid: 6f9619ff-8b86-d011-b42d-00c04fc964ff
  creationTimestamp: "2024-02-29T12:34:56Z"
  labels:
    service.kubernetes.io/service-proxy-name: other
    service.kubernetes.io/headless: ""
  annotations: {naru.io/algorithm: sh, naru.io/forwarding: dsr}
spec:
  type: LoadBalancer
  clusterIP: 10.96.0.10
  clusterIPs: [10.96.0.10, "fd96::10"]
  externalIPs: [203.0.113.7]
  ports:
  - {name: http, port: 80, nodePort: 30080, targetPort: web}
  - {name: dns, port: 53, protocol: UDP}
  loadBalancerSourceRanges: [" 10.0.0.0/8", nonsense]
  sessionAffinity: ClientIP
  sessionAffinityConfig: {clientIP: {timeoutSeconds: 60}}
  externalTrafficPolicy: Local
  internalTrafficPolicy: Local
  healthCheckNodePort: 31000
status:
  loadBalancer:
    ingress:
    - ip: 192.0.2.1
    - {ip: 192.0.2.2, ipMode: Proxy}
    - hostname: lb.example
)");
    REQUIRE(objects.services.size() == 1);
    CHECK(objects.services.at({"shop", "web"}) ==
          Service{
              .key = {"shop", "web"},
              .uid = "6f9619ff-8b86-d011-b42d-00c04fc964ff",
              .created_sec = 1709210096,
              .type = ServiceType::load_balancer,
              .cluster_ips = {address("10.96.0.10"), address("fd96::10")},
              .external_ips = {address("203.0.113.7")},
              .ports = {{"http", Protocol::tcp, {80}, {30080}}, {"dns", Protocol::udp, {53}, {}}},
              .ingress = {{address("192.0.2.1"), false}, {address("192.0.2.2"), true}, {std::nullopt, false}},
              .source_ranges = {" 10.0.0.0/8", "nonsense"},
              .client_ip_affinity = true,
              .affinity_timeout_sec = 60,
              .algorithm = "sh",
              .forwarding = "dsr",
              .external_policy = TrafficPolicy::local,
              .internal_policy = TrafficPolicy::local,
              .health_check_node_port = {31000},
              .proxy_name = "other",
              .headless_label = true});
}

TEST_CASE("a short Service has the defaults of the API")
{
    auto objects = good("apiVersion: v1\nkind: Service\nmetadata: {name: web, creationTimestamp: null}\n"
                        "spec: {clusterIP: 10.96.0.1, ports: [{port: 80}]}\n");
    CHECK(objects.services.at({"default", "web"}) == Service{.key = {"default", "web"},
                                                             .uid = {},
                                                             .cluster_ips = {address("10.96.0.1")},
                                                             .external_ips = {},
                                                             .ports = {{"", Protocol::tcp, {80}, {}}},
                                                             .ingress = {},
                                                             .source_ranges = {},
                                                             .affinity_timeout_sec = {},
                                                             .algorithm = {},
                                                             .forwarding = {},
                                                             .health_check_node_port = {},
                                                             .proxy_name = {}});
}

TEST_CASE("headless, unallocated and external-name Services have no cluster address")
{
    CHECK(good(service_with("  clusterIP: None\n")).services.begin()->second.cluster_ips.empty());
    CHECK(good(service_with("  clusterIPs: [None]\n")).services.begin()->second.cluster_ips.empty());
    CHECK(good(service_with("  clusterIP: \"\"\n")).services.begin()->second.cluster_ips.empty());
    auto named =
        good(service_with("  type: ExternalName\n  externalName: db.example\n")).services.begin()->second;
    CHECK(named.type == ServiceType::external_name);
    CHECK(named.cluster_ips.empty());
}

TEST_CASE("an EndpointSlice keeps what is absent apart from what is false")
{
    auto objects = good(slice_with(R"(addressType: IPv4
ports:
- {name: http, port: 8080}
- {name: any, protocol: UDP}
endpoints:
- addresses: [10.0.0.1, not-looked-at]
  conditions: {ready: true, serving: false}
  nodeName: node-a
  zone: a
  hints: {forZones: [{name: a}, {name: b}], forNodes: [{name: node-a}]}
- addresses: [10.0.0.2]
- addresses: []
- conditions: {ready: true}
)"));
    const auto& slice = objects.slices.at({"default", "web-1"});
    CHECK(slice.service_key() == ObjectKey{"default", "web"});
    CHECK(slice.family == Family::v4);
    CHECK(slice.ports ==
          std::vector<EndpointPort>{{"http", Protocol::tcp, Port{8080}}, {"any", Protocol::udp, {}}});
    REQUIRE(slice.endpoints.size() == 2);
    CHECK(slice.endpoints[0] == Endpoint{.address = address("10.0.0.1"),
                                         .ready = true,
                                         .serving = false,
                                         .terminating = std::nullopt,
                                         .node = "node-a",
                                         .zone_hints = {"a", "b"},
                                         .node_hints = {"node-a"}});
    CHECK_FALSE(slice.endpoints[1].ready.has_value());
    CHECK_FALSE(slice.endpoints[1].node.has_value());
}

TEST_CASE("a slice of names has no family and its addresses are not looked at")
{
    auto objects = good(slice_with("addressType: FQDN\nendpoints:\n- addresses: [db.example]\n"));
    CHECK_FALSE(objects.slices.begin()->second.family);
    CHECK(objects.slices.begin()->second.endpoints.empty());
}

TEST_CASE("v1 Endpoints become one slice for each subset and family")
{
    auto objects = good(R"(
apiVersion: v1
kind: Endpoints
metadata: {name: web, namespace: shop}
subsets:
- addresses: [{ip: 10.0.0.1, nodeName: node-a}, {ip: "fd00::1"}]
  notReadyAddresses: [{ip: 10.0.0.2}]
  ports: [{name: http, port: 8080}]
- addresses: [{ip: 10.0.0.3}]
  ports: [{port: 53, protocol: UDP}]
)");
    CHECK(objects.slices.empty());
    const auto& slices = objects.endpoints.at({"shop", "web"});
    REQUIRE(slices.size() == 3);
    for (const auto& slice : slices)
        CHECK(slice.service_key() == ObjectKey{"shop", "web"});
    CHECK(slices[0].family == Family::v4);
    REQUIRE(slices[0].endpoints.size() == 2);
    CHECK(slices[0].endpoints[0].is_ready());
    CHECK(slices[0].endpoints[0].node == "node-a");
    CHECK_FALSE(slices[0].endpoints[1].is_ready());
    CHECK(slices[1].family == Family::v6);
    CHECK(slices[1].endpoints[0].address == address("fd00::1"));
    CHECK(slices[2].ports == std::vector<EndpointPort>{{"", Protocol::udp, Port{53}}});
    CHECK(std::set{slices[0].key, slices[1].key, slices[2].key}.size() == 3);
}

TEST_CASE("a Node gives its zone and its addresses, internal ones first")
{
    auto objects = good(R"(
apiVersion: v1
kind: Node
metadata: {name: node-a, labels: {topology.kubernetes.io/zone: a}}
status:
  addresses:
  - {type: Hostname, address: node-a}
  - {type: ExternalIP, address: 203.0.113.1}
  - {type: InternalIP, address: 192.168.1.1}
  - {type: InternalIP, address: "fd01::1"}
)");
    CHECK(objects.nodes.at("node-a") ==
          Node{"node-a", "a", {address("192.168.1.1"), address("fd01::1"), address("203.0.113.1")}});
}

TEST_CASE("a Node gives the networks of its pods, from the list or the older single field")
{
    auto pods = [](const std::string& spec) {
        std::string out;
        auto objects = good("apiVersion: v1\nkind: Node\nmetadata: {name: a}\nspec: " + spec + "\n");
        for (const auto& network : objects.nodes.at("a").pod_cidrs)
            out += network.text() + ' ';
        return out;
    };
    CHECK(pods(R"({podCIDR: 10.244.1.0/24, podCIDRs: [10.244.1.0/24, "fd01:1::/64"]})") ==
          "10.244.1.0/24 fd01:1::/64 ");
    CHECK(pods("{podCIDR: 10.244.1.0/24}") == "10.244.1.0/24 ");
    CHECK(pods("{}").empty());
}

TEST_CASE("several documents, lists, typed lists and JSON are read alike")
{
    std::string one =
        R"({"apiVersion":"v1","kind":"Service","metadata":{"name":"a"},"spec":{"clusterIP":"10.96.0.1","ports":[{"port":80}]}})";
    CHECK(good(one).services.size() == 1);
    CHECK(good("{\n\t\"apiVersion\":\"v1\",\n\t\"kind\":\"List\",\n\t\"items\":[" + one + "]\n}\n")
              .services.size() == 1);
    CHECK(good("---\n" + one + "\n---\n# nothing\n---\n" + service_with("  clusterIP: None\n"))
              .services.size() == 2);
    CHECK(
        good("apiVersion: v1\nkind: List\nitems:\n- " + one + "\n- {apiVersion: v1, kind: List, items: []}\n")
            .services.size() == 1);
    CHECK(
        good("apiVersion: v1\nkind: ServiceList\nitems:\n- {metadata: {name: a}, spec: {clusterIP: None}}\n")
            .services.size() == 1);
    CHECK(good("apiVersion: discovery.k8s.io/v1\nkind: EndpointSliceList\nitems:\n"
               "- {metadata: {name: a}, addressType: IPv6}\n")
              .slices.size() == 1);
}

TEST_CASE("kinds that are not for naru are skipped with one complaint each, and the rest counts")
{
    std::string deployment =
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: x}\nspec: {replicas: 3}\n---\n";
    auto parsed = parse(deployment + deployment + "apiVersion: serving.knative.dev/v1\nkind: Service\n---\n" +
                        service_with("  clusterIP: None\n"));
    REQUIRE(parsed.objects);
    CHECK(parsed.objects->services.size() == 1);
    REQUIRE(parsed.complaints.size() == 2);
    CHECK(parsed.complaints[0].text() == "web.yaml:1: Deployment of apps/v1 is not for naru");
    CHECK(parsed.complaints[1].text() == "web.yaml:11: Service of serving.knative.dev/v1 is not for naru");
    CHECK(parsed.complaints[0].skipped);
}

TEST_CASE("an impossible value in a Service is refused with its line and the reason")
{
    auto of = [](const std::string& spec) { return complaint(service_with(spec)); };

    CHECK(of("  ports:\n  - port: 0\n") ==
          "web.yaml:6: Service shop/web: port: 0 is not between 1 and 65535");
    CHECK(of("  ports:\n  - port: 70000\n") ==
          "web.yaml:6: Service shop/web: port: 70000 is not between 1 and 65535");
    CHECK(of("  ports:\n  - port: \"80\"\n") ==
          "web.yaml:6: Service shop/web: port: must be a number between 1 and 65535");
    CHECK(of("  ports:\n  - name: http\n") == "web.yaml:6: Service shop/web: port is missing");
    CHECK(of("  ports: [{port: 80, nodePort: 65536}]\n")
              .ends_with("nodePort: 65536 is not between 0 and 65535"));
    CHECK(of("  ports: [{port: 80, protocol: tcp}]\n")
              .ends_with("protocol: \"tcp\" is none of TCP, UDP, SCTP"));
    CHECK(of("  ports: [{port: 80}, {port: 81}]\n")
              .ends_with("ports: each needs a name when there are several"));
    CHECK(of("  ports: [{name: a, port: 80}, {name: a, port: 81}]\n").ends_with("the name a appears twice"));
    CHECK(of("  ports: [{name: a, port: 80}, {name: b, port: 80}]\n").ends_with("80/TCP appears twice"));
    CHECK(of("  ports: 80\n").ends_with("ports: must be a list"));
    CHECK(of("  ports: [80]\n").ends_with("ports: each element must be a map of fields"));
    CHECK(of("  type: Loadbalancer\n")
              .ends_with("\"Loadbalancer\" is none of ClusterIP, NodePort, LoadBalancer, ExternalName"));
    CHECK(of("  clusterIP: 10.96.0.256\n").ends_with("clusterIP: \"10.96.0.256\" is not an IP address"));
    CHECK(of("  clusterIPs: [10.96.0.1, 10.96.0.2]\n").ends_with("more than one address of a family"));
    CHECK(of("  externalIPs: [localhost]\n").ends_with("externalIPs: \"localhost\" is not an IP address"));
    CHECK(
        of("  sessionAffinity: Cookie\n").ends_with("sessionAffinity: \"Cookie\" is none of None, ClientIP"));
    CHECK(of("  sessionAffinityConfig: {clientIP: {timeoutSeconds: 0}}\n")
              .ends_with("0 is not between 1 and 86400"));
    CHECK(of("  internalTrafficPolicy: local\n").ends_with("\"local\" is none of Cluster, Local"));
    CHECK(of("  healthCheckNodePort: -1\n").ends_with("healthCheckNodePort: -1 is not between 0 and 65535"));
    CHECK(of("  {}\nstatus: {loadBalancer: {ingress: [{ip: 1.2.3}]}}\n")
              .ends_with("ip: \"1.2.3\" is not an IP address"));
}

TEST_CASE("an impossible value in an EndpointSlice is refused with its line and the reason")
{
    auto of = [](const std::string& rest) { return complaint(slice_with(rest)); };

    CHECK(of("addressType: IPv4\nendpoints:\n- addresses:\n  - fd00::1\n") ==
          "web.yaml:9: EndpointSlice web-1: addresses: fd00::1 is not of the slice's addressType IPv4");
    CHECK(of("addressType: IPv6\nendpoints: [{addresses: [10.0.0.1]}]\n").ends_with("addressType IPv6"));
    CHECK(of("addressType: IPv4\nendpoints: [{addresses: [pod-1]}]\n")
              .ends_with("\"pod-1\" is not an IP address"));
    CHECK(of("addressType: IPv4\nports: [{port: 0}]\n").ends_with("port: 0 is not between 1 and 65535"));
    CHECK(of("addressType: IPv4\nendpoints: [{addresses: [10.0.0.1], conditions: {ready: \"true\"}}]\n")
              .ends_with("ready: must be true or false"));
    CHECK(of("addressType: IPv4\nendpoints: [10.0.0.1]\n")
              .ends_with("endpoints: each element must be a map of fields"));
    CHECK(of("ports: [{port: 80}]\n").ends_with("addressType is missing: IPv4 or IPv6"));
}

TEST_CASE("what is no object, or has no name, makes the file bad")
{
    CHECK(complaint("just text\n") == "web.yaml:1: not a Kubernetes object");
    CHECK(complaint("a: b\n") == "web.yaml:1: not a Kubernetes object: kind or apiVersion is missing");
    CHECK(complaint("apiVersion: v1\nkind: Service\nspec: {}\n") == "web.yaml:1: metadata.name is missing");
    CHECK(complaint("apiVersion: v1\nkind: Service\nmetadata: {name: 12}\nspec: {}\n") ==
          "web.yaml:3: Service 12: name: 12 is not text: write \"12\"");
    CHECK(complaint("apiVersion: v1\nkind: Service\nmetadata: {name: \"a\\nb\"}\nspec: {}\n")
              .starts_with("web.yaml:3: Service a\\x0ab: name: \"a\\x0ab\" is no name"));
    CHECK(complaint("apiVersion: v1\nkind: Service\nmetadata: {name: a}\n").ends_with("spec is missing"));
    auto twice = service_with("  clusterIP: None\n");
    CHECK(complaint(twice + "---\n" + twice) == "web.yaml:7: Service shop/web: appears twice in this file");
    CHECK(complaint("apiVersion: v1\nkind: Service\nmetadata: {name: web\nspec: {}\n")
              .starts_with("web.yaml:"));
}

TEST_CASE("100,000 endpoints in one file are read")
{
    std::string text = slice_with("addressType: IPv4\nports: [{port: 8080}]\nendpoints:\n");
    for (unsigned i = 0; i < 100'000; ++i)
        text += "- addresses: [10." + std::to_string(i >> 16) + "." + std::to_string(i >> 8 & 255) + "." +
                std::to_string(i & 255) + "]\n  nodeName: node-a\n";
    auto objects = good(text);
    const auto& endpoints = objects.slices.begin()->second.endpoints;
    REQUIRE(endpoints.size() == 100'000);
    CHECK(endpoints.back().address == address("10.1.134.159"));
}
