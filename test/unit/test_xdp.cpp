// Which devices get the XDP program.
#include <catch2/catch.hpp>

#include "datapath/xdp.hpp"

using namespace naru;

namespace {

Device device(DeviceRole role, std::string kind, bool ethernet = true)
{
    Link link;
    link.kind = std::move(kind);
    link.ethernet = ethernet;
    return {link, role};
}

} // namespace

TEST_CASE("by itself XDP takes physical uplinks only", "[xdp]")
{
    CHECK(wants_xdp(XdpMode::automatic, device(DeviceRole::uplink, "")));
    for (const auto* kind : {"veth", "bond", "vlan", "vxlan", "bridge", "tun"})
        CHECK_FALSE(wants_xdp(XdpMode::automatic, device(DeviceRole::uplink, kind)));
}

TEST_CASE("by itself XDP leaves a device alone that carries VLANs", "[xdp]")
{
    auto carrier = device(DeviceRole::uplink, "");
    carrier.link.carries_vlans = true;
    CHECK_FALSE(wants_xdp(XdpMode::automatic, carrier));
    CHECK(wants_xdp(XdpMode::native, carrier));
}

TEST_CASE("where it is asked for XDP takes every uplink with Ethernet headers", "[xdp]")
{
    for (auto mode : {XdpMode::native, XdpMode::generic}) {
        CHECK(wants_xdp(mode, device(DeviceRole::uplink, "")));
        CHECK(wants_xdp(mode, device(DeviceRole::uplink, "veth")));
        CHECK_FALSE(wants_xdp(mode, device(DeviceRole::uplink, "wireguard", false)));
    }
}

TEST_CASE("a bond has XDP behind the drivers of its ports only", "[xdp]")
{
    CHECK_FALSE(wants_xdp(XdpMode::native, device(DeviceRole::uplink, "bond")));
    CHECK(wants_xdp(XdpMode::generic, device(DeviceRole::uplink, "bond")));
}

TEST_CASE("XDP takes no workload device, and with off none at all", "[xdp]")
{
    for (auto mode : {XdpMode::automatic, XdpMode::native, XdpMode::generic, XdpMode::off}) {
        CHECK_FALSE(wants_xdp(mode, device(DeviceRole::workload, "veth")));
        CHECK_FALSE(wants_xdp(mode, device(DeviceRole::workload, "")));
    }
    CHECK_FALSE(wants_xdp(XdpMode::off, device(DeviceRole::uplink, "")));
}
