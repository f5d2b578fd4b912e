#include "protobuf_objects.hpp"

namespace naru::kube {

using protozero::pbf_reader;

namespace {

ServicePort read_service_port(pbf_reader message)
{
    ServicePort out;
    while (message.next()) {
        switch (message.tag()) {
        case 1:
            out.name = view(message.get_view());
            break;
        case 2:
            out.protocol = protocol(view(message.get_view()));
            break;
        case 3:
            out.port = port(message.get_int32()).value_or(Port{});
            break;
        case 5:
            out.node_port = port(message.get_int32()).value_or(Port{});
            break;
        default:
            message.skip();
        }
    }
    return out;
}

std::optional<std::uint32_t> read_affinity_timeout(pbf_reader config)
{
    std::optional<std::uint32_t> out;
    while (config.next(1)) {
        auto client_ip = config.get_message();
        while (client_ip.next(1))
            out = static_cast<std::uint32_t>(client_ip.get_int32());
    }
    return out;
}

void read_service_spec(pbf_reader message, Service& out)
{
    std::string_view single_cluster_ip;
    while (message.next()) {
        switch (message.tag()) {
        case 1:
            out.ports.push_back(read_service_port(message.get_message()));
            break;
        case 3:
            single_cluster_ip = view(message.get_view());
            break;
        case 4:
            out.type = service_type(view(message.get_view()));
            break;
        case 5:
            add_address(out.external_ips, view(message.get_view()));
            break;
        case 7:
            out.client_ip_affinity = view(message.get_view()) == "ClientIP";
            break;
        case 9:
            out.source_ranges.emplace_back(view(message.get_view()));
            break;
        case 11:
            out.external_policy = traffic_policy(view(message.get_view()));
            break;
        case 12:
            out.health_check_node_port = port(message.get_int32()).value_or(Port{});
            break;
        case 14:
            out.affinity_timeout_sec = read_affinity_timeout(message.get_message());
            break;
        case 18:
            add_address(out.cluster_ips, view(message.get_view()));
            break;
        case 22:
            out.internal_policy = traffic_policy(view(message.get_view()));
            break;
        default:
            message.skip();
        }
    }
    settle_cluster_ips(out, single_cluster_ip);
}

Ingress read_ingress(pbf_reader message)
{
    Ingress out;
    while (message.next()) {
        if (message.tag() == 1)
            out.ip = Address::parse(view(message.get_view()));
        else if (message.tag() == 3)
            out.proxy = leaves_to_balancer(view(message.get_view()));
        else
            message.skip();
    }
    return out;
}

void read_service_status(pbf_reader message, Service& out)
{
    while (message.next(1)) {
        auto balancer = message.get_message();
        while (balancer.next(1))
            out.ingress.push_back(read_ingress(balancer.get_message()));
    }
}

} // namespace

Decoded read_service(pbf_reader message)
{
    Metadata metadata;
    Service out;
    while (message.next()) {
        switch (message.tag()) {
        case 1:
            metadata = read_metadata(message.get_message());
            break;
        case 2:
            read_service_spec(message.get_message(), out);
            break;
        case 3:
            read_service_status(message.get_message(), out);
            break;
        default:
            message.skip();
        }
    }
    take(metadata, out);
    return {std::move(metadata), std::move(out)};
}

} // namespace naru::kube
