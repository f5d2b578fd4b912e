#include <catch2/catch.hpp>

#include "start_order.hpp"

using namespace naru;

TEST_CASE("where nothing serves, programs are attached when they are verified and the tables are written")
{
    StartOrder order{false};
    CHECK_FALSE(order.attach_is_due());
    SECTION("the verifier is done first")
    {
        order.verified();
        CHECK_FALSE(order.attach_is_due());
        CHECK_FALSE(order.may_write());
        order.listed();
        CHECK(order.may_write());
        CHECK_FALSE(order.attach_is_due());
        order.written();
    }
    SECTION("the lists are there first")
    {
        order.listed();
        CHECK(order.may_write());
        order.written();
        CHECK_FALSE(order.attach_is_due());
        order.verified();
    }
    CHECK(order.attach_is_due());
    order.attached();
    CHECK_FALSE(order.attach_is_due());
}

TEST_CASE("programs that serve are replaced before anything they read is written")
{
    StartOrder order{true};
    order.listed();
    CHECK_FALSE(order.may_write());
    order.verified();
    CHECK(order.may_write());
}

TEST_CASE("where programs serve, new devices get theirs without waiting for the lists")
{
    StartOrder order{true};
    CHECK_FALSE(order.attach_is_due());
    order.verified();
    CHECK(order.attach_is_due());
    CHECK_FALSE(order.may_write());
    order.attached();
    CHECK_FALSE(order.attach_is_due());
}
