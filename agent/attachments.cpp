#include "attachments.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

#include <fmt/format.h>

#include "logging.hpp"

namespace naru {

namespace {

bool names_no_host(const Address& address)
{
    return address.is_loopback() || address.is_link_local() || address.is_unspecified();
}

std::vector<std::string> uplink_names(const std::map<std::uint32_t, Device>& devices)
{
    std::vector<std::string> names;
    for (const auto& [index, device] : devices)
        if (device.role == DeviceRole::uplink)
            names.push_back(device.link.name);
    return names;
}

} // namespace

Node stand_in(const std::string& name, const NetworkState& network,
              const std::map<std::uint32_t, Device>& devices)
{
    Node node;
    node.name = name;
    for (const bool by_default_route : {true, false})
        for (const auto& [index, device] : devices)
            if (device.role == DeviceRole::uplink &&
                network.default_route_devices.contains(index) == by_default_route)
                std::ranges::remove_copy_if(device.link.addresses, std::back_inserter(node.addresses),
                                            names_no_host);
    return node;
}

std::set<Address> reachable_addresses(const NetworkState& network)
{
    auto addresses = network.addresses();
    std::erase_if(addresses,
                  [](const Address& each) { return each.family() == Family::v6 && each.is_link_local(); });
    return addresses;
}

Attachments::Attachments(Datapath& datapath, Netlink netlink, std::optional<std::set<std::string>> uplinks)
    : datapath_{datapath}, netlink_{std::move(netlink)}, uplinks_{std::move(uplinks)}
{
}

Result<> Attachments::look(const NodeAddresses& node_addresses)
{
    auto network = netlink_.read();
    if (!network)
        return std::unexpected{network.error()};
    network_ = std::move(*network);
    devices_ = uplinks_ ? classify(network_, *uplinks_)
                        : classify(network_, node_addresses.value_or(std::vector<Address>{}));
    known_ = uplinks_ || node_addresses ? DeviceSet::whole : DeviceSet::partial;
    if (datapath_.config().host_packets)
        add_own(devices_, network_);
    report_devices();
    return {};
}

Result<> Attachments::start(const NodeAddresses& node_addresses)
{
    if (auto read = look(node_addresses); !read)
        return read;
    started_ = true;
    device_errors_.clear();
    attach();
    report_missing(device_errors_);
    return datapath_.attach_sockets();
}

void Attachments::refresh(const NodeAddresses& node_addresses)
{
    device_errors_.clear();
    if (auto read = look(node_addresses); !read)
        device_errors_ = {read.error().message()};
    else if (started_)
        attach();
    auto missing = device_errors_;
    missing.insert(missing.end(), socket_errors_.begin(), socket_errors_.end());
    report_missing(std::move(missing));
}

void Attachments::audit(const NodeAddresses& node_addresses)
{
    socket_errors_.clear();
    if (started_)
        if (auto attached = datapath_.attach_sockets(); !attached)
            socket_errors_ = {attached.error().message()};
    refresh(node_addresses);
}

void Attachments::attach()
{
    for (const auto& failed : datapath_.set_devices(devices_, known_))
        device_errors_.push_back(failed.message());
    report_without_xdp();
}

/// Nothing is missing, so this is said once and is not for /readyz.
void Attachments::report_without_xdp()
{
    auto now = datapath_.without_xdp();
    for (const auto& each : now)
        if (std::ranges::find(without_xdp_, each) == without_xdp_.end())
            log(each.asked_for ? Level::warning : Level::info, "no XDP on this uplink, tc serves it alone",
                {{"device", each.device}, {"why", each.why}});
    without_xdp_ = std::move(now);
}

void Attachments::report_devices()
{
    const auto names = uplink_names(devices_);
    std::vector<std::string> absent;
    if (uplinks_)
        std::ranges::set_difference(*uplinks_, std::set<std::string>{names.begin(), names.end()},
                                    std::back_inserter(absent));
    const auto found = fmt::format("uplinks {}, absent {}", fmt::join(names, ","), fmt::join(absent, ","));
    if (std::exchange(told_, found) == found)
        return;
    log(Level::info, "devices",
        {{"uplinks", fmt::format("{}", fmt::join(names, ","))},
         {"workloads", std::to_string(std::ranges::count_if(devices_, [](const auto& each) {
              return each.second.role == DeviceRole::workload;
          }))}});
    for (const auto& name : absent)
        log(Level::warning, "--devices names a device that is not there; it is served once it appears",
            {{"device", name}});
    if (names.empty())
        log(Level::warning,
            "no uplink found: traffic from outside reaches no Service; name the devices with --devices");
}

void Attachments::report_missing(std::vector<std::string> missing)
{
    for (const auto& each : missing)
        if (std::ranges::find(missing_, each) == missing_.end())
            log(Level::warning, each + "; the other hooks serve, this is tried again every few seconds");
    if (missing.empty() && !missing_.empty())
        log(Level::info, "all programs attached again");
    missing_ = std::move(missing);
}

} // namespace naru
