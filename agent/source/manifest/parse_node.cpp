#include "objects.hpp"

namespace naru {

using yaml::Value;

namespace {

/// podCIDRs, or the older podCIDR.
std::vector<Cidr> read_pod_cidrs(Fields& fields, const Value& spec)
{
    auto written = fields.texts(spec, "podCIDRs");
    if (auto single = fields.text(spec, "podCIDR"); single && written.empty())
        written.push_back(std::move(*single));
    std::vector<Cidr> out;
    for (const auto& text : written)
        if (auto network = Cidr::parse(text))
            out.push_back(*network);
        else
            fields.fail(spec.find("podCIDRs"),
                        "podCIDRs: " + in_quotes(text) + " is not a network such as 10.244.1.0/24");
    return out;
}

} // namespace

Node read_node(Fields& fields, const Value& object)
{
    Node node;
    node.name = fields.object_key(object).name;
    node.zone = fields.text(fields.map(fields.map(object, "metadata"), "labels"), label_zone);
    if (node.zone == "")
        node.zone.reset();

    node.pod_cidrs = read_pod_cidrs(fields, fields.map(object, "spec"));
    auto addresses = fields.maps(fields.map(object, "status"), "addresses");
    for (std::string_view type : {"InternalIP", "ExternalIP"})
        for (const auto& element : addresses)
            if (element.find("type").scalar() == type)
                if (auto address = fields.address(element.find("address"), "address"))
                    node.addresses.push_back(*address);
    return node;
}

} // namespace naru
