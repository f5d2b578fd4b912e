// The default encoding: the fields naru reads, by number, straight from the bytes; all others are skipped.
// Numbers are those of k8s.io/api generated.proto (control-plane.md 4.1).
#include <protozero/pbf_reader.hpp>

#include "build.hpp"
#include "decoders.hpp"

namespace naru::kube {

namespace {

using protozero::data_view;
using protozero::pbf_reader;

constexpr std::string_view magic{"k8s\0", 4};

std::string_view view(data_view data) { return {data.data(), data.size()}; }

/// A map<string, string> entry.
template <class Use>
void entry(pbf_reader message, Use use)
{
    std::string_view key, value;
    while (message.next()) {
        if (message.tag() == 1)
            key = view(message.get_view());
        else if (message.tag() == 2)
            value = view(message.get_view());
        else
            message.skip();
    }
    use(key, value);
}

std::int64_t seconds(pbf_reader time)
{
    std::int64_t out = 0;
    while (time.next()) {
        if (time.tag() == 1)
            out = time.get_int64();
        else
            time.skip();
    }
    return out;
}

Metadata read_metadata(pbf_reader message)
{
    Metadata out;
    while (message.next()) {
        switch (message.tag()) {
        case 1:
            out.key.name = view(message.get_view());
            break;
        case 3:
            out.key.ns = view(message.get_view());
            break;
        case 5:
            out.uid = view(message.get_view());
            break;
        case 6:
            out.version = view(message.get_view());
            break;
        case 8:
            out.created_sec = seconds(message.get_message());
            break;
        case 9:
            out.being_deleted = true;
            message.skip();
            break;
        case 11:
            entry(message.get_message(), [&](auto key, auto value) { out.label(key, value); });
            break;
        case 12:
            entry(message.get_message(), [&](auto key, auto value) { out.annotation(key, value); });
            break;
        default:
            message.skip();
        }
    }
    return out;
}

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
            out.proxy = view(message.get_view()) == "Proxy";
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

void read_taints(pbf_reader spec, Node& out)
{
    while (spec.next(5)) {
        auto taint = spec.get_message();
        while (taint.next(1))
            if (view(taint.get_view()) == taint_autoscaler)
                out.eligible = false;
    }
}

void read_node_status(pbf_reader message, Node& out)
{
    while (message.next(5)) {
        auto address = message.get_message();
        std::string_view type, text;
        while (address.next()) {
            if (address.tag() == 1)
                type = view(address.get_view());
            else if (address.tag() == 2)
                text = view(address.get_view());
            else
                address.skip();
        }
        add_node_address(out, type, text);
    }
}

Decoded read_node(pbf_reader message)
{
    Metadata metadata;
    Node out;
    while (message.next()) {
        switch (message.tag()) {
        case 1:
            metadata = read_metadata(message.get_message());
            break;
        case 2:
            read_taints(message.get_message(), out);
            break;
        case 3:
            read_node_status(message.get_message(), out);
            break;
        default:
            message.skip();
        }
    }
    take(metadata, out);
    return {std::move(metadata), std::move(out)};
}

Decoded read_object(pbf_reader message, Resource resource)
{
    switch (resource) {
    case Resource::services:
        return read_service(message);
    case Resource::endpoint_slices:
        return read_slice(message);
    case Resource::nodes:
        return read_node(message);
    }
    std::unreachable();
}

/// The envelope `Unknown`: what kind it holds, and its bytes.
struct Envelope {
    std::string_view kind;
    std::string_view raw;
};

std::optional<Envelope> open_envelope(std::string_view bytes)
{
    if (!bytes.starts_with(magic))
        return std::nullopt;
    Envelope out;
    pbf_reader message{bytes.data() + magic.size(), bytes.size() - magic.size()};
    while (message.next()) {
        if (message.tag() == 1) {
            auto type_meta = message.get_message();
            while (type_meta.next(2))
                out.kind = view(type_meta.get_view());
        } else if (message.tag() == 2) {
            out.raw = view(message.get_view());
        } else {
            message.skip();
        }
    }
    return out;
}

pbf_reader reader(std::string_view bytes) { return pbf_reader{bytes.data(), bytes.size()}; }

/// StatusDetails: how long to wait, and whether a cause says that our version is from the future.
void read_details(pbf_reader details, Status& out)
{
    while (details.next()) {
        if (details.tag() == 4) {
            auto cause = details.get_message();
            while (cause.next(1))
                if (view(cause.get_view()) == "ResourceVersionTooLarge")
                    out.version_too_large = true;
        } else if (details.tag() == 5) {
            if (auto after = details.get_int32(); after > 0)
                out.retry_after_sec = after;
        } else {
            details.skip();
        }
    }
}

Status read_status(pbf_reader message)
{
    Status out;
    while (message.next()) {
        switch (message.tag()) {
        case 3:
            out.message = view(message.get_view());
            break;
        case 4:
            out.reason = view(message.get_view());
            break;
        case 5:
            read_details(message.get_message(), out);
            break;
        case 6:
            out.code = message.get_int32();
            break;
        default:
            message.skip();
        }
    }
    return out;
}

std::string_view text_of(std::span<const std::byte> bytes)
{
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

class ProtobufDecoder : public Decoder {
public:
    Result<Event> event(std::span<const std::byte> frame, Resource resource) const override
    try {
        std::string_view type, object;
        auto message = reader(text_of(frame));
        while (message.next()) {
            if (message.tag() == 1) {
                type = view(message.get_view());
            } else if (message.tag() == 2) {
                auto extension = message.get_message();
                while (extension.next(1))
                    object = view(extension.get_view());
            } else {
                message.skip();
            }
        }
        auto known = event_type(type);
        if (!known)
            return error("watch event of an unknown type");
        auto envelope = open_envelope(object);
        if (!envelope)
            return error("watch event without an object");
        return read_event(*known, *envelope, resource);
    } catch (const protozero::exception& e) {
        return error(std::string{"protobuf: "} + e.what());
    }

    Result<Page> page(std::span<const std::byte> body, Resource resource) const override
    try {
        auto envelope = open_envelope(text_of(body));
        if (!envelope || envelope->kind != std::string{kind_of(resource)} + "List")
            return error("answer is not a list of the kind asked for");
        Page out;
        auto message = reader(envelope->raw);
        while (message.next()) {
            if (message.tag() == 1)
                read_list_metadata(message.get_message(), out);
            else if (message.tag() == 2)
                read_item(view(message.get_view()), resource, out);
            else
                message.skip();
        }
        return out;
    } catch (const protozero::exception& e) {
        return error(std::string{"protobuf: "} + e.what());
    }

    Result<Status> status(std::span<const std::byte> body) const override
    try {
        auto envelope = open_envelope(text_of(body));
        if (!envelope || envelope->kind != "Status")
            return error("answer is not a Status");
        return read_status(reader(envelope->raw));
    } catch (const protozero::exception& e) {
        return error(std::string{"protobuf: "} + e.what());
    }

private:
    static Event read_event(Event::Type type, const Envelope& envelope, Resource resource)
    {
        Event out{.type = type, .version = {}, .initial_events_end = false, .object = {}, .status = {}};
        if (type == Event::Type::error) {
            out.status = read_status(reader(envelope.raw));
            return out;
        }
        if (envelope.kind != kind_of(resource))
            return out;
        try {
            auto decoded = read_object(reader(envelope.raw), resource);
            out.version = std::move(decoded.metadata.version);
            out.initial_events_end = decoded.metadata.initial_events_end;
            if (type != Event::Type::bookmark)
                out.object = std::move(decoded.object);
        } catch (const protozero::exception&) {
            // One object lost, the stream is whole: its frame had the length it promised.
        }
        return out;
    }

    static void read_list_metadata(pbf_reader message, Page& out)
    {
        while (message.next()) {
            if (message.tag() == 2)
                out.version = view(message.get_view());
            else if (message.tag() == 3)
                out.continue_token = view(message.get_view());
            else
                message.skip();
        }
    }

    static void read_item(std::string_view bytes, Resource resource, Page& out)
    {
        try {
            out.items.push_back(read_object(reader(bytes), resource).object);
        } catch (const protozero::exception&) {
            ++out.skipped;
        }
    }
};

} // namespace

std::unique_ptr<Decoder> make_protobuf_decoder() { return std::make_unique<ProtobufDecoder>(); }

} // namespace naru::kube
