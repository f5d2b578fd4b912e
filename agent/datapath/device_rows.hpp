// What the programs need to know about a device, from what netlink says.
#pragma once

#include "devices.hpp"
#include "lb/abi.h"

namespace naru {

/// The row of lb_devices. Addresses: the first global ones of the device, else of the bridge it is a port of.
lb_device device_row(const Device& device, const NetworkState& network);

} // namespace naru
