// What the programs need to know about a device, from what netlink says.
#pragma once

#include "devices.hpp"
#include "lb/abi.h"

namespace naru {

/// The row of lb_devices. Addresses: the first global ones of the device, else of the bridge it is a port of.
lb_device device_row(const Device& device, const NetworkState& network);

using OwnAddresses = std::map<Address, std::uint32_t>;

/// The rows of lb_own: an address of several devices belongs to the first; IPv6 link-local ones are left out.
OwnAddresses own_addresses(const std::map<std::uint32_t, Device>& devices);

} // namespace naru
