// Which devices carry programs, and in what role.
#include "devices.hpp"

#include <algorithm>
#include <array>
#include <string_view>

namespace naru {

namespace {

constexpr std::array tunnel_kinds = std::to_array<std::string_view>({
    "erspan",
    "geneve",
    "gre",
    "gretap",
    "ip6erspan",
    "ip6gre",
    "ip6gretap",
    "ip6tnl",
    "ipip",
    "sit",
    "vti",
    "vti6",
    "vxlan",
    "wireguard",
    "xfrm",
});

/// The kernel makes tunl0, sit0, gre0 and the like in every network namespace as soon as their module is
/// loaded; they stay down unless somebody uses them. A tun device without a MAC header is a tunnel run by a
/// process.
bool is_tunnel(const Link& link)
{
    return link.up &&
           (std::ranges::binary_search(tunnel_kinds, link.kind) || (link.kind == "tun" && !link.ethernet));
}

bool joins_devices(const Link& link)
{
    return link.kind == "bond" || link.kind == "bridge" || link.kind == "team";
}

/// The device that traffic of `index` passes as a whole: the bond or bridge it is part of, or itself. A VRF
/// is no such master: its members keep their own addresses and see their own packets.
std::uint32_t whole_device(const NetworkState& state, std::uint32_t index)
{
    for (std::size_t depth = 0; depth < state.links.size(); depth++) {
        const auto link = state.links.find(index);
        if (link == state.links.end())
            break;
        const auto master = state.links.find(link->second.master);
        if (master == state.links.end() || !joins_devices(master->second))
            break;
        index = master->first;
    }
    return index;
}

bool carries_any(const Link& link, const std::vector<Address>& addresses)
{
    return std::ranges::any_of(link.addresses, [&](const Address& own) {
        return std::ranges::find(addresses, own) != addresses.end();
    });
}

/// A bridge passes on what its ports receive, a bond is what its ports are for the stack: nothing lives
/// behind one of them alone.
bool is_part_of_bond(const NetworkState& state, const Link& link)
{
    const auto master = state.links.find(link.master);
    return master != state.links.end() && (master->second.kind == "bond" || master->second.kind == "team");
}

std::map<std::uint32_t, Device> with_roles(const NetworkState& state, const std::set<std::uint32_t>& uplinks)
{
    std::map<std::uint32_t, Device> devices;
    for (const auto& [index, link] : state.links) {
        if (uplinks.contains(index))
            devices.emplace(index, Device{link, DeviceRole::uplink});
        else if (link.kind == "veth" && !is_part_of_bond(state, link))
            devices.emplace(index, Device{link, DeviceRole::workload});
    }
    return devices;
}

bool has_address(const Link& link)
{
    return std::ranges::any_of(link.addresses, [](const Address& each) { return !each.is_link_local(); });
}

} // namespace

std::set<Address> NetworkState::addresses() const
{
    std::set<Address> all;
    for (const auto& [index, link] : links)
        all.insert(link.addresses.begin(), link.addresses.end());
    return all;
}

std::map<std::uint32_t, Device> classify(const NetworkState& state,
                                         const std::vector<Address>& node_addresses)
{
    std::set<std::uint32_t> uplinks;
    for (const auto& [index, link] : state.links) {
        if (link.loopback)
            continue;
        const bool named_by_address = link.kind != "dummy" && carries_any(link, node_addresses);
        if (state.default_route_devices.contains(index) || named_by_address || is_tunnel(link))
            uplinks.insert(whole_device(state, index));
    }
    return with_roles(state, uplinks);
}

std::map<std::uint32_t, Device> classify(const NetworkState& state, const std::set<std::string>& uplinks)
{
    std::set<std::uint32_t> named;
    for (const auto& [index, link] : state.links)
        if (uplinks.contains(link.name))
            named.insert(index);
    return with_roles(state, named);
}

void add_own(std::map<std::uint32_t, Device>& devices, const NetworkState& state)
{
    for (const auto& [index, link] : state.links)
        if (link.up && (link.loopback || has_address(link)))
            devices.emplace(index, Device{link, DeviceRole::own});
}

} // namespace naru
