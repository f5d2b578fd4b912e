#include <catch2/catch.hpp>

#include "builders.hpp"

using namespace naru;
using namespace naru::test;

namespace {

std::string texts(const std::set<Address>& addresses)
{
    std::string out;
    for (const auto& address : addresses)
        out += (out.empty() ? "" : " ") + address.text();
    return out;
}

NodeView with(NodePortAddresses node_ports)
{
    auto node = view();
    node.node.addresses.push_back(addr("198.51.100.1"));
    node.interface_addresses.insert({addr("198.51.100.1"), addr("169.254.7.7"), addr("fe80::7")});
    node.node_ports = std::move(node_ports);
    return node;
}

} // namespace

TEST_CASE("nodePorts answer on the primary address of each family by default", "[node]")
{
    CHECK(texts(with({}).node_port_addresses(Family::v4)) == "192.0.2.1");
    CHECK(texts(with({}).node_port_addresses(Family::v6)) == "fd00::1");
}

TEST_CASE("a family without a Node address has no primary address", "[node]")
{
    auto node = with({});
    std::erase_if(node.node.addresses, [](const Address& a) { return a.family() == Family::v6; });
    CHECK(texts(node.node_port_addresses(Family::v6)).empty());
}

TEST_CASE("nodePorts answer on interface addresses inside the networks asked for", "[node]")
{
    NodePortAddresses wanted{.primary = false, .cidrs = {cidr("198.51.100.0/24"), cidr("fd00::/8")}};
    CHECK(texts(with(wanted).node_port_addresses(Family::v4)) == "198.51.100.1");
    CHECK(texts(with(wanted).node_port_addresses(Family::v6)) == "fd00::1");
}

TEST_CASE("all addresses cover loopback but not link-local", "[node]")
{
    NodePortAddresses wanted{.primary = false, .all = true, .cidrs = {}};
    CHECK(texts(with(wanted).node_port_addresses(Family::v4)) == "127.0.0.1 192.0.2.1 198.51.100.1");
    CHECK(texts(with(wanted).node_port_addresses(Family::v6)) == "::1 fd00::1");
}

TEST_CASE("localhost adds the loopback address of each family", "[node]")
{
    NodePortAddresses wanted{.primary = true, .localhost = true, .cidrs = {}};
    CHECK(texts(with(wanted).node_port_addresses(Family::v4)) == "127.0.0.1 192.0.2.1");
    CHECK(texts(with(wanted).node_port_addresses(Family::v6)) == "::1 fd00::1");
}

TEST_CASE("a node owns its interfaces' addresses and those of its Node object", "[node]")
{
    auto node = with({});
    node.node.addresses.push_back(addr("203.0.113.9"));
    CHECK(node.owns(addr("127.0.0.1")));
    CHECK(node.owns(addr("203.0.113.9")));
    CHECK_FALSE(node.owns(addr("203.0.113.10")));
}
