#include "protobuf_objects.hpp"

namespace naru::kube {

using protozero::pbf_reader;

namespace {

EndpointPort read_endpoint_port(pbf_reader message)
{
    EndpointPort out;
    while (message.next()) {
        switch (message.tag()) {
        case 1:
            out.name = view(message.get_view());
            break;
        case 2:
            out.protocol = protocol(view(message.get_view()));
            break;
        case 3:
            out.port = port(message.get_int32());
            break;
        default:
            message.skip();
        }
    }
    return out;
}

void read_conditions(pbf_reader message, Endpoint& out)
{
    while (message.next()) {
        switch (message.tag()) {
        case 1:
            out.ready = message.get_bool();
            break;
        case 2:
            out.serving = message.get_bool();
            break;
        case 3:
            out.terminating = message.get_bool();
            break;
        default:
            message.skip();
        }
    }
}

void read_hints(pbf_reader message, Endpoint& out)
{
    while (message.next()) {
        if (message.tag() != 1 && message.tag() != 2) {
            message.skip();
            continue;
        }
        auto& names = message.tag() == 1 ? out.zone_hints : out.node_hints;
        auto hint = message.get_message();
        while (hint.next(1))
            names.emplace_back(view(hint.get_view()));
    }
}

/// False: no usable address, so no endpoint.
bool read_endpoint(pbf_reader message, Endpoint& out)
{
    std::optional<std::string_view> address;
    while (message.next()) {
        switch (message.tag()) {
        case 1: {
            auto text = view(message.get_view());
            if (!address) // only the first one counts
                address = text;
            break;
        }
        case 2:
            read_conditions(message.get_message(), out);
            break;
        case 6:
            out.node = std::string{view(message.get_view())};
            break;
        case 8:
            read_hints(message.get_message(), out);
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

Decoded read_slice(pbf_reader message)
{
    Metadata metadata;
    EndpointSlice out;
    while (message.next()) {
        switch (message.tag()) {
        case 1:
            metadata = read_metadata(message.get_message());
            break;
        case 2: {
            Endpoint endpoint;
            if (read_endpoint(message.get_message(), endpoint))
                out.endpoints.push_back(std::move(endpoint));
            break;
        }
        case 3:
            out.ports.push_back(read_endpoint_port(message.get_message()));
            break;
        case 4:
            out.family = address_type(view(message.get_view()));
            break;
        default:
            message.skip();
        }
    }
    take(metadata, out);
    return {std::move(metadata), std::move(out)};
}

} // namespace naru::kube
