// The default encoding: the fields naru reads, by number, straight from the bytes; all others are skipped.
// Numbers are those of k8s.io/api generated.proto (control-plane.md 4.1).
#include "decoders.hpp"
#include "protobuf_objects.hpp"

namespace naru::kube {

namespace {

constexpr std::string_view magic{"k8s\0", 4};
constexpr std::size_t least_object = 64; ///< bytes; a name and a uid take more

Decoded read_object(Message message, Resource resource)
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

/// The envelope `Unknown`: what kind it holds, and its bytes. An answer cut between the two would be an empty
/// list.
struct Envelope {
    std::string_view kind;
    std::string_view raw;
};

std::optional<Envelope> open_envelope(std::string_view bytes)
{
    if (!bytes.starts_with(magic))
        return std::nullopt;
    Envelope out;
    bool holds_object = false;
    Message message{bytes.substr(magic.size())};
    while (message.next()) {
        if (message.tag() == 1) {
            auto type_meta = message.message();
            while (type_meta.next(2))
                out.kind = type_meta.text();
        } else if (message.tag() == 2) {
            out.raw = message.text();
            holds_object = true;
        } else {
            message.skip();
        }
    }
    if (!holds_object)
        return std::nullopt;
    return out;
}

/// StatusDetails: how long to wait, and whether a cause says that our version is from the future.
void read_details(Message details, Status& out)
{
    while (details.next()) {
        if (details.tag() == 4) {
            auto cause = details.message();
            while (cause.next(1))
                if (cause.text() == "ResourceVersionTooLarge")
                    out.version_too_large = true;
        } else if (details.tag() == 5) {
            out.retry_after_sec = wait_of(details.integer());
        } else {
            details.skip();
        }
    }
}

Status read_status(Message message)
{
    Status out;
    while (message.next()) {
        switch (message.tag()) {
        case 3:
            out.message = message.text();
            break;
        case 4:
            out.reason = message.text();
            break;
        case 5:
            read_details(message.message(), out);
            break;
        case 6:
            out.code = static_cast<int>(message.integer());
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
        Message message{text_of(frame)};
        while (message.next()) {
            if (message.tag() == 1) {
                type = message.text();
            } else if (message.tag() == 2) {
                auto extension = message.message();
                while (extension.next(1))
                    object = extension.text();
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
        Message message{envelope->raw};
        out.items.reserve(room_for(message, 2, least_object));
        while (message.next()) {
            if (message.tag() == 1)
                read_list_metadata(message.message(), out);
            else if (message.tag() == 2)
                read_item(message.text(), resource, out);
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
        return read_status(Message{envelope->raw});
    } catch (const protozero::exception& e) {
        return error(std::string{"protobuf: "} + e.what());
    }

private:
    static Event read_event(Event::Type type, const Envelope& envelope, Resource resource)
    {
        Event out{.type = type, .version = {}, .initial_events_end = false, .object = {}, .status = {}};
        if (type == Event::Type::error) {
            out.status = read_status(Message{envelope.raw});
            return out;
        }
        if (envelope.kind != kind_of(resource))
            return out;
        try {
            auto decoded = read_object(Message{envelope.raw}, resource);
            out.version = decoded.metadata.version;
            out.initial_events_end = decoded.metadata.initial_events_end;
            if (type != Event::Type::bookmark)
                out.object = std::move(decoded.object);
        } catch (const protozero::exception&) {
            // One object lost, the stream is whole: its frame had the length it promised.
        }
        return out;
    }

    static void read_list_metadata(Message message, Page& out)
    {
        while (message.next()) {
            if (message.tag() == 2)
                out.version = message.text();
            else if (message.tag() == 3)
                out.continue_token = message.text();
            else
                message.skip();
        }
    }

    static void read_item(std::string_view bytes, Resource resource, Page& out)
    {
        try {
            out.items.push_back(read_object(Message{bytes}, resource).object);
        } catch (const protozero::exception&) {
            ++out.skipped;
        }
    }
};

} // namespace

std::unique_ptr<Decoder> make_protobuf_decoder() { return std::make_unique<ProtobufDecoder>(); }

} // namespace naru::kube
