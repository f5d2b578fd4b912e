#include <fmt/format.h>

#include "objects.hpp"

namespace naru {

using yaml::Value;

namespace {

std::vector<EndpointPort> read_ports(Fields& fields, const Value& subset)
{
    std::vector<EndpointPort> out;
    for (const auto& element : fields.maps(subset, "ports")) {
        auto port = fields.port(element, "port");
        if (!port)
            fields.fail(element, "port is missing");
        out.push_back(
            {.name = fields.name(element, "name"), .protocol = fields.protocol(element), .port = port});
    }
    return out;
}

/// Only `ready` is known of such an endpoint; the mirroring controller of Kubernetes sets no more either.
std::vector<Endpoint> read_addresses(Fields& fields, const Value& subset, std::string_view key, bool ready)
{
    std::vector<Endpoint> out;
    for (const auto& element : fields.maps(subset, key)) {
        auto ip = fields.address(element.find("ip"), "ip");
        if (!ip)
            fields.fail(element, "ip is missing");
        out.push_back({.address = ip.value_or(Address{}),
                       .ready = ready,
                       .serving = {},
                       .terminating = {},
                       .node = fields.text(element, "nodeName"),
                       .zone_hints = {},
                       .node_hints = {}});
    }
    return out;
}

} // namespace

std::vector<EndpointSlice> read_endpoints(Fields& fields, const Value& object)
{
    std::vector<EndpointSlice> slices;
    auto key = fields.object_key(object);
    bool headless =
        fields.text(fields.map(fields.map(object, "metadata"), "labels"), label_headless).has_value();

    std::size_t number = 0;
    for (const auto& subset : fields.maps(object, "subsets")) {
        auto ports = read_ports(fields, subset);
        auto endpoints = read_addresses(fields, subset, "addresses", true);
        for (auto& endpoint : read_addresses(fields, subset, "notReadyAddresses", false))
            endpoints.push_back(std::move(endpoint));

        for (auto family : {Family::v4, Family::v6}) {
            EndpointSlice slice{.key = {key.ns, fmt::format("{}/subset-{}-ipv{}", key.name.view(), number,
                                                            static_cast<int>(family))},
                                .service = key.name,
                                .family = family,
                                .headless_label = headless,
                                .ports = ports,
                                .endpoints = {},
                                .weights = {}};
            for (const auto& endpoint : endpoints)
                if (endpoint.address.family() == family)
                    slice.endpoints.push_back(endpoint);
            if (!slice.endpoints.empty())
                slices.push_back(std::move(slice));
        }
        ++number;
    }
    return slices;
}

} // namespace naru
