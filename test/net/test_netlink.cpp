// Netlink against the kernel, in a network namespace of this process's own.
#include <catch2/catch.hpp>

#include <poll.h>
#include <sched.h>

#include <cstdlib>
#include <stdexcept>

#include "datapath/devices.hpp"
#include "datapath/route.hpp"

using namespace naru;

namespace {

void run(const std::string& command)
{
    INFO(command);
    REQUIRE(std::system(command.c_str()) == 0);
}

/// From here on this process sees an empty machine: lo, down.
void enter_empty_machine() { REQUIRE(::unshare(CLONE_NEWNET) == 0); }

const Link& link_named(const NetworkState& state, const std::string& name)
{
    for (const auto& [index, link] : state.links)
        if (link.name == name)
            return link;
    throw std::runtime_error{"no device " + name};
}

bool readable(const Netlink& netlink, int timeout_ms)
{
    pollfd fd{netlink.event_fd(), POLLIN, 0};
    return ::poll(&fd, 1, timeout_ms) == 1;
}

Address addr(const char* text) { return Address::parse(text).value(); }

} // namespace

TEST_CASE("links, addresses of both families and next hops of default routes are read")
{
    enter_empty_machine();
    run("ip link add br0 type bridge");
    run("ip link add veth1 type veth peer name eth0");
    run("ip link set veth1 master br0");
    run("ip link set eth0 address 02:00:00:00:00:0a");
    const bool vlans = std::system("ip link add link veth1 name veth1.5 type vlan id 5 2>/dev/null") == 0;
    if (!vlans)
        WARN("this kernel has no VLAN devices: what carries them is not looked at");
    run("ip tuntap add dev tun1 mode tun");
    run("ip link add vxlan1 type vxlan id 1 dstport 4789");
    for (const auto* name : {"lo", "br0", "veth1", "eth0", "tun1"})
        run(std::string{"ip link set up dev "} + name);
    run("ip addr add 192.0.2.1/24 dev eth0");
    run("ip addr add 10.9.0.1 peer 10.9.0.2 dev tun1");
    run("ip -6 addr add fd00::2/64 dev eth0 nodad preferred_lft 0");
    run("ip -6 addr add fd00::1/64 dev eth0 nodad");
    run("ip route add default nexthop via 192.0.2.254 nexthop via 10.9.0.2");
    run("ip -6 route add default dev br0");
    run("ip route add default dev veth1 table 100");

    auto netlink = Netlink::open();
    REQUIRE(netlink);
    const auto state = netlink->read();
    REQUIRE(state);

    const auto& bridge = link_named(*state, "br0");
    const auto& veth = link_named(*state, "veth1");
    const auto& eth = link_named(*state, "eth0");
    const auto& tunnel = link_named(*state, "tun1");
    CHECK(link_named(*state, "lo").loopback);
    CHECK(bridge.kind == "bridge");
    CHECK(bridge.up);
    CHECK(veth.kind == "veth");
    CHECK(veth.master == bridge.index);
    CHECK(veth.ethernet);
    CHECK(veth.carries_vlans == vlans);
    CHECK_FALSE(eth.carries_vlans);
    CHECK(eth.mac == std::array<std::uint8_t, 6>{2, 0, 0, 0, 0, 0x0a});
    CHECK(link_named(*state, "vxlan1").kind == "vxlan");
    CHECK_FALSE(link_named(*state, "vxlan1").up);
    CHECK(tunnel.kind == "tun");
    CHECK_FALSE(tunnel.ethernet);
    CHECK(tunnel.headerless);
    CHECK_FALSE(veth.headerless);
    CHECK_FALSE(link_named(*state, "lo").headerless);
    CHECK(tunnel.addresses.front() == addr("10.9.0.1"));
    REQUIRE(eth.addresses.size() >= 3);
    CHECK(eth.addresses.front() == addr("192.0.2.1"));
    CHECK(eth.addresses.back() == addr("fd00::2"));
    CHECK(state->addresses().contains(addr("fd00::1")));
    CHECK(state->addresses().contains(addr("127.0.0.1")));
    CHECK(state->default_route_devices == std::set{eth.index, tunnel.index, bridge.index});
}

TEST_CASE("a state is whole with more devices than fit in one read")
{
    enter_empty_machine();
    constexpr int devices = 300;
    run("for i in $(seq " + std::to_string(devices) +
        "); do echo link add port$i type bridge; done | ip -batch -");

    auto netlink = Netlink::open();
    REQUIRE(netlink);
    const auto state = netlink->read();
    REQUIRE(state);
    int seen = 0;
    for (const auto& [index, link] : state->links)
        seen += link.kind == "bridge";
    CHECK(seen == devices);
}

TEST_CASE("links, addresses and default routes raise an event, other routes do not")
{
    enter_empty_machine();
    auto netlink = Netlink::open();
    REQUIRE(netlink);
    CHECK_FALSE(readable(*netlink, 0));

    run("ip link add eth0 type veth peer name peer0");
    REQUIRE(readable(*netlink, 2000));
    CHECK(netlink->drain());

    run("ip link set up dev peer0 && ip link set up dev eth0");
    run("ip addr add 192.0.2.1/24 dev eth0");
    REQUIRE(readable(*netlink, 2000));
    CHECK(netlink->drain());

    run("ip route add 198.51.100.0/24 dev eth0");
    REQUIRE(readable(*netlink, 2000));
    CHECK_FALSE(netlink->drain());

    run("ip route add default dev eth0");
    REQUIRE(readable(*netlink, 2000));
    CHECK(netlink->drain());
    CHECK_FALSE(readable(*netlink, 0));

    run("ip link del eth0");
    REQUIRE(readable(*netlink, 2000));
    CHECK(netlink->drain());
}

TEST_CASE("lost events count as a change")
{
    enter_empty_machine();
    auto netlink = Netlink::open();
    REQUIRE(netlink);
    run("ip link add eth0 type veth peer name peer0 && ip link set up dev peer0 && ip link set up dev eth0");
    netlink->drain();
    // Routes that concern nobody, in such number that the socket's buffer cannot hold their events.
    run("for a in $(seq 0 15); do for b in $(seq 0 255); do echo route add 10.$a.$b.0/24 dev eth0; done; done"
        " | ip -batch -");
    REQUIRE(readable(*netlink, 2000));
    CHECK(netlink->drain());
    CHECK_FALSE(readable(*netlink, 0));
}

TEST_CASE(
    "the device towards an address is that of the route the kernel takes, local ones and refusals told apart")
{
    enter_empty_machine();
    run("ip link set up dev lo");
    run("ip link add eth0 type veth peer name peer0 && ip link set up dev peer0 && ip link set up dev eth0");
    run("ip link add eth1 type veth peer name peer1 && ip link set up dev peer1 && ip link set up dev eth1");
    const auto none = device_towards(addr("10.96.0.1"));
    REQUIRE(none);
    CHECK_FALSE(*none);
    CHECK_FALSE(device_towards(addr("fd96::1")).value());

    run("ip addr add 192.0.2.1/24 dev eth0 && ip route add default via 192.0.2.254");
    run("ip -6 addr add fd00::1/64 dev eth1 nodad && ip -6 route add default via fd00::fe");
    run("ip route add 10.97.0.0/16 dev eth1");
    run("ip route add unreachable 10.98.0.0/16 && ip -6 route add blackhole fd98::/16");
    auto netlink = Netlink::open();
    REQUIRE(netlink);
    const auto state = netlink->read();
    REQUIRE(state);
    const auto index = [&](const char* name) { return link_named(*state, name).index; };
    CHECK(device_towards(addr("10.96.0.1")).value() == index("eth0"));
    CHECK(device_towards(addr("10.97.0.1")).value() == index("eth1"));
    CHECK(device_towards(addr("fd96::1")).value() == index("eth1"));
    CHECK(device_towards(addr("192.0.2.1")).value() == index("lo"));
    CHECK_FALSE(device_towards(addr("10.98.0.1")).value());
    CHECK_FALSE(device_towards(addr("fd98::1")).value());
}
