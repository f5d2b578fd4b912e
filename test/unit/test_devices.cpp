// Roles of devices: network states in, roles out.
#include <catch2/catch.hpp>

#include "datapath/devices.hpp"

using namespace naru;

namespace {

Address addr(const char* text) { return Address::parse(text).value(); }

struct Machine {
    NetworkState state;

    std::uint32_t add(std::string name, std::string kind, std::vector<Address> addresses = {},
                      std::uint32_t master = 0)
    {
        const auto index = static_cast<std::uint32_t>(state.links.size() + 1);
        auto& link = state.links[index];
        link.index = index;
        link.name = std::move(name);
        link.kind = std::move(kind);
        link.master = master;
        link.up = true;
        link.addresses = std::move(addresses);
        return index;
    }
};

/// "br0=uplink pod1=workload", by ifindex.
std::string roles(const std::map<std::uint32_t, Device>& devices)
{
    std::string out;
    const std::map<DeviceRole, std::string> names{
        {DeviceRole::uplink, "=uplink"}, {DeviceRole::workload, "=workload"}, {DeviceRole::own, "=own"}};
    for (const auto& [index, device] : devices)
        out += (out.empty() ? "" : " ") + device.link.name + names.at(device.role);
    return out;
}

} // namespace

TEST_CASE("every next hop of a default route is an uplink, other devices carry nothing")
{
    Machine node;
    node.state.default_route_devices = {node.add("eth0", ""), node.add("eth1", "")};
    node.add("eth2", "");
    node.add("cni0", "bridge");
    CHECK(roles(classify(node.state, std::vector<Address>{})) == "eth0=uplink eth1=uplink");
}

TEST_CASE("a device with an address of the Node object is an uplink")
{
    Machine node;
    node.add("eth0", "", {addr("192.0.2.1")});
    node.add("eth1", "", {addr("10.0.0.1"), addr("fd00::1")});
    CHECK(roles(classify(node.state, {addr("fd00::1")})) == "eth1=uplink");
}

TEST_CASE("a node address on a loopback or dummy device names no uplink")
{
    Machine node;
    const auto lo = node.add("lo", "", {addr("10.0.0.1")});
    node.state.links[lo].loopback = true;
    node.add("dummy0", "dummy", {addr("10.0.0.1")});
    CHECK(classify(node.state, {addr("10.0.0.1")}).empty());
}

TEST_CASE("a veth is a workload device unless it is an uplink")
{
    Machine node;
    node.state.default_route_devices = {node.add("eth0", "veth")};
    const auto bridge = node.add("cni0", "bridge");
    node.add("veth1", "veth", {}, bridge);
    node.add("cali2", "veth");
    CHECK(roles(classify(node.state, std::vector<Address>{})) == "eth0=uplink veth1=workload cali2=workload");
}

TEST_CASE("tunnels in use are uplinks, the ones a module left lying about are not")
{
    Machine node;
    node.add("flannel.1", "vxlan");
    node.add("wg0", "wireguard");
    const auto fallback = node.add("tunl0", "ipip");
    node.state.links[fallback].up = false;
    const auto tun = node.add("flannel0", "tun");
    node.state.links[tun].ethernet = false;
    node.add("tap0", "tun");
    CHECK(roles(classify(node.state, std::vector<Address>{})) ==
          "flannel.1=uplink wg0=uplink flannel0=uplink");
}

TEST_CASE("the bond or bridge is the uplink, not its members")
{
    Machine node;
    const auto bridge = node.add("br0", "bridge");
    const auto bond = node.add("bond0", "bond", {}, bridge);
    node.state.default_route_devices = {node.add("eth0", "", {}, bond)};
    CHECK(roles(classify(node.state, std::vector<Address>{})) == "br0=uplink");
}

TEST_CASE("a veth that is part of a bond leads to no workload, one of a bridge does")
{
    Machine node;
    const auto bond = node.add("bond0", "bond");
    const auto bridge = node.add("br0", "bridge");
    const auto team = node.add("team0", "team");
    node.state.default_route_devices = {bond, bridge, team};
    node.add("eth0", "veth", {}, bond);
    node.add("eth1", "veth", {}, team);
    node.add("veth1", "veth", {}, bridge);
    CHECK(roles(classify(node.state, std::vector<Address>{})) ==
          "bond0=uplink br0=uplink team0=uplink veth1=workload");
}

TEST_CASE("a member of a VRF keeps its role")
{
    Machine node;
    const auto vrf = node.add("blue", "vrf");
    node.add("eth0", "", {addr("192.0.2.1")}, vrf);
    CHECK(roles(classify(node.state, {addr("192.0.2.1")})) == "eth0=uplink");
}

TEST_CASE("masters that name each other do not hang the search")
{
    Machine node;
    node.add("br0", "bridge", {addr("192.0.2.1")}, 2);
    node.add("br1", "bridge", {}, 1);
    CHECK(classify(node.state, {addr("192.0.2.1")}).size() == 1);
}

TEST_CASE("a list of devices overrides what routes and addresses say")
{
    Machine node;
    node.state.default_route_devices = {node.add("eth0", "", {addr("192.0.2.1")})};
    node.add("eth1", "");
    node.add("veth1", "veth");
    node.add("veth2", "veth");
    CHECK(roles(classify(node.state, std::set<std::string>{"eth1", "veth2", "nosuch"})) ==
          "eth1=uplink veth1=workload veth2=uplink");
}

TEST_CASE("the addresses of a node are those of all its devices, each once")
{
    Machine node;
    node.add("eth0", "", {addr("192.0.2.1"), addr("fd00::1")});
    node.add("eth1", "", {addr("192.0.2.1")});
    CHECK(node.state.addresses() == std::set{addr("192.0.2.1"), addr("fd00::1")});
}

TEST_CASE("without the socket path lo and every device in use with an address are watched too, others keep "
          "their role")
{
    Machine node;
    const auto lo = node.add("lo", "", {addr("127.0.0.1")});
    node.state.links[lo].loopback = true;
    node.state.default_route_devices = {node.add("eth0", "", {addr("192.0.2.1")})};
    node.add("veth1", "veth", {addr("10.1.0.1")});
    node.add("cni0", "bridge", {addr("10.2.0.1")});
    node.add("dummy0", "dummy", {addr("fe80::1")});
    const auto down = node.add("eth9", "", {addr("10.9.0.1")});
    node.state.links[down].up = false;
    auto devices = classify(node.state, std::vector<Address>{});
    add_own(devices, node.state);
    CHECK(roles(devices) == "lo=own eth0=uplink veth1=workload cni0=own");
}
