// What a program is told about a device.
#include <catch2/catch.hpp>

#include "datapath/device_rows.hpp"

using namespace naru;

namespace {

Address addr(const char* text) { return Address::parse(text).value(); }

Link link(std::uint32_t index, std::string kind, std::vector<Address> addresses, std::uint32_t master = 0)
{
    Link made;
    made.index = index;
    made.kind = std::move(kind);
    made.addresses = std::move(addresses);
    made.master = master;
    return made;
}

NetworkState network(const std::vector<Link>& links)
{
    NetworkState made;
    for (const auto& each : links)
        made.links.emplace(each.index, each);
    return made;
}

} // namespace

TEST_CASE("a device's row names its first global addresses", "[device_rows]")
{
    auto uplink = link(
        2, "",
        {addr("169.254.1.1"), addr("192.0.2.1"), addr("192.0.2.2"), addr("fe80::1"), addr("2001:db8::1")});
    auto row = device_row({uplink, DeviceRole::uplink}, network({uplink}));
    CHECK(row.flags == LB_DEVICE_UPLINK);
    CHECK(row.master == 0);
    CHECK(Address::from(row.addr4) == addr("192.0.2.1"));
    CHECK(Address::from(row.addr6) == addr("2001:db8::1"));
}

TEST_CASE("a port of a bridge names the bridge and, without own ones, its addresses", "[device_rows]")
{
    auto bridge = link(3, "bridge", {addr("10.1.0.1"), addr("fd00::1")});
    auto port = link(4, "veth", {addr("10.9.9.9")}, 3);
    auto row = device_row({port, DeviceRole::workload}, network({bridge, port}));
    CHECK(row.flags == LB_DEVICE_WORKLOAD);
    CHECK(row.master == 3);
    CHECK(Address::from(row.addr4) == addr("10.9.9.9"));
    CHECK(Address::from(row.addr6) == addr("fd00::1"));
}

TEST_CASE("a master that is no bridge, or is unknown, counts for nothing", "[device_rows]")
{
    auto vrf = link(3, "vrf", {addr("10.1.0.1")});
    auto port = link(4, "veth", {}, 3);
    auto lost = link(5, "veth", {}, 99);
    auto state = network({vrf, port, lost});
    for (const auto& each : {port, lost}) {
        auto row = device_row({each, DeviceRole::workload}, state);
        CHECK(row.master == 0);
        CHECK(Address::from(row.addr4) == Address{});
    }
}

TEST_CASE("a device without a link layer says so beside its role, one that only has addresses has none",
          "[device_rows]")
{
    auto tunnel = link(2, "wireguard", {addr("10.8.0.1")});
    tunnel.headerless = true;
    CHECK(device_row({tunnel, DeviceRole::uplink}, network({tunnel})).flags ==
          (LB_DEVICE_UPLINK | LB_DEVICE_L3));
    CHECK(device_row({tunnel, DeviceRole::own}, network({tunnel})).flags == LB_DEVICE_L3);
    auto dummy = link(3, "dummy", {addr("10.7.0.1")});
    CHECK(device_row({dummy, DeviceRole::own}, network({dummy})).flags == 0);
}

TEST_CASE("every address of the node leads to the first device that has it, link-local ones of IPv6 to none",
          "[device_rows]")
{
    const std::map<std::uint32_t, Device> devices{
        {1, {link(1, "", {addr("127.0.0.1"), addr("::1")}), DeviceRole::own}},
        {2, {link(2, "", {addr("192.0.2.1"), addr("fe80::2")}), DeviceRole::uplink}},
        {3, {link(3, "veth", {addr("169.254.1.1"), addr("192.0.2.1")}), DeviceRole::workload}}};
    CHECK(own_addresses(devices) ==
          OwnAddresses{
              {addr("127.0.0.1"), 1}, {addr("::1"), 1}, {addr("192.0.2.1"), 2}, {addr("169.254.1.1"), 3}});
}
