#include "datapath/jiffies.hpp"

#include <catch2/catch.hpp>

using namespace naru;

TEST_CASE("the low half of a counter finds the value nearest to an estimate")
{
    CHECK(jiffies_near(0x1'0000'0010, 0x10) == 0x1'0000'0010);
    CHECK(jiffies_near(0x1'0000'0010, 0x05) == 0x1'0000'0005);
    CHECK(jiffies_near(0x1'0000'0010, 0x20) == 0x1'0000'0020);
}

TEST_CASE("the value found may lie on the other side of a wrap of the low half")
{
    CHECK(jiffies_near(0x2'0000'0003, 0xffff'fff0) == 0x1'ffff'fff0);
    CHECK(jiffies_near(0x1'ffff'fff0, 0x03) == 0x2'0000'0003);
}

TEST_CASE("the kernel counts some hundred to thousand ticks a second")
{
    CHECK(ticks_per_second() >= 24);
    CHECK(ticks_per_second() <= 1200);
}
