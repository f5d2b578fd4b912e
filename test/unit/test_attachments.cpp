// What devices say about this node while no Node object does.
#include <catch2/catch.hpp>

#include "attachments.hpp"

using namespace naru;

namespace {

Address addr(const char* text) { return Address::parse(text).value(); }

Link link(std::uint32_t index, std::vector<Address> addresses)
{
    Link out;
    out.index = index;
    out.addresses = std::move(addresses);
    return out;
}

} // namespace

TEST_CASE("uplinks stand in for the Node object, those of default routes first, addresses others can use only")
{
    NetworkState network;
    network.links[1] = link(1, {addr("127.0.0.1"), addr("::1")});
    network.links[2] = link(2, {addr("10.244.0.0"), addr("fe80::2")});
    network.links[3] = link(3, {addr("192.0.2.1"), addr("fe80::3"), addr("2001:db8::1")});
    network.links[4] = link(4, {addr("10.244.1.1")});
    network.default_route_devices = {3};
    const std::map<std::uint32_t, Device> devices{{2, {network.links[2], DeviceRole::uplink}},
                                                  {3, {network.links[3], DeviceRole::uplink}},
                                                  {4, {network.links[4], DeviceRole::workload}}};
    const auto node = stand_in("n1", network, devices);
    CHECK(node.name == "n1");
    CHECK_FALSE(node.zone);
    CHECK(node.addresses == std::vector{addr("192.0.2.1"), addr("2001:db8::1"), addr("10.244.0.0")});
}

TEST_CASE("a new pod's link-local address is no change of the node")
{
    NetworkState network;
    network.links[1] = link(1, {addr("127.0.0.1")});
    network.links[2] = link(2, {addr("192.0.2.1"), addr("169.254.20.10"), addr("fe80::1")});
    CHECK(reachable_addresses(network) ==
          std::set{addr("127.0.0.1"), addr("192.0.2.1"), addr("169.254.20.10")});
}
