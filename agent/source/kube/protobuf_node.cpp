#include "protobuf_objects.hpp"

namespace naru::kube {

using protozero::pbf_reader;

namespace {

void read_taint(pbf_reader taint, Node& out)
{
    while (taint.next(1))
        if (view(taint.get_view()) == taint_autoscaler)
            out.eligible = false;
}

void read_node_spec(pbf_reader message, Node& out)
{
    std::string_view single_pod_cidr;
    while (message.next()) {
        switch (message.tag()) {
        case 1:
            single_pod_cidr = view(message.get_view());
            break;
        case 5:
            read_taint(message.get_message(), out);
            break;
        case 7:
            add_pod_cidr(out, view(message.get_view()));
            break;
        default:
            message.skip();
        }
    }
    settle_pod_cidrs(out, single_pod_cidr);
}

void read_node_status(pbf_reader message, Node& out)
{
    NodeAddresses addresses;
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
        addresses.add(type, text);
    }
    out.addresses = std::move(addresses).take();
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
            read_node_spec(message.get_message(), out);
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
