#include "objects.hpp"

namespace naru {

using yaml::Value;

Node read_node(Fields& fields, const Value& object)
{
    Node node;
    node.name = fields.object_key(object).name;
    node.zone = fields.text(fields.map(fields.map(object, "metadata"), "labels"), label_zone);
    if (node.zone == "")
        node.zone.reset();

    auto addresses = fields.maps(fields.map(object, "status"), "addresses");
    for (std::string_view type : {"InternalIP", "ExternalIP"})
        for (const auto& element : addresses)
            if (element.find("type").scalar() == type)
                if (auto address = fields.address(element.find("address"), "address"))
                    node.addresses.push_back(*address);
    return node;
}

} // namespace naru
