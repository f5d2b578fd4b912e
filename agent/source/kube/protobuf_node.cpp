#include "protobuf_objects.hpp"

namespace naru::kube {

namespace {

void read_taint(Message taint, Node& out)
{
    while (taint.next(1))
        if (taint.text() == taint_autoscaler)
            out.eligible = false;
}

void read_node_spec(Message message, Node& out)
{
    std::string_view single_pod_cidr;
    while (message.next()) {
        switch (message.tag()) {
        case 1:
            single_pod_cidr = message.text();
            break;
        case 5:
            read_taint(message.message(), out);
            break;
        case 7:
            add_pod_cidr(out, message.text());
            break;
        default:
            message.skip();
        }
    }
    settle_pod_cidrs(out, single_pod_cidr);
}

void read_node_status(Message message, Node& out)
{
    NodeAddresses addresses;
    while (message.next(5)) {
        auto address = message.message();
        std::string_view type, text;
        while (address.next()) {
            if (address.tag() == 1)
                type = address.text();
            else if (address.tag() == 2)
                text = address.text();
            else
                address.skip();
        }
        addresses.add(type, text);
    }
    out.addresses = std::move(addresses).take();
}

} // namespace

Decoded read_node(Message message)
{
    Metadata metadata;
    Node out;
    while (message.next()) {
        switch (message.tag()) {
        case 1:
            metadata = read_metadata(message.message());
            break;
        case 2:
            read_node_spec(message.message(), out);
            break;
        case 3:
            read_node_status(message.message(), out);
            break;
        default:
            message.skip();
        }
    }
    take(metadata, out);
    return {std::move(metadata), std::move(out)};
}

} // namespace naru::kube
