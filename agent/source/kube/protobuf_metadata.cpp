#include "protobuf_objects.hpp"

namespace naru::kube {

namespace {

/// A map<string, string> entry.
template <class Use>
void entry(Message message, Use use)
{
    std::string_view key, value;
    while (message.next()) {
        if (message.tag() == 1)
            key = message.text();
        else if (message.tag() == 2)
            value = message.text();
        else
            message.skip();
    }
    use(key, value);
}

std::int64_t seconds(Message time)
{
    std::int64_t out = 0;
    while (time.next()) {
        if (time.tag() == 1)
            out = time.integer();
        else
            time.skip();
    }
    return out;
}

} // namespace

Metadata read_metadata(Message message)
{
    Metadata out;
    while (message.next()) {
        switch (message.tag()) {
        case 1:
            out.key.name = message.text();
            break;
        case 3:
            out.key.ns = message.text();
            break;
        case 5:
            out.uid = message.text();
            break;
        case 6:
            out.version = message.text();
            break;
        case 8:
            out.created_sec = seconds(message.message());
            break;
        case 9:
            out.being_deleted = true;
            message.skip();
            break;
        case 11:
            entry(message.message(), [&](auto key, auto value) { out.label(key, value); });
            break;
        case 12:
            entry(message.message(), [&](auto key, auto value) { out.annotation(key, value); });
            break;
        default:
            message.skip();
        }
    }
    return out;
}

} // namespace naru::kube
