#include "device_rows.hpp"

#include <algorithm>

namespace naru {

namespace {

/// One that others can answer to.
const Address* first_global(const Link& link, Family family)
{
    auto found = std::ranges::find_if(link.addresses, [&](const Address& address) {
        return address.family() == family && !address.is_loopback() && !address.is_link_local() &&
               !address.is_unspecified();
    });
    return found == link.addresses.end() ? nullptr : &*found;
}

} // namespace

lb_device device_row(const Device& device, const NetworkState& network)
{
    const Link* bridge = nullptr;
    if (auto master = network.links.find(device.link.master);
        master != network.links.end() && master->second.kind == "bridge")
        bridge = &master->second;

    auto address = [&](Family family) {
        const auto* found = first_global(device.link, family);
        if (!found && bridge)
            found = first_global(*bridge, family);
        return found ? found->raw() : lb_addr{};
    };
    lb_device row{};
    if (device.role == DeviceRole::uplink)
        row.flags = LB_DEVICE_UPLINK;
    else if (device.role == DeviceRole::workload)
        row.flags = LB_DEVICE_WORKLOAD;
    if (device.link.headerless)
        row.flags |= LB_DEVICE_L3;
    row.master = bridge ? bridge->index : 0;
    row.addr4 = address(Family::v4);
    row.addr6 = address(Family::v6);
    std::ranges::copy(device.link.mac, row.mac);
    return row;
}

OwnAddresses own_addresses(const std::map<std::uint32_t, Device>& devices)
{
    OwnAddresses own;
    for (const auto& [index, device] : devices)
        for (const auto& address : device.link.addresses)
            if (address.family() == Family::v4 || !address.is_link_local())
                own.emplace(address, index);
    return own;
}

} // namespace naru
