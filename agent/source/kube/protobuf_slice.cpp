#include "protobuf_objects.hpp"

namespace naru::kube {

namespace {

constexpr std::size_t least_endpoint = 9; ///< bytes; an address takes as many

EndpointPort read_endpoint_port(Message message)
{
    EndpointPort out;
    while (message.next()) {
        switch (message.tag()) {
        case 1:
            out.name = message.text();
            break;
        case 2:
            out.protocol = protocol(message.text());
            break;
        case 3:
            out.port = port(message.integer());
            break;
        default:
            message.skip();
        }
    }
    return out;
}

void read_conditions(Message message, Endpoint& out)
{
    while (message.next()) {
        switch (message.tag()) {
        case 1:
            out.ready = message.boolean();
            break;
        case 2:
            out.serving = message.boolean();
            break;
        case 3:
            out.terminating = message.boolean();
            break;
        default:
            message.skip();
        }
    }
}

void read_hints(Message message, Endpoint& out)
{
    while (message.next()) {
        if (message.tag() != 1 && message.tag() != 2) {
            message.skip();
            continue;
        }
        auto& names = message.tag() == 1 ? out.zone_hints : out.node_hints;
        auto hint = message.message();
        std::string_view name;
        while (hint.next(1))
            name = hint.text();
        names.emplace_back(name);
    }
}

/// False: no usable address, so no endpoint.
bool read_endpoint(Message message, Endpoint& out)
{
    std::optional<std::string_view> address;
    while (message.next()) {
        switch (message.tag()) {
        case 1: {
            auto text = message.text();
            if (!address) // only the first one counts
                address = text;
            break;
        }
        case 2:
            read_conditions(message.message(), out);
            break;
        case 6:
            out.node = message.text();
            break;
        case 8:
            read_hints(message.message(), out);
            break;
        default:
            message.skip();
        }
    }
    auto parsed = Address::parse(address.value_or(""));
    if (parsed)
        out.address = *parsed;
    return parsed.has_value();
}

} // namespace

Decoded read_slice(Message message)
{
    Metadata metadata;
    EndpointSlice out;
    out.endpoints.reserve(room_for(message, 2, least_endpoint));
    while (message.next()) {
        switch (message.tag()) {
        case 1:
            metadata = read_metadata(message.message());
            break;
        case 2:
            if (!read_endpoint(message.message(), out.endpoints.emplace_back()))
                out.endpoints.pop_back();
            break;
        case 3:
            out.ports.push_back(read_endpoint_port(message.message()));
            break;
        case 4:
            out.family = address_type(message.text());
            break;
        default:
            message.skip();
        }
    }
    take(metadata, out);
    return {std::move(metadata), std::move(out)};
}

} // namespace naru::kube
