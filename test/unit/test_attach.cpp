// Names of pins of hooks.
#include <catch2/catch.hpp>

#include "datapath/attach.hpp"

using namespace naru;

TEST_CASE("the name of a pin tells hook and device", "[attach]")
{
    auto socket = HookPin::parse("connect4");
    REQUIRE(socket);
    CHECK(socket->hook == "connect4");
    CHECK(socket->ifindex == 0);
    CHECK(socket->name() == "connect4");
    auto device = HookPin::parse("tc_ingress-17");
    REQUIRE(device);
    CHECK(device->hook == "tc_ingress");
    CHECK(device->ifindex == 17);
    CHECK(device->name() == "tc_ingress-17");
}

TEST_CASE("what is no hook of this version has no such name", "[attach]")
{
    for (const char* name :
         {"", "connect5", "connect4-7", "tc_ingress", "tc_ingress-", "tc_ingress-0", "tc_ingress-x",
          "tc_ingress-7x", "tc_ingress-7-next", "tc_ingress-99999999999", "xdp", "xdp-0"}) {
        INFO(name);
        CHECK_FALSE(HookPin::parse(name));
    }
}
