// Writes model objects as an API server writes them in protobuf, with the fields naru does not read and some
// nobody knows. Field numbers are those of k8s.io/api generated.proto.
#pragma once

#include <protozero/pbf_writer.hpp>

#include <string>
#include <string_view>

#include "kube_random.hpp"

namespace naru::test::pb {

using protozero::pbf_writer;

/// A field of the future, of any wire type.
inline void noise(pbf_writer& to, Random& random)
{
    if (!random.one_in(4))
        return;
    const auto tag = static_cast<protozero::pbf_tag_type>(200 + random.below(1000));
    switch (random.below(4)) {
    case 0:
        return to.add_uint64(tag, random.below(UINT64_MAX));
    case 1:
        return to.add_string(tag, random.text());
    case 2:
        return to.add_fixed32(tag, 7);
    default:
        return to.add_fixed64(tag, 7);
    }
}

/// Go writes empty strings too; missing means the same.
inline void text(pbf_writer& to, protozero::pbf_tag_type tag, std::string_view value, Random& random)
{
    noise(to, random);
    if (!value.empty() || random.coin())
        to.add_string(tag, value.data(), value.size());
}

inline void number(pbf_writer& to, protozero::pbf_tag_type tag, std::int32_t value, Random& random)
{
    if (value || random.coin())
        to.add_int32(tag, value);
}

/// An empty message is written too, which a nested pbf_writer would leave out.
template <class Write>
void message(pbf_writer& to, protozero::pbf_tag_type tag, Write write)
{
    std::string bytes;
    pbf_writer inner{bytes};
    write(inner);
    to.add_message(tag, bytes);
}

inline void metadata(pbf_writer& object, const RandomMetadata& metadata, Random& random)
{
    const auto entry = [&](pbf_writer& to, protozero::pbf_tag_type tag, const auto& pair) {
        message(to, tag, [&](pbf_writer& in) {
            in.add_string(1, pair.first);
            text(in, 2, pair.second, random);
        });
    };
    message(object, 1, [&](pbf_writer& to) {
        text(to, 1, metadata.name, random);
        text(to, 2, "generated-", random);
        text(to, 3, metadata.ns, random);
        text(to, 5, metadata.uid, random);
        text(to, 6, metadata.version, random);
        number(to, 7, 3, random);
        if (metadata.created_sec || random.coin())
            message(to, 8, [&](pbf_writer& in) {
                if (metadata.created_sec || random.coin())
                    in.add_int64(1, metadata.created_sec);
                number(in, 2, 0, random);
            });
        if (metadata.being_deleted)
            message(to, 9, [&](pbf_writer& in) { in.add_int64(1, 1'700'000'000); });
        for (const auto& label : metadata.labels)
            entry(to, 11, label);
        for (const auto& annotation : metadata.annotations)
            entry(to, 12, annotation);
        if (random.coin())
            message(to, 13, [&](pbf_writer& in) { in.add_string(5, "owner"); });
        if (random.coin())
            message(to, 17, [&](pbf_writer& in) { in.add_string(1, random.text()); });
    });
}

inline void port(pbf_writer& spec, const ServicePort& port, Random& random)
{
    message(spec, 1, [&](pbf_writer& to) {
        text(to, 1, port.name, random);
        text(to, 2, port.protocol == Protocol::tcp && random.coin() ? "" : naru::text(port.protocol), random);
        to.add_int32(3, port.port.host);
        message(to, 4, [&](pbf_writer& target) {
            target.add_int64(1, 0);
            target.add_int32(2, 8080);
        });
        number(to, 5, port.node_port.host, random);
        if (random.coin())
            to.add_string(6, "http");
    });
}

inline std::string_view type_text(ServiceType type)
{
    constexpr std::string_view names[]{"ClusterIP", "NodePort", "LoadBalancer", "ExternalName"};
    return names[static_cast<std::size_t>(type)];
}

inline void spec(pbf_writer& object, const Service& service, Random& random)
{
    const bool headless = service.cluster_ips.empty() && random.coin();
    const auto policy = [&](TrafficPolicy value) -> std::string_view {
        return value == TrafficPolicy::local ? "Local" : random.coin() ? "Cluster" : "";
    };
    message(object, 2, [&](pbf_writer& to) {
        for (const auto& each : service.ports)
            port(to, each, random);
        message(to, 2, [&](pbf_writer& selector) { selector.add_string(1, "app"); });
        text(to, 3,
             headless                      ? "None"
             : service.cluster_ips.empty() ? std::string{}
                                           : service.cluster_ips.front().text(),
             random);
        const bool plain = service.type == ServiceType::cluster_ip && random.coin();
        text(to, 4, plain ? "" : type_text(service.type), random);
        for (const auto& address : service.external_ips)
            to.add_string(5, address.text());
        text(to, 7, service.client_ip_affinity ? "ClientIP" : random.coin() ? "None" : "", random);
        text(to, 8, random.text(), random);
        for (const auto& range : service.source_ranges)
            to.add_string(9, range);
        text(to, 10, random.text(), random);
        text(to, 11, policy(service.external_policy), random);
        number(to, 12, service.health_check_node_port.host, random);
        to.add_bool(13, random.coin());
        if (service.affinity_timeout_sec || random.coin())
            message(to, 14, [&](pbf_writer& config) {
                if (service.affinity_timeout_sec || random.coin())
                    message(config, 1, [&](pbf_writer& client) {
                        if (service.affinity_timeout_sec)
                            client.add_int32(1, static_cast<std::int32_t>(*service.affinity_timeout_sec));
                    });
            });
        if (random.coin())
            to.add_string(17, "PreferDualStack");
        if (headless)
            to.add_string(18, "None");
        if (service.cluster_ips.size() != 1 || random.coin())
            for (const auto& address : service.cluster_ips)
                to.add_string(18, address.text());
        if (random.coin())
            to.add_string(19, "IPv4");
        if (random.coin())
            to.add_bool(20, false);
        text(to, 22, policy(service.internal_policy), random);
        noise(to, random);
    });
}

inline void ingress(pbf_writer& object, const Service& service, Random& random)
{
    message(object, 3, [&](pbf_writer& status) {
        message(status, 1, [&](pbf_writer& balancer) {
            for (const auto& each : service.ingress)
                message(balancer, 1, [&](pbf_writer& to) {
                    text(to, 1, each.ip ? each.ip->text() : std::string{}, random);
                    text(to, 2, "lb.example.org", random);
                    if (each.proxy || random.coin())
                        to.add_string(3, each.proxy ? "Proxy" : "VIP");
                    if (random.coin())
                        message(to, 4, [](pbf_writer& in) { in.add_int32(1, 80); });
                });
        });
        noise(status, random);
    });
}

inline void body(pbf_writer& object, const Service& service, Random& random)
{
    spec(object, service, random);
    if (!service.ingress.empty() || random.coin())
        ingress(object, service, random);
}

inline void endpoint(pbf_writer& object, const Endpoint& endpoint, Random& random)
{
    message(object, 2, [&](pbf_writer& to) {
        to.add_string(1, endpoint.address.text());
        for (auto more = random.below(3); more > 0; --more) // means nothing
            to.add_string(1, random.coin() ? random.address().text() : random.text());
        if (endpoint.ready || endpoint.serving || endpoint.terminating || random.coin())
            message(to, 2, [&](pbf_writer& in) {
                if (endpoint.ready)
                    in.add_bool(1, *endpoint.ready);
                if (endpoint.serving)
                    in.add_bool(2, *endpoint.serving);
                if (endpoint.terminating)
                    in.add_bool(3, *endpoint.terminating);
                noise(in, random);
            });
        if (random.coin())
            to.add_string(3, random.text());
        if (random.coin())
            message(to, 4, [](pbf_writer& target) { target.add_string(1, "Pod"); });
        if (endpoint.node) {
            const std::string_view node = *endpoint.node;
            to.add_string(6, node.data(), node.size());
        }
        if (random.coin())
            to.add_string(7, random.text());
        if (!endpoint.zone_hints.empty() || !endpoint.node_hints.empty() || random.coin())
            message(to, 8, [&](pbf_writer& hints) {
                for (const auto& zone : endpoint.zone_hints)
                    message(hints, 1, [&](pbf_writer& in) { text(in, 1, zone, random); });
                for (const auto& node : endpoint.node_hints)
                    message(hints, 2, [&](pbf_writer& in) { text(in, 1, node, random); });
            });
    });
}

inline void body(pbf_writer& object, const EndpointSlice& slice, Random& random)
{
    for (const auto& each : slice.endpoints) {
        endpoint(object, each, random);
        if (random.one_in(8)) // no endpoint: no address
            message(object, 2, [](pbf_writer& to) { to.add_string(7, "zone"); });
        if (random.one_in(8))
            message(object, 2, [](pbf_writer& to) { to.add_string(1, "www.example.org"); });
    }
    for (const auto& port : slice.ports)
        message(object, 3, [&](pbf_writer& to) {
            text(to, 1, port.name, random);
            if (port.protocol != Protocol::tcp || random.coin())
                to.add_string(2, std::string{naru::text(port.protocol)});
            if (port.port)
                to.add_int32(3, port.port->host);
            noise(to, random);
        });
    text(object, 4,
         slice.family == Family::v4   ? "IPv4"
         : slice.family == Family::v6 ? "IPv6"
                                      : "FQDN",
         random);
}

inline void body(pbf_writer& object, const Node& node, const RandomMetadata& metadata, Random& random)
{
    message(object, 2, [&](pbf_writer& to) {
        if (!node.pod_cidrs.empty())
            to.add_string(1, node.pod_cidrs.front().text());
        text(to, 3, "provider://node", random);
        to.add_bool(4, random.coin());
        if (random.coin())
            message(to, 5, [&](pbf_writer& taint) { taint.add_string(1, "example.org/taint"); });
        if (!node.eligible && !metadata.being_deleted)
            message(to, 5, [&](pbf_writer& taint) {
                taint.add_string(1, "ToBeDeletedByClusterAutoscaler");
                text(taint, 3, "NoSchedule", random);
            });
        if (node.pod_cidrs.size() != 1 || random.coin())
            for (const auto& network : node.pod_cidrs)
                to.add_string(7, network.text());
    });
    message(object, 3, [&](pbf_writer& status) {
        for (const auto& [type, address] : typed_addresses(node, random))
            message(status, 5, [&](pbf_writer& to) {
                to.add_string(1, type);
                to.add_string(2, address);
            });
        noise(status, random);
    });
}

inline std::string object(const Service& service, const RandomMetadata& meta, Random& random)
{
    std::string out;
    pbf_writer to{out};
    metadata(to, meta, random);
    body(to, service, random);
    return out;
}

inline std::string object(const EndpointSlice& slice, const RandomMetadata& meta, Random& random)
{
    std::string out;
    pbf_writer to{out};
    metadata(to, meta, random);
    body(to, slice, random);
    return out;
}

inline std::string object(const Node& node, const RandomMetadata& meta, Random& random)
{
    std::string out;
    pbf_writer to{out};
    metadata(to, meta, random);
    body(to, node, meta, random);
    return out;
}

/// k8s\0 and the message Unknown.
inline std::string envelope(std::string_view kind, std::string_view raw)
{
    std::string out{"k8s\0", 4};
    pbf_writer to{out};
    message(to, 1, [&](pbf_writer& type) {
        type.add_string(1, "v1");
        type.add_string(2, kind.data(), kind.size());
    });
    to.add_bytes(2, raw.data(), raw.size());
    to.add_string(3, "");
    to.add_string(4, "");
    return out;
}

inline std::string event(std::string_view type, std::string_view kind, std::string_view raw)
{
    std::string out;
    pbf_writer to{out};
    to.add_string(1, type.data(), type.size());
    message(to, 2, [&](pbf_writer& extension) { extension.add_bytes(1, envelope(kind, raw)); });
    return out;
}

inline std::string list(std::string_view kind, const std::vector<std::string>& items,
                        std::string_view version, std::string_view more = {})
{
    std::string raw;
    pbf_writer to{raw};
    message(to, 1, [&](pbf_writer& in) {
        in.add_string(2, version.data(), version.size());
        in.add_string(3, more.data(), more.size());
    });
    for (const auto& item : items)
        to.add_message(2, item);
    return envelope(kind, raw);
}

} // namespace naru::test::pb
