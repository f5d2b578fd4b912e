#include "protobuf_objects.hpp"

namespace naru::kube {

namespace {

ServicePort read_service_port(Message message)
{
    ServicePort out;
    while (message.next()) {
        switch (message.tag()) {
        case 1:
            out.name = message.text();
            break;
        case 2:
            out.protocol = protocol(message.text());
            break;
        case 3:
            out.port = port(message.integer()).value_or(Port{});
            break;
        case 5:
            out.node_port = port(message.integer()).value_or(Port{});
            break;
        default:
            message.skip();
        }
    }
    return out;
}

std::optional<std::uint32_t> read_affinity_timeout(Message config)
{
    std::optional<std::uint32_t> out;
    while (config.next(1)) {
        auto client_ip = config.message();
        while (client_ip.next(1))
            out = affinity_timeout(client_ip.integer());
    }
    return out;
}

void read_service_spec(Message message, Service& out)
{
    std::string_view single_cluster_ip;
    while (message.next()) {
        switch (message.tag()) {
        case 1:
            out.ports.push_back(read_service_port(message.message()));
            break;
        case 3:
            single_cluster_ip = message.text();
            break;
        case 4:
            out.type = service_type(message.text());
            break;
        case 5:
            add_address(out.external_ips, message.text());
            break;
        case 7:
            out.client_ip_affinity = message.text() == "ClientIP";
            break;
        case 9:
            out.source_ranges.emplace_back(message.text());
            break;
        case 11:
            out.external_policy = traffic_policy(message.text());
            break;
        case 12:
            out.health_check_node_port = port(message.integer()).value_or(Port{});
            break;
        case 14:
            out.affinity_timeout_sec = read_affinity_timeout(message.message());
            break;
        case 18:
            add_address(out.cluster_ips, message.text());
            break;
        case 22:
            out.internal_policy = traffic_policy(message.text());
            break;
        default:
            message.skip();
        }
    }
    settle_cluster_ips(out, single_cluster_ip);
}

Ingress read_ingress(Message message)
{
    Ingress out;
    while (message.next()) {
        if (message.tag() == 1)
            out.ip = Address::parse(message.text());
        else if (message.tag() == 3)
            out.proxy = leaves_to_balancer(message.text());
        else
            message.skip();
    }
    return out;
}

void read_service_status(Message message, Service& out)
{
    while (message.next(1)) {
        auto balancer = message.message();
        while (balancer.next(1))
            out.ingress.push_back(read_ingress(balancer.message()));
    }
}

} // namespace

Decoded read_service(Message message)
{
    Metadata metadata;
    Service out;
    while (message.next()) {
        switch (message.tag()) {
        case 1:
            metadata = read_metadata(message.message());
            break;
        case 2:
            read_service_spec(message.message(), out);
            break;
        case 3:
            read_service_status(message.message(), out);
            break;
        default:
            message.skip();
        }
    }
    take(metadata, out);
    return {std::move(metadata), std::move(out)};
}

} // namespace naru::kube
