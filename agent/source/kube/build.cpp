#include "build.hpp"

#include <algorithm>
#include <limits>

#include "model/weights.hpp"

namespace naru::kube {

std::optional<Encoding> encoding_of(std::string_view content_type)
{
    const auto type = content_type.substr(0, content_type.find(';'));
    if (type == protobuf_type)
        return Encoding::protobuf;
    if (type == json_type)
        return Encoding::json;
    return std::nullopt;
}

std::string_view name_of(Resource resource)
{
    switch (resource) {
    case Resource::services:
        return "services";
    case Resource::endpoint_slices:
        return "endpointslices";
    case Resource::nodes:
        return "nodes";
    }
    std::unreachable();
}

std::string_view kind_of(Resource resource)
{
    switch (resource) {
    case Resource::services:
        return "Service";
    case Resource::endpoint_slices:
        return "EndpointSlice";
    case Resource::nodes:
        return "Node";
    }
    std::unreachable();
}

std::optional<Event::Type> event_type(std::string_view text)
{
    if (text == "ADDED")
        return Event::Type::added;
    if (text == "MODIFIED")
        return Event::Type::modified;
    if (text == "DELETED")
        return Event::Type::deleted;
    if (text == "BOOKMARK")
        return Event::Type::bookmark;
    if (text == "ERROR")
        return Event::Type::error;
    return std::nullopt;
}

void Metadata::label(std::string_view name, std::string_view value)
{
    if (name == label_service_name)
        service_name = value;
    else if (name == label_proxy_name)
        proxy_name = value;
    else if (name == label_zone)
        zone = value;
    else if (name == label_headless)
        headless = true;
}

void Metadata::annotation(std::string_view name, std::string_view value)
{
    if (name == annotation_initial_events_end)
        initial_events_end = value == "true";
    else if (name == annotation_algorithm)
        algorithm = value;
    else if (name == annotation_weight)
        weight = value;
    else if (name == annotation_forwarding)
        forwarding = value;
}

void take(const Metadata& metadata, Service& service)
{
    service.key = metadata.key;
    service.uid = metadata.uid;
    service.created_sec = metadata.created_sec;
    service.proxy_name = metadata.proxy_name;
    if (metadata.algorithm) // the names are short, but all of the annotations may be 256 KiB
        service.algorithm = metadata.algorithm->substr(0, longest_annotation);
    if (metadata.forwarding)
        service.forwarding = metadata.forwarding->substr(0, longest_annotation);
    service.headless_label = metadata.headless;
}

void take(const Metadata& metadata, EndpointSlice& slice)
{
    slice.key = metadata.key;
    slice.service = metadata.service_name.value_or("");
    slice.headless_label = metadata.headless;
    if (metadata.weight) // one byte more than is read, so that it is seen to be too long
        slice.weights = metadata.weight->substr(0, longest_weights + 1);
}

void take(const Metadata& metadata, Node& node)
{
    node.name = metadata.key.name;
    node.zone = metadata.zone;
    node.eligible = node.eligible && !metadata.being_deleted;
}

ServiceType service_type(std::string_view text)
{
    if (text == "NodePort")
        return ServiceType::node_port;
    if (text == "LoadBalancer")
        return ServiceType::load_balancer;
    return text == "ExternalName" ? ServiceType::external_name : ServiceType::cluster_ip;
}

TrafficPolicy traffic_policy(std::string_view text)
{
    return text == "Local" ? TrafficPolicy::local : TrafficPolicy::cluster;
}

std::optional<Family> address_type(std::string_view text)
{
    if (text == "IPv4")
        return Family::v4;
    if (text == "IPv6")
        return Family::v6;
    return std::nullopt;
}

Protocol protocol(std::string_view text) { return parse_protocol(text).value_or(Protocol::tcp); }

std::optional<Port> port(std::int64_t number)
{
    if (number < 1 || number > 65535)
        return std::nullopt;
    return Port{static_cast<std::uint16_t>(number)};
}

std::uint32_t affinity_timeout(std::int64_t sec)
{
    if (sec < 0)
        return 0;
    return static_cast<std::uint32_t>(std::min<std::int64_t>(sec, std::numeric_limits<std::uint32_t>::max()));
}

std::optional<int> wait_of(std::int64_t sec)
{
    if (sec <= 0)
        return std::nullopt;
    return static_cast<int>(std::min<std::int64_t>(sec, std::numeric_limits<int>::max()));
}

void add_address(std::vector<Address>& to, std::string_view text)
{
    if (auto address = Address::parse(text))
        to.push_back(*address);
}

void settle_cluster_ips(Service& service, std::string_view single)
{
    if (service.cluster_ips.empty())
        add_address(service.cluster_ips, single);
}

void add_pod_cidr(Node& node, std::string_view text)
{
    if (auto network = Cidr::parse(text))
        node.pod_cidrs.push_back(*network);
}

void settle_pod_cidrs(Node& node, std::string_view single)
{
    if (node.pod_cidrs.empty())
        add_pod_cidr(node, single);
}

void NodeAddresses::add(std::string_view type, std::string_view address)
{
    if (type == "InternalIP")
        add_address(internal_, address);
    else if (type == "ExternalIP")
        add_address(external_, address);
}

std::vector<Address> NodeAddresses::take() &&
{
    internal_.insert(internal_.end(), external_.begin(), external_.end());
    return std::move(internal_);
}

bool leaves_to_balancer(std::string_view ip_mode) { return !ip_mode.empty() && ip_mode != "VIP"; }

} // namespace naru::kube
