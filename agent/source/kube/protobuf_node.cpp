#include "protobuf_objects.hpp"

namespace naru::kube {

using protozero::pbf_reader;

namespace {

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

} // namespace

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

} // namespace naru::kube
