// Network devices by netlink: which are uplinks, which lead to workloads, which addresses this node has.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "fd.hpp"
#include "model/address.hpp"
#include "model/result.hpp"

namespace naru {

struct Link {
    std::uint32_t index = 0;
    std::string name;
    std::string kind;         ///< "veth", "bridge", "vxlan", ...; empty: a physical device
    std::uint32_t master = 0; ///< ifindex, 0: none
    bool up = false;
    bool loopback = false;
    bool ethernet = true;
    bool headerless = false;           ///< packets begin with the IP header
    std::array<std::uint8_t, 6> mac{}; ///< of an Ethernet device
    bool carries_vlans = false;        ///< a VLAN device stands on it
    std::vector<Address> addresses;    ///< as the kernel orders them, deprecated ones last

    friend bool operator==(const Link&, const Link&) = default;
};

/// The whole of it at one moment.
struct NetworkState {
    std::map<std::uint32_t, Link> links;
    std::set<std::uint32_t> default_route_devices; ///< all next hops, both families

    std::set<Address> addresses() const; ///< of all links
    friend bool operator==(const NetworkState&, const NetworkState&) = default;
};

/// own: only has addresses of this node.
enum class DeviceRole : std::uint8_t { uplink, workload, own };

struct Device {
    Link link;
    DeviceRole role = DeviceRole::workload;
    friend bool operator==(const Device&, const Device&) = default;
};

/// `--devices auto` (datapath.md, Hooks). Pure. Uplink: next hop of a default route, or carries an address of
/// the own Node object, or is a tunnel, and is neither loopback nor slave of a bond or bridge. Workload: any
/// other veth.
std::map<std::uint32_t, Device> classify(const NetworkState& state,
                                         const std::vector<Address>& node_addresses);

/// `--devices LIST`: the named devices are the uplinks; workload devices as above.
std::map<std::uint32_t, Device> classify(const NetworkState& state, const std::set<std::string>& uplinks);

/// Adds lo and every other device in use that has addresses. Pure.
void add_own(std::map<std::uint32_t, Device>& devices, const NetworkState& state);

/// Reads links, addresses and default routes, and tells when any of them changed.
class Netlink {
public:
    static Result<Netlink> open();

    Result<NetworkState> read(); ///< one consistent dump; repeated when the kernel says it was interrupted
    int event_fd() const { return events_.get(); } ///< readable: call drain()
    bool drain(); ///< true: a link, an address or a default route changed, or events were lost; then read()

private:
    Netlink(UniqueFd dump, UniqueFd events) : dump_{std::move(dump)}, events_{std::move(events)} {}
    UniqueFd dump_;
    UniqueFd events_;
};

} // namespace naru
