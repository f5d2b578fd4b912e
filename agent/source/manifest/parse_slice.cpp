#include <fmt/format.h>

#include "objects.hpp"

namespace naru {

using yaml::Value;

namespace {

/// Absent: a kind of address nobody here can serve, so that its addresses are not looked at either.
std::optional<Family> read_family(Fields& fields, const Value& object)
{
    auto type = fields.text(object, "addressType");
    if (!type)
        fields.fail(object, "addressType is missing: IPv4 or IPv6");
    if (type == "IPv4")
        return Family::v4;
    if (type == "IPv6")
        return Family::v6;
    return std::nullopt;
}

std::vector<EndpointPort> read_ports(Fields& fields, const Value& object)
{
    std::vector<EndpointPort> out;
    for (const auto& element : fields.maps(object, "ports"))
        out.push_back({.name = fields.name(element, "name"),
                       .protocol = fields.protocol(element),
                       .port = fields.port(element, "port")});
    return out;
}

std::vector<Name> read_hints(Fields& fields, const Value& hints, std::string_view key)
{
    std::vector<Name> out;
    for (const auto& element : fields.maps(hints, key))
        if (auto name = fields.text(element, "name"))
            out.emplace_back(*name);
    return out;
}

/// An endpoint without addresses is none.
std::optional<Endpoint> read_endpoint(Fields& fields, const Value& element, Family family)
{
    auto addresses = fields.list(element, "addresses");
    if (addresses.empty())
        return std::nullopt;
    auto address = fields.address(addresses.front(), "addresses");
    if (!address) {
        fields.fail(addresses.front(), "addresses: an address is missing");
        return std::nullopt;
    }
    if (address->family() != family)
        fields.fail(addresses.front(), fmt::format("addresses: {} is not of the slice's addressType IPv{}",
                                                   address->text(), static_cast<int>(family)));
    auto conditions = fields.map(element, "conditions");
    auto hints = fields.map(element, "hints");
    return Endpoint{.address = *address,
                    .ready = fields.boolean(conditions, "ready"),
                    .serving = fields.boolean(conditions, "serving"),
                    .terminating = fields.boolean(conditions, "terminating"),
                    .node = fields.text(element, "nodeName"),
                    .zone_hints = read_hints(fields, hints, "forZones"),
                    .node_hints = read_hints(fields, hints, "forNodes")};
}

} // namespace

EndpointSlice read_slice(Fields& fields, const Value& object)
{
    EndpointSlice slice;
    slice.key = fields.object_key(object);
    auto metadata = fields.map(object, "metadata");
    auto labels = fields.map(metadata, "labels");
    slice.weights = fields.text(fields.map(metadata, "annotations"), annotation_weight).value_or("");
    slice.service = fields.text(labels, label_service_name).value_or("");
    slice.headless_label = fields.text(labels, label_headless).has_value();
    slice.family = read_family(fields, object);
    slice.ports = read_ports(fields, object);
    if (slice.family)
        for (const auto& element : fields.maps(object, "endpoints"))
            if (auto endpoint = read_endpoint(fields, element, *slice.family))
                slice.endpoints.push_back(std::move(*endpoint));
    return slice;
}

} // namespace naru
