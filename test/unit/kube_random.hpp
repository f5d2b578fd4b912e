// Random objects of the model, as an API server could hold them, and what else an encoder may draw.
#pragma once

#include <cstdint>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "model/endpoint.hpp"
#include "model/node.hpp"
#include "model/service.hpp"

namespace naru::test {

class Random {
public:
    explicit Random(std::uint64_t seed) : engine_{seed} {}

    std::uint64_t below(std::uint64_t bound) { return engine_() % bound; }
    bool one_in(std::uint64_t n) { return below(n) == 0; }
    bool coin() { return one_in(2); }

    /// Mostly a word, sometimes any bytes: NUL, quotes, control characters, invalid UTF-8.
    std::string text()
    {
        std::string out(below(9), 'a');
        const bool any = one_in(4);
        for (auto& c : out)
            c = static_cast<char>(any ? below(256) : 'a' + below(26));
        return out;
    }

    std::string word() { return "w" + std::to_string(below(1000)); }

    template <class Make>
    auto several(std::uint64_t most, Make make)
    {
        std::vector<decltype(make())> out;
        for (auto n = below(most + 1); n > 0; --n)
            out.push_back(make());
        return out;
    }

    template <class Make>
    auto maybe(Make make)
    {
        return coin() ? std::optional{make()} : std::nullopt;
    }

    Address address(Family family)
    {
        Address out = *Address::parse(family == Family::v4 ? "10.0.0.0" : "fd00::");
        for (std::size_t i = 13; i < 16; ++i)
            out.bytes[i] = static_cast<std::uint8_t>(below(256));
        return out;
    }
    Address address() { return address(coin() ? Family::v4 : Family::v6); }

    Port port() { return {static_cast<std::uint16_t>(1 + below(65535))}; }
    Protocol protocol() { return std::vector{Protocol::tcp, Protocol::udp, Protocol::sctp}[below(3)]; }
    TrafficPolicy policy() { return coin() ? TrafficPolicy::local : TrafficPolicy::cluster; }

private:
    std::mt19937_64 engine_;
};

inline Service random_service(Random& random)
{
    Service out;
    out.key = {random.text(), random.text()};
    out.uid = random.text();
    out.created_sec = random.coin() ? static_cast<std::int64_t>(random.below(4'000'000'000)) : 0;
    out.type = static_cast<ServiceType>(random.below(4));
    out.cluster_ips = random.several(2, [&] { return random.address(); });
    out.external_ips = random.several(2, [&] { return random.address(); });
    out.ports = random.several(3, [&] {
        return ServicePort{.name = random.text(),
                           .protocol = random.protocol(),
                           .port = random.port(),
                           .node_port = random.coin() ? random.port() : Port{}};
    });
    out.ingress = random.several(2, [&] {
        return Ingress{.ip = random.maybe([&] { return random.address(); }), .proxy = random.coin()};
    });
    out.source_ranges = random.several(2, [&] { return random.text(); });
    out.client_ip_affinity = random.coin();
    out.affinity_timeout_sec =
        random.maybe([&] { return static_cast<std::uint32_t>(random.below(1u << 31)); });
    out.external_policy = random.policy();
    out.internal_policy = random.policy();
    out.health_check_node_port = random.coin() ? random.port() : Port{};
    if (random.coin())
        out.proxy_name = random.text();
    if (random.coin())
        out.algorithm = random.text().substr(0, 64);
    if (random.coin())
        out.forwarding = random.text().substr(0, 64);
    out.headless_label = random.one_in(4);
    return out;
}

inline Endpoint random_endpoint(Random& random)
{
    Endpoint out;
    out.address = random.address();
    out.ready = random.maybe([&] { return random.coin(); });
    out.serving = random.maybe([&] { return random.coin(); });
    out.terminating = random.maybe([&] { return random.coin(); });
    if (random.coin())
        out.node = random.text();
    for (auto n = random.below(3); n > 0; --n)
        out.zone_hints.push_back(random.text());
    for (auto n = random.below(3); n > 0; --n)
        out.node_hints.push_back(random.text());
    return out;
}

inline EndpointSlice random_slice(Random& random)
{
    EndpointSlice out;
    out.key = {random.text(), random.text()};
    out.service = random.text();
    out.family = random.maybe([&] { return random.coin() ? Family::v4 : Family::v6; });
    out.headless_label = random.one_in(4);
    out.ports = random.several(3, [&] {
        return EndpointPort{.name = random.text(), .protocol = random.protocol(), .port = random.maybe([&] {
                                return random.port();
                            })};
    });
    out.endpoints = random.several(4, [&] { return random_endpoint(random); });
    if (random.coin())
        out.weights = random.text();
    return out;
}

inline Node random_node(Random& random)
{
    Node out;
    out.name = random.text();
    if (random.coin())
        out.zone = random.text();
    out.addresses = random.several(3, [&] { return random.address(); });
    out.eligible = !random.one_in(4);
    out.pod_cidrs = random.several(2, [&] {
        return *Cidr::parse(random.address().text() + '/' + std::to_string(8 + random.below(25)));
    });
    return out;
}

/// metadata, as the encoders write it; what the model does not have is drawn.
struct RandomMetadata {
    std::string ns, name, uid, version;
    std::int64_t created_sec = 0;
    bool being_deleted = false;
    std::vector<std::pair<std::string, std::string>> labels, annotations;
};

inline RandomMetadata random_metadata(Random& random)
{
    RandomMetadata out;
    out.version = random.text();
    const auto strange = [&] { return std::pair{"example.org/" + random.text(), random.text()}; };
    out.labels = random.several(2, strange);
    out.annotations = random.several(2, strange);
    return out;
}

inline RandomMetadata metadata_of(const Service& service, Random& random)
{
    auto out = random_metadata(random);
    out.ns = service.key.ns;
    out.name = service.key.name;
    out.uid = service.uid;
    out.created_sec = service.created_sec;
    if (service.proxy_name)
        out.labels.emplace_back("service.kubernetes.io/service-proxy-name", *service.proxy_name);
    if (service.algorithm)
        out.annotations.emplace_back("naru.io/algorithm", *service.algorithm);
    if (service.forwarding)
        out.annotations.emplace_back("naru.io/forwarding", *service.forwarding);
    if (service.headless_label)
        out.labels.emplace_back("service.kubernetes.io/headless", random.text());
    return out;
}

inline RandomMetadata metadata_of(const EndpointSlice& slice, Random& random)
{
    auto out = random_metadata(random);
    out.ns = slice.key.ns;
    out.name = slice.key.name;
    out.uid = random.text();
    if (!slice.service.empty() || random.coin())
        out.labels.emplace_back("kubernetes.io/service-name", slice.service);
    if (!slice.weights.empty())
        out.annotations.emplace_back("naru.io/weight", slice.weights);
    if (slice.headless_label)
        out.labels.emplace_back("service.kubernetes.io/headless", "");
    return out;
}

inline RandomMetadata metadata_of(const Node& node, Random& random)
{
    auto out = random_metadata(random);
    out.name = node.name;
    out.uid = random.text();
    out.being_deleted = !node.eligible && random.coin();
    if (node.zone)
        out.labels.emplace_back("topology.kubernetes.io/zone", *node.zone);
    return out;
}

/// status.addresses of a Node: which are internal, and an order that keeps each kind's own.
inline std::vector<std::pair<std::string, std::string>> typed_addresses(const Node& node, Random& random)
{
    const auto internal = random.below(node.addresses.size() + 1);
    std::vector<std::pair<std::string, std::string>> out;
    std::size_t next_internal = 0, next_external = internal;
    while (next_internal < internal || next_external < node.addresses.size()) {
        const bool take_internal =
            next_external == node.addresses.size() || (next_internal < internal && random.coin());
        auto& next = take_internal ? next_internal : next_external;
        out.emplace_back(take_internal ? "InternalIP" : "ExternalIP", node.addresses[next++].text());
        if (random.one_in(4))
            out.emplace_back("Hostname", random.text());
    }
    return out;
}

} // namespace naru::test
