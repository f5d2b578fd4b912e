#include "device_tables.hpp"

#include <utility>

#include "pins.hpp"
#include "table.hpp"

namespace naru {

namespace {

using DeviceRows = Table<std::uint32_t, lb_device>;
using OwnRows = Table<lb_addr, std::uint32_t>;
using NodeRows = Table<std::uint32_t, lb_node>;

} // namespace

Result<DeviceTables> DeviceTables::open(const std::filesystem::path& maps)
{
    auto devices = open_pin(maps / "lb_devices");
    if (!devices)
        return std::unexpected{devices.error()};
    auto own = open_pin(maps / "lb_own");
    if (!own)
        return std::unexpected{own.error()};
    auto node = open_pin(maps / "lb_node");
    if (!node)
        return std::unexpected{node.error()};
    return DeviceTables{std::move(*devices), std::move(*own), std::move(*node)};
}

Result<std::optional<lb_device>> DeviceTables::get(std::uint32_t index) const
{
    return DeviceRows{devices_.get(), "lb_devices"}.get(index);
}

Result<> DeviceTables::put(std::uint32_t index, const lb_device& row) const
{
    if (auto put = DeviceRows{devices_.get(), "lb_devices"}.put(index, row); !put)
        return put;
    return row.flags & LB_DEVICE_L3 ? set_l3(true) : Result<>{};
}

void DeviceTables::keep_only(const std::map<std::uint32_t, Device>& devices, std::vector<Error>& errors) const
{
    const DeviceRows rows{devices_.get(), "lb_devices"};
    bool any_l3 = false;
    for (const auto& [index, device] : devices)
        any_l3 = any_l3 || device.link.headerless;
    auto known = rows.keys();
    if (!known) {
        errors.push_back(known.error());
        return;
    }
    for (auto index : *known)
        if (!devices.contains(index))
            if (auto gone = rows.erase(index); !gone)
                errors.push_back(gone.error());
    if (!any_l3)
        if (auto told = set_l3(false); !told)
            errors.push_back(told.error());
}

Result<> DeviceTables::set_own(const OwnAddresses& own) const
{
    const OwnRows rows{own_.get(), "lb_own"};
    auto known = rows.keys();
    if (!known)
        return std::unexpected{known.error()};
    for (const auto& raw : *known)
        if (!own.contains(Address::from(raw)))
            if (auto gone = rows.erase(raw); !gone)
                return gone;
    for (const auto& [address, index] : own)
        if (auto put = rows.put(address.raw(), index); !put)
            return put;
    return {};
}

Result<> DeviceTables::set_l3(bool any) const
{
    const NodeRows rows{node_.get(), "lb_node"};
    auto node = rows.get(0);
    if (!node)
        return std::unexpected{node.error()};
    auto value = node->value_or(lb_node{});
    if (std::exchange(value.l3_devices, any ? 1 : 0) == value.l3_devices)
        return {};
    return rows.put(0, value);
}

} // namespace naru
