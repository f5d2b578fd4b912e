// The fallback encoding. A missing key and null are the same; a value of the wrong type makes its object
// undecodable, which Boost.JSON's as_...() tell by an exception caught around each object.
#include <boost/json.hpp>

#include "build.hpp"
#include "decoders.hpp"
#include "model/time.hpp"

namespace naru::kube {

namespace json = boost::json;

namespace {

constexpr std::size_t max_depth = 64;            // of an object; deeper ones are left out
constexpr std::size_t max_document_depth = 1000; // what the parser's stack is good for

/// The member, or nullptr when it is missing or null.
const json::value* member(const json::object& object, std::string_view key)
{
    const json::value* found = object.if_contains(key);
    return found && !found->is_null() ? found : nullptr;
}

std::string_view text(const json::object& object, std::string_view key)
{
    const json::value* found = member(object, key);
    return found ? std::string_view{found->as_string()} : std::string_view{};
}

std::optional<bool> boolean(const json::object& object, std::string_view key)
{
    const json::value* found = member(object, key);
    return found ? std::optional{found->as_bool()} : std::nullopt;
}

std::optional<std::int64_t> integer(const json::object& object, std::string_view key)
{
    const json::value* found = member(object, key);
    return found ? std::optional{found->as_int64()} : std::nullopt;
}

const json::object& object_in(const json::object& object, std::string_view key)
{
    static const json::object none;
    const json::value* found = member(object, key);
    return found ? found->as_object() : none;
}

const json::array& array_in(const json::object& object, std::string_view key)
{
    static const json::array none;
    const json::value* found = member(object, key);
    return found ? found->as_array() : none;
}

std::optional<Port> port_in(const json::object& object, std::string_view key)
{
    return port(integer(object, key).value_or(0));
}

Metadata read_metadata(const json::object& object)
{
    const auto& in = object_in(object, "metadata");
    Metadata out;
    out.key = {.ns = text(in, "namespace"), .name = text(in, "name")};
    out.uid = text(in, "uid");
    out.version = text(in, "resourceVersion");
    out.created_sec = parse_time(text(in, "creationTimestamp")).value_or(0);
    out.being_deleted = member(in, "deletionTimestamp") != nullptr;
    for (const auto& [key, value] : object_in(in, "labels"))
        out.label(key, value.as_string());
    for (const auto& [key, value] : object_in(in, "annotations"))
        out.annotation(key, value.as_string());
    return out;
}

ServicePort read_service_port(const json::object& in)
{
    return {.name = text(in, "name"),
            .protocol = protocol(text(in, "protocol")),
            .port = port_in(in, "port").value_or(Port{}),
            .node_port = port_in(in, "nodePort").value_or(Port{})};
}

Service read_service(const json::object& object)
{
    Service out;
    const auto& spec = object_in(object, "spec");
    out.type = service_type(text(spec, "type"));
    for (const auto& element : array_in(spec, "clusterIPs"))
        add_address(out.cluster_ips, element.as_string());
    settle_cluster_ips(out, text(spec, "clusterIP"));
    for (const auto& element : array_in(spec, "externalIPs"))
        add_address(out.external_ips, element.as_string());
    for (const auto& element : array_in(spec, "ports"))
        out.ports.push_back(read_service_port(element.as_object()));
    for (const auto& element : array_in(spec, "loadBalancerSourceRanges"))
        out.source_ranges.emplace_back(element.as_string());
    out.client_ip_affinity = text(spec, "sessionAffinity") == "ClientIP";
    if (auto sec = integer(object_in(object_in(spec, "sessionAffinityConfig"), "clientIP"), "timeoutSeconds"))
        out.affinity_timeout_sec = affinity_timeout(*sec);
    out.external_policy = traffic_policy(text(spec, "externalTrafficPolicy"));
    out.internal_policy = traffic_policy(text(spec, "internalTrafficPolicy"));
    out.health_check_node_port = port_in(spec, "healthCheckNodePort").value_or(Port{});
    for (const auto& element : array_in(object_in(object_in(object, "status"), "loadBalancer"), "ingress")) {
        const auto& ingress = element.as_object();
        out.ingress.push_back({.ip = Address::parse(text(ingress, "ip")),
                               .proxy = leaves_to_balancer(text(ingress, "ipMode"))});
    }
    return out;
}

EndpointPort read_endpoint_port(const json::object& in)
{
    return {
        .name = text(in, "name"), .protocol = protocol(text(in, "protocol")), .port = port_in(in, "port")};
}

std::vector<Name> read_hints(const json::object& hints, std::string_view key)
{
    std::vector<Name> out;
    for (const auto& element : array_in(hints, key))
        out.emplace_back(text(element.as_object(), "name"));
    return out;
}

/// Nothing: no usable address, so no endpoint.
std::optional<Endpoint> read_endpoint(const json::object& in)
{
    const auto& addresses = array_in(in, "addresses");
    auto address = addresses.empty() ? std::nullopt : Address::parse(addresses.front().as_string());
    if (!address)
        return std::nullopt;
    Endpoint out;
    out.address = *address;
    const auto& conditions = object_in(in, "conditions");
    out.ready = boolean(conditions, "ready");
    out.serving = boolean(conditions, "serving");
    out.terminating = boolean(conditions, "terminating");
    if (member(in, "nodeName"))
        out.node = text(in, "nodeName");
    const auto& hints = object_in(in, "hints");
    out.zone_hints = read_hints(hints, "forZones");
    out.node_hints = read_hints(hints, "forNodes");
    return out;
}

EndpointSlice read_slice(const json::object& object)
{
    EndpointSlice out;
    out.family = address_type(text(object, "addressType"));
    for (const auto& element : array_in(object, "ports"))
        out.ports.push_back(read_endpoint_port(element.as_object()));
    for (const auto& element : array_in(object, "endpoints"))
        if (auto endpoint = read_endpoint(element.as_object()))
            out.endpoints.push_back(std::move(*endpoint));
    return out;
}

Node read_node(const json::object& object)
{
    Node out;
    const auto& spec = object_in(object, "spec");
    for (const auto& element : array_in(spec, "taints"))
        if (text(element.as_object(), "key") == taint_autoscaler)
            out.eligible = false;
    for (const auto& element : array_in(spec, "podCIDRs"))
        add_pod_cidr(out, element.as_string());
    settle_pod_cidrs(out, text(spec, "podCIDR"));
    NodeAddresses addresses;
    for (const auto& element : array_in(object_in(object, "status"), "addresses")) {
        const auto& address = element.as_object();
        addresses.add(text(address, "type"), text(address, "address"));
    }
    out.addresses = std::move(addresses).take();
    return out;
}

/// Throws when `value` is nested deeper than `levels`.
void check_depth(const json::value& value, std::size_t levels)
{
    if (!value.is_structured())
        return;
    if (levels == 0)
        throw std::invalid_argument{"nested too deep"};
    if (const auto* object = value.if_object())
        for (const auto& member : *object)
            check_depth(member.value(), levels - 1);
    else
        for (const auto& element : value.get_array())
            check_depth(element, levels - 1);
}

Decoded read_object(const json::object& object, Resource resource)
{
    for (const auto& member : object)
        check_depth(member.value(), max_depth - 1);
    Decoded out{.metadata = read_metadata(object), .object = {}};
    switch (resource) {
    case Resource::services:
        out.object = read_service(object);
        break;
    case Resource::endpoint_slices:
        out.object = read_slice(object);
        break;
    case Resource::nodes:
        out.object = read_node(object);
        break;
    }
    std::visit([&](auto& value) { take(out.metadata, value); }, out.object);
    return out;
}

Status read_status(const json::object& in)
{
    Status out{.code = static_cast<int>(integer(in, "code").value_or(0)),
               .reason = std::string{text(in, "reason")},
               .message = std::string{text(in, "message")},
               .version_too_large = false,
               .retry_after_sec = {}};
    const auto& details = object_in(in, "details");
    out.retry_after_sec = wait_of(integer(details, "retryAfterSeconds").value_or(0));
    for (const auto& element : array_in(details, "causes"))
        if (text(element.as_object(), "reason") == "ResourceVersionTooLarge")
            out.version_too_large = true;
    return out;
}

json::value parse(std::span<const std::byte> bytes)
{
    json::parse_options options;
    options.max_depth = max_document_depth;
    options.allow_invalid_utf8 = true;
    return json::parse({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, {}, options);
}

class JsonDecoder : public Decoder {
public:
    Result<Event> event(std::span<const std::byte> frame, Resource resource) const override
    try {
        auto document = parse(frame);
        const auto& in = document.as_object();
        auto type = event_type(text(in, "type"));
        if (!type)
            return error("watch event of an unknown type");
        if (!member(in, "object"))
            return error("watch event without an object");
        return read_event(*type, object_in(in, "object"), resource);
    } catch (const std::exception& e) {
        return error(std::string{"JSON: "} + e.what());
    }

    Result<Page> page(std::span<const std::byte> body, Resource resource) const override
    try {
        auto document = parse(body);
        const auto& in = document.as_object();
        if (text(in, "kind") != std::string{kind_of(resource)} + "List")
            return error("answer is not a list of the kind asked for");
        const auto& metadata = object_in(in, "metadata");
        Page out;
        out.version = text(metadata, "resourceVersion");
        out.continue_token = text(metadata, "continue");
        for (const auto& item : array_in(in, "items"))
            read_item(item, resource, out);
        return out;
    } catch (const std::exception& e) {
        return error(std::string{"JSON: "} + e.what());
    }

    Result<Status> status(std::span<const std::byte> body) const override
    try {
        auto document = parse(body);
        if (text(document.as_object(), "kind") != "Status")
            return error("answer is not a Status");
        return read_status(document.as_object());
    } catch (const std::exception& e) {
        return error(std::string{"JSON: "} + e.what());
    }

private:
    static Event read_event(Event::Type type, const json::object& object, Resource resource)
    {
        Event out{.type = type, .version = {}, .initial_events_end = false, .object = {}, .status = {}};
        if (type == Event::Type::error) {
            out.status = read_status(object);
            return out;
        }
        try {
            if (text(object, "kind") != kind_of(resource))
                return out;
            auto decoded = read_object(object, resource);
            out.version = decoded.metadata.version;
            out.initial_events_end = decoded.metadata.initial_events_end;
            if (type != Event::Type::bookmark)
                out.object = std::move(decoded.object);
        } catch (const std::exception&) {
            // One object lost, the stream is whole.
        }
        return out;
    }

    static void read_item(const json::value& item, Resource resource, Page& out)
    {
        try {
            out.items.push_back(read_object(item.as_object(), resource).object);
        } catch (const std::exception&) {
            ++out.skipped;
        }
    }
};

} // namespace

std::unique_ptr<Decoder> make_json_decoder() { return std::make_unique<JsonDecoder>(); }

std::unique_ptr<Decoder> make_decoder(Encoding encoding)
{
    return encoding == Encoding::protobuf ? make_protobuf_decoder() : make_json_decoder();
}

} // namespace naru::kube
