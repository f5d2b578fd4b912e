// Processes of the host without the socket path: their packets to a Service must leave by a device with
// programs.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "datapath/devices.hpp"
#include "datapath/route.hpp"
#include "model/tables.hpp"

namespace naru {

/// One virtual address of each family that has any: where these lead, others do. Pure.
std::vector<Address> samples(const Tables& installed);

/// What keeps packets to `address` from being served, if the route to it leads by `device`, or nowhere.
/// Empty: nothing. Pure.
std::string route_complaint(const Address& address, std::optional<std::uint32_t> device,
                            const std::map<std::uint32_t, Device>& devices);

class HostRoutes {
public:
    /// The device by which a packet of this host leaves for an address; nullopt: there is no route.
    using Towards = std::function<Result<std::optional<std::uint32_t>>(const Address&)>;

    explicit HostRoutes(Towards towards = device_towards) : towards_{std::move(towards)} {}

    /// The complaints that are new since the last call.
    std::vector<std::string> follow(const Tables& installed, const std::map<std::uint32_t, Device>& devices);

private:
    Towards towards_;
    std::vector<std::string> told_;
};

} // namespace naru
