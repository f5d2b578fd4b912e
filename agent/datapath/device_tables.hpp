// What the programs know of devices: lb_devices, lb_own, and in lb_node whether any device lacks a link
// layer.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <vector>

#include "device_rows.hpp"
#include "fd.hpp"
#include "lb/abi.h"

namespace naru {

class DeviceTables {
public:
    DeviceTables(UniqueFd devices, UniqueFd own, UniqueFd node)
        : devices_{std::move(devices)}, own_{std::move(own)}, node_{std::move(node)}
    {
    }

    /// `maps`: the folder of their pins.
    static Result<DeviceTables> open(const std::filesystem::path& maps);

    Result<std::optional<lb_device>> get(std::uint32_t index) const;

    /// To be called before a program is attached to the device: it leaves alone what comes by one without a
    /// row.
    Result<> put(std::uint32_t index, const lb_device& row) const;

    /// Forgets the devices that are not among these.
    void keep_only(const std::map<std::uint32_t, Device>& devices, std::vector<Error>& errors) const;

    /// Afterwards lb_own holds exactly these.
    Result<> set_own(const OwnAddresses& own) const;

private:
    Result<> set_l3(bool any) const;

    UniqueFd devices_;
    UniqueFd own_;
    UniqueFd node_;
};

} // namespace naru
