// Where the kernel would send a packet of this host.
#pragma once

#include <optional>

#include "model/address.hpp"
#include "model/result.hpp"

namespace naru {

/// The device a packet of this host to `destination` would leave by; nullopt: there is no route.
Result<std::optional<std::uint32_t>> device_towards(const Address& destination);

} // namespace naru
