#include <fmt/format.h>

#include <set>

#include "model/time.hpp"
#include "objects.hpp"

namespace naru {

using yaml::Value;

namespace {

constexpr std::int64_t affinity_timeout_max_sec = 86400;

void read_metadata(Fields& fields, const Value& object, Service& service)
{
    service.key = fields.object_key(object);
    auto metadata = fields.map(object, "metadata");
    service.uid = fields.text(metadata, "uid").value_or("");
    if (auto created = fields.text(metadata, "creationTimestamp")) {
        auto time = parse_time(*created);
        if (!time)
            fields.fail(metadata.find("creationTimestamp"),
                        fmt::format("creationTimestamp: {} is not a time such as 2024-05-01T10:00:00Z",
                                    in_quotes(*created)));
        service.created_sec = time.value_or(0);
    }
    auto labels = fields.map(metadata, "labels");
    service.proxy_name = fields.text(labels, label_proxy_name);
    service.headless_label = fields.text(labels, label_headless).has_value();
    const auto annotations = fields.map(metadata, "annotations");
    service.algorithm = fields.text(annotations, annotation_algorithm);
    service.forwarding = fields.text(annotations, annotation_forwarding);
}

ServicePort read_port(Fields& fields, const Value& element)
{
    ServicePort out;
    out.name = fields.name(element, "name");
    out.protocol = fields.protocol(element);
    auto port = fields.port(element, "port");
    if (!port)
        fields.fail(element, "port is missing");
    out.port = port.value_or(Port{});
    out.node_port = fields.port(element, "nodePort", 0).value_or(Port{});
    return out;
}

/// Ports of one Service are told apart by their names, and clients tell them apart by number and protocol.
std::vector<ServicePort> read_ports(Fields& fields, const Value& spec)
{
    std::vector<ServicePort> out;
    std::set<Name> names;
    std::set<std::pair<Port, Protocol>> numbers;
    auto elements = fields.maps(spec, "ports");
    for (const auto& element : elements) {
        auto port = read_port(fields, element);
        if (port.name.empty() && elements.size() > 1)
            fields.fail(element, "ports: each needs a name when there are several");
        if (!names.insert(port.name).second)
            fields.fail(element, fmt::format("ports: the name {} appears twice", port.name));
        if (!numbers.emplace(port.port, port.protocol).second)
            fields.fail(element,
                        fmt::format("ports: {}/{} appears twice", port.port.host, text(port.protocol)));
        out.push_back(std::move(port));
    }
    return out;
}

std::vector<Address> read_addresses(Fields& fields, const Value& spec, std::string_view key)
{
    std::vector<Address> out;
    for (const auto& element : fields.list(spec, key))
        if (auto address = fields.address(element, key))
            out.push_back(*address);
    return out;
}

/// "None" stands for headless; clusterIPs wins over the older clusterIP.
std::vector<Address> read_cluster_ips(Fields& fields, const Value& spec)
{
    auto several = spec.find("clusterIPs").elements();
    auto single = spec.find("clusterIP");
    bool headless = several.empty() ? single.scalar() == "None" : several.front().scalar() == "None";
    if (headless)
        return {};
    auto out = read_addresses(fields, spec, "clusterIPs");
    if (out.empty())
        if (auto address = fields.address(single, "clusterIP"))
            out.push_back(*address);
    if (out.size() > 2 || (out.size() == 2 && out[0].family() == out[1].family()))
        fields.fail(spec.find("clusterIPs"), "clusterIPs: more than one address of a family");
    return out;
}

TrafficPolicy read_policy(Fields& fields, const Value& spec, std::string_view key)
{
    return fields
        .choice<TrafficPolicy>(spec, key,
                               {{"Cluster", TrafficPolicy::cluster}, {"Local", TrafficPolicy::local}})
        .value_or(TrafficPolicy::cluster);
}

void read_affinity(Fields& fields, const Value& spec, Service& service)
{
    service.client_ip_affinity =
        fields.choice<bool>(spec, "sessionAffinity", {{"None", false}, {"ClientIP", true}}).value_or(false);
    auto client_ip = fields.map(fields.map(spec, "sessionAffinityConfig"), "clientIP");
    if (auto seconds = fields.integer(client_ip, "timeoutSeconds", 1, affinity_timeout_max_sec))
        service.affinity_timeout_sec = static_cast<std::uint32_t>(*seconds);
}

std::vector<Ingress> read_ingress(Fields& fields, const Value& object)
{
    std::vector<Ingress> out;
    auto balancer = fields.map(fields.map(object, "status"), "loadBalancer");
    for (const auto& element : fields.maps(balancer, "ingress"))
        out.push_back(
            {.ip = fields.address(element.find("ip"), "ip"),
             .proxy =
                 fields.choice<bool>(element, "ipMode", {{"VIP", false}, {"Proxy", true}}).value_or(false)});
    return out;
}

} // namespace

Service read_service(Fields& fields, const Value& object)
{
    Service service;
    read_metadata(fields, object, service);

    auto spec = fields.map(object, "spec");
    if (spec.kind() == yaml::Kind::null)
        fields.fail(spec, "spec is missing");
    service.type = fields
                       .choice<ServiceType>(spec, "type",
                                            {{"ClusterIP", ServiceType::cluster_ip},
                                             {"NodePort", ServiceType::node_port},
                                             {"LoadBalancer", ServiceType::load_balancer},
                                             {"ExternalName", ServiceType::external_name}})
                       .value_or(ServiceType::cluster_ip);
    service.ports = read_ports(fields, spec);
    service.cluster_ips = read_cluster_ips(fields, spec);
    service.external_ips = read_addresses(fields, spec, "externalIPs");
    service.source_ranges = fields.texts(spec, "loadBalancerSourceRanges");
    read_affinity(fields, spec, service);
    service.external_policy = read_policy(fields, spec, "externalTrafficPolicy");
    service.internal_policy = read_policy(fields, spec, "internalTrafficPolicy");
    service.health_check_node_port = fields.port(spec, "healthCheckNodePort", 0).value_or(Port{});
    service.ingress = read_ingress(fields, object);
    return service;
}

} // namespace naru
