// The network namespace's number, asked of the kernel and seen by a program.
#include <catch2/catch.hpp>

#include <sched.h>

#include "datapath/netns_cookie.hpp"
#include "datapath/probe.hpp"

using namespace naru;

TEST_CASE("a program sees the network namespace of this process by the number the kernel gives it")
{
    auto cgroup = find_cgroup({});
    REQUIRE(cgroup);
    auto seen = netns_cookie_below(*cgroup);
    REQUIRE(seen);
    CHECK(*seen != 0);
    if (auto told = netns_cookie(); told)
        CHECK(*told == *seen);
    else
        CHECK(told.error().code == std::errc::no_protocol_option);

    REQUIRE(::unshare(CLONE_NEWNET) == 0);
    auto elsewhere = netns_cookie_below(*cgroup);
    REQUIRE(elsewhere);
    CHECK(*elsewhere != 0);
    CHECK(*elsewhere != *seen);
}
