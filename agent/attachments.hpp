// The programs on their hooks, following the devices of this machine: attaches at start and when a device
// appears, repairs what somebody removed, and knows what is missing.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "datapath/datapath.hpp"
#include "datapath/devices.hpp"
#include "model/node.hpp"

namespace naru {

/// Stands in for the Node object while there is none: the addresses of the uplinks, those of default routes
/// first. Pure.
Node stand_in(const std::string& name, const NetworkState& network,
              const std::map<std::uint32_t, Device>& devices);

/// Addresses a Service can be reached by. IPv6 link-local ones cannot, and every new veth brings one: with
/// them each pod start would be a change of the node. Pure.
std::set<Address> reachable_addresses(const NetworkState& network);

/// The addresses of the Node object, which name uplinks. Absent: not known yet.
using NodeAddresses = std::optional<std::vector<Address>>;

class Attachments {
public:
    /// `uplinks`: --devices LIST; absent: auto. `datapath` must outlive this.
    Attachments(Datapath& datapath, Netlink netlink, std::optional<std::set<std::string>> uplinks);

    /// Reads the network; attaches nothing.
    Result<> look(const NodeAddresses& node_addresses);

    /// The first attach. What fails here keeps the agent from running; a single device that fails does not.
    Result<> start(const NodeAddresses& node_addresses);
    bool started() const { return started_; }

    /// Reads the network and, once started, makes programs and devices match. Detaches nothing when the
    /// network cannot be read.
    void refresh(const NodeAddresses& node_addresses);

    /// refresh(), and the socket programs too: repairs what a third party removed.
    void audit(const NodeAddresses& node_addresses);

    bool drain() { return netlink_.drain(); }
    int event_fd() const { return netlink_.event_fd(); }
    const NetworkState& network() const { return network_; }
    const std::map<std::uint32_t, Device>& devices() const { return devices_; }

    /// What is not attached although it should be, for /readyz. None before start().
    const std::vector<std::string>& missing() const { return missing_; }

private:
    void attach();
    void report_without_xdp();
    void report_devices();
    void report_missing(std::vector<std::string> missing);

    Datapath& datapath_;
    Netlink netlink_;
    std::optional<std::set<std::string>> uplinks_;
    NetworkState network_;
    std::map<std::uint32_t, Device> devices_;
    DeviceSet known_ = DeviceSet::partial; ///< what devices_ are
    std::vector<std::string> device_errors_;
    std::vector<std::string> socket_errors_;
    std::vector<std::string> missing_;
    std::vector<WithoutXdp> without_xdp_;
    std::string told_; ///< about devices
    bool started_ = false;
};

} // namespace naru
