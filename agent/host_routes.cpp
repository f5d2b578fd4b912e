#include "host_routes.hpp"

#include <algorithm>
#include <iterator>

#include <fmt/format.h>

namespace naru {

std::vector<Address> samples(const Tables& installed)
{
    std::vector<Address> found;
    for (const auto family : {Family::v4, Family::v6}) {
        const auto first = std::ranges::find_if(installed.frontends, [&](const auto& entry) {
            const auto& [key, row] = entry;
            return key.protocol && key.address.family() == family && row.kind == LB_KIND_CLUSTER_IP;
        });
        if (first != installed.frontends.end())
            found.push_back(first->first.address);
    }
    return found;
}

std::string route_complaint(const Address& address, std::optional<std::uint32_t> device,
                            const std::map<std::uint32_t, Device>& devices)
{
    constexpr const char* effect = "with --socket-lb off, processes of the host reach no Service of this "
                                   "family by its virtual addresses";
    if (!device)
        return fmt::format("there is no route to {}: {}; a default route is enough", address.text(), effect);
    if (!devices.contains(*device))
        return fmt::format(
            "the route to {} leads by a device without programs (number {}): {}; name the device with "
            "--devices",
            address.text(), *device, effect);
    return {};
}

std::vector<std::string> HostRoutes::follow(const Tables& installed,
                                            const std::map<std::uint32_t, Device>& devices)
{
    std::vector<std::string> found, news;
    for (const auto& address : samples(installed)) {
        const auto device = towards_(address);
        auto complaint = device ? route_complaint(address, *device, devices) : device.error().message();
        if (!complaint.empty())
            found.push_back(std::move(complaint));
    }
    std::ranges::copy_if(found, std::back_inserter(news), [&](const std::string& each) {
        return std::ranges::find(told_, each) == told_.end();
    });
    told_ = std::move(found);
    return news;
}

} // namespace naru
