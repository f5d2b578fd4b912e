#include "node.hpp"

#include <algorithm>

namespace naru {

bool inside_any(const std::vector<Cidr>& networks, const Address& address)
{
    return std::ranges::any_of(networks, [&](const Cidr& network) { return network.contains(address); });
}

bool NodeView::owns(const Address& address) const
{
    return interface_addresses.contains(address) ||
           std::ranges::find(node.addresses, address) != node.addresses.end();
}

std::set<Address> NodeView::node_port_addresses(Family family) const
{
    std::set<Address> addresses;
    if (node_ports.all || !node_ports.cidrs.empty())
        for (const auto& address : interface_addresses)
            if (address.family() == family && (node_ports.all || inside_any(node_ports.cidrs, address)))
                addresses.insert(address);
    if (node_ports.all || node_ports.primary) {
        auto first = std::ranges::find(node.addresses, family, &Address::family);
        if (first != node.addresses.end())
            addresses.insert(*first);
    }
    if (node_ports.localhost)
        addresses.insert(*Address::parse(family == Family::v4 ? "127.0.0.1" : "::1"));
    std::erase_if(addresses, [](const Address& a) { return !a.is_loopback() && a.why_unservable(); });
    return addresses;
}

} // namespace naru
