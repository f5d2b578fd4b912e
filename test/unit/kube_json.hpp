// Writes model objects as an API server writes them in JSON, with what naru does not read; a value that is
// not there is missing or null.
#pragma once

#include <boost/json.hpp>

#include <chrono>
#include <string>
#include <string_view>

#include "kube_random.hpp"

namespace naru::test::js {

namespace json = boost::json;

inline json::string str(std::string_view text) { return json::string(text.data(), text.size()); }

inline void nothing(json::object& to, std::string_view key, Random& random)
{
    if (random.one_in(3))
        to[key] = nullptr;
}

inline void text(json::object& to, std::string_view key, std::string_view value, Random& random)
{
    if (!value.empty() || random.one_in(3))
        to[key] = str(value);
    else
        nothing(to, key, random);
}

inline void number(json::object& to, std::string_view key, std::int64_t value, Random& random)
{
    if (value || random.one_in(3))
        to[key] = value;
    else
        nothing(to, key, random);
}

/// An empty list is missing, null or [].
inline void list(json::object& to, std::string_view key, json::array values, Random& random)
{
    if (!values.empty() || random.one_in(3))
        to[key] = std::move(values);
    else
        nothing(to, key, random);
}

inline void boolean(json::object& to, std::string_view key, std::optional<bool> value, Random& random)
{
    if (value)
        to[key] = *value;
    else
        nothing(to, key, random);
}

template <class Addresses>
json::array texts(const Addresses& addresses)
{
    json::array out;
    for (const auto& address : addresses)
        out.emplace_back(str(address.text()));
    return out;
}

/// RFC 3339, as Kubernetes writes times.
inline std::string time_text(std::int64_t sec)
{
    const std::chrono::sys_seconds time{std::chrono::seconds{sec}};
    const auto day = std::chrono::floor<std::chrono::days>(time);
    const std::chrono::year_month_day date{day};
    const std::chrono::hh_mm_ss clock{time - day};
    char out[32];
    std::snprintf(out, sizeof out, "%04d-%02u-%02uT%02d:%02d:%02dZ", static_cast<int>(date.year()),
                  static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                  static_cast<int>(clock.hours().count()), static_cast<int>(clock.minutes().count()),
                  static_cast<int>(clock.seconds().count()));
    return out;
}

inline json::object metadata(const RandomMetadata& metadata, Random& random)
{
    json::object out;
    text(out, "name", metadata.name, random);
    text(out, "namespace", metadata.ns, random);
    text(out, "uid", metadata.uid, random);
    text(out, "resourceVersion", metadata.version, random);
    text(out, "creationTimestamp", metadata.created_sec ? time_text(metadata.created_sec) : std::string{},
         random);
    if (metadata.being_deleted)
        out["deletionTimestamp"] = "2024-05-01T10:00:00Z";
    const auto pairs = [&](std::string_view key, const auto& from) {
        json::object map;
        for (const auto& [name, value] : from)
            map[name] = str(value);
        if (!map.empty() || random.coin())
            out[key] = std::move(map);
        else
            nothing(out, key, random);
    };
    pairs("labels", metadata.labels);
    pairs("annotations", metadata.annotations);
    if (random.coin())
        out["managedFields"] = {{{"manager", "kubectl"}, {"fieldsV1", {{"f:spec", json::object{}}}}}};
    return out;
}

inline json::object body(const Service& service, Random& random)
{
    constexpr std::string_view types[]{"ClusterIP", "NodePort", "LoadBalancer", "ExternalName"};
    const bool headless = service.cluster_ips.empty() && random.coin();
    const auto policy = [&](TrafficPolicy value) -> std::string_view {
        return value == TrafficPolicy::local ? "Local" : random.coin() ? "Cluster" : "";
    };
    json::object spec;
    json::array ports;
    for (const auto& port : service.ports) {
        json::object to;
        text(to, "name", port.name, random);
        text(to, "protocol", port.protocol == Protocol::tcp && random.coin() ? "" : naru::text(port.protocol),
             random);
        to["port"] = port.port.host;
        to["targetPort"] = random.coin() ? json::value(8080) : json::value("http");
        number(to, "nodePort", port.node_port.host, random);
        ports.push_back(std::move(to));
    }
    list(spec, "ports", std::move(ports), random);
    spec["selector"] = {{"app", "web"}};
    const bool plain = service.type == ServiceType::cluster_ip && random.coin();
    text(spec, "type", plain ? "" : types[static_cast<std::size_t>(service.type)], random);
    auto cluster_ips = texts(service.cluster_ips);
    text(spec, "clusterIP",
         headless                      ? std::string{"None"}
         : service.cluster_ips.empty() ? std::string{}
                                       : service.cluster_ips.front().text(),
         random);
    if (headless)
        cluster_ips.emplace_back("None");
    if (service.cluster_ips.size() != 1 || random.coin())
        list(spec, "clusterIPs", std::move(cluster_ips), random);
    list(spec, "externalIPs", texts(service.external_ips), random);
    json::array ranges;
    for (const auto& range : service.source_ranges)
        ranges.emplace_back(str(range));
    list(spec, "loadBalancerSourceRanges", std::move(ranges), random);
    text(spec, "sessionAffinity",
         service.client_ip_affinity ? "ClientIP"
         : random.coin()            ? "None"
                                    : "",
         random);
    if (service.affinity_timeout_sec)
        spec["sessionAffinityConfig"] = {{"clientIP", {{"timeoutSeconds", *service.affinity_timeout_sec}}}};
    else if (random.coin())
        spec["sessionAffinityConfig"] = {{"clientIP", random.coin() ? json::value(json::object{}) : nullptr}};
    text(spec, "externalTrafficPolicy", policy(service.external_policy), random);
    text(spec, "internalTrafficPolicy", policy(service.internal_policy), random);
    number(spec, "healthCheckNodePort", service.health_check_node_port.host, random);
    spec["publishNotReadyAddresses"] = random.coin();

    json::array ingress;
    for (const auto& each : service.ingress) {
        json::object to;
        text(to, "ip", each.ip ? each.ip->text() : std::string{}, random);
        text(to, "hostname", random.text(), random);
        text(to, "ipMode", each.proxy ? "Proxy" : random.coin() ? "VIP" : "", random);
        ingress.push_back(std::move(to));
    }
    json::object balancer;
    list(balancer, "ingress", std::move(ingress), random);
    return {{"spec", std::move(spec)}, {"status", {{"loadBalancer", std::move(balancer)}}}};
}

inline json::object body(const Endpoint& endpoint, Random& random)
{
    json::object out;
    auto addresses = texts(std::vector{endpoint.address});
    for (auto more = random.below(3); more > 0; --more)
        addresses.emplace_back(str(random.text()));
    out["addresses"] = std::move(addresses);
    json::object conditions;
    boolean(conditions, "ready", endpoint.ready, random);
    boolean(conditions, "serving", endpoint.serving, random);
    boolean(conditions, "terminating", endpoint.terminating, random);
    if (!conditions.empty() || random.coin())
        out["conditions"] = std::move(conditions);
    if (endpoint.node)
        out["nodeName"] = str(*endpoint.node);
    else
        nothing(out, "nodeName", random);
    out["targetRef"] = {{"kind", "Pod"}};
    const auto hints = [&](const auto& names) {
        json::array list;
        for (const auto& name : names) {
            json::object hint;
            text(hint, "name", name, random);
            list.push_back(std::move(hint));
        }
        return list;
    };
    json::object to;
    list(to, "forZones", hints(endpoint.zone_hints), random);
    list(to, "forNodes", hints(endpoint.node_hints), random);
    if (!to.empty() || random.coin())
        out["hints"] = std::move(to);
    return out;
}

inline json::object body(const EndpointSlice& slice, Random& random)
{
    json::array endpoints;
    for (const auto& endpoint : slice.endpoints) {
        endpoints.push_back(body(endpoint, random));
        if (random.one_in(8))
            endpoints.push_back(json::object{{"addresses", json::array{}}});
        if (random.one_in(8))
            endpoints.push_back(json::object{{"addresses", json::array{"www.example.org"}}});
    }
    json::array ports;
    for (const auto& port : slice.ports) {
        json::object to;
        text(to, "name", port.name, random);
        text(to, "protocol", port.protocol == Protocol::tcp && random.coin() ? "" : naru::text(port.protocol),
             random);
        if (port.port)
            to["port"] = port.port->host;
        else
            nothing(to, "port", random);
        ports.push_back(std::move(to));
    }
    json::object out;
    list(out, "endpoints", std::move(endpoints), random);
    list(out, "ports", std::move(ports), random);
    out["addressType"] = slice.family == Family::v4 ? "IPv4" : slice.family == Family::v6 ? "IPv6" : "FQDN";
    return out;
}

inline json::object body(const Node& node, const RandomMetadata& metadata, Random& random)
{
    json::object spec;
    json::array taints;
    if (random.coin())
        taints.push_back({{"key", "example.org/taint"}, {"effect", "NoSchedule"}});
    if (!node.eligible && !metadata.being_deleted)
        taints.push_back({{"key", "ToBeDeletedByClusterAutoscaler"}, {"value", "1"}});
    list(spec, "taints", std::move(taints), random);
    if (!node.pod_cidrs.empty())
        spec["podCIDR"] = str(node.pod_cidrs.front().text());
    if (node.pod_cidrs.size() != 1 || random.coin())
        list(spec, "podCIDRs", texts(node.pod_cidrs), random);
    json::array addresses;
    for (const auto& [type, address] : typed_addresses(node, random))
        addresses.push_back({{"type", str(type)}, {"address", str(address)}});
    json::object status;
    list(status, "addresses", std::move(addresses), random);
    return {{"spec", std::move(spec)}, {"status", std::move(status)}};
}

inline json::object object(std::string_view kind, const RandomMetadata& meta, json::object body,
                           Random& random)
{
    body["metadata"] = metadata(meta, random);
    if (!kind.empty()) // items of a list have none
        body["kind"] = str(kind);
    body["futureField"] = {1, nullptr, json::object{}};
    return body;
}

inline std::string event(std::string_view type, json::value object)
{
    return json::serialize(json::object{{"type", str(type)}, {"object", std::move(object)}});
}

inline std::string list(std::string_view kind, json::array items, std::string_view version,
                        std::string_view more = {})
{
    return json::serialize(
        json::object{{"kind", str(kind)},
                     {"apiVersion", "v1"},
                     {"metadata", {{"resourceVersion", str(version)}, {"continue", str(more)}}},
                     {"items", std::move(items)}});
}

} // namespace naru::test::js
