#include "protobuf_objects.hpp"

namespace naru::kube {

using protozero::pbf_reader;

namespace {

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

} // namespace

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

} // namespace naru::kube
