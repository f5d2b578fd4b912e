#include <catch2/catch.hpp>

#include "builders.hpp"
#include "model/address_filter.hpp"

using namespace naru;
using namespace naru::test;

namespace {

Address numbered(int n) { return addr("10.0." + std::to_string(n / 250) + "." + std::to_string(n % 250)); }

int held_of(const AddressFilter& filter, int from, int to)
{
    int held = 0;
    for (int n = from; n < to; ++n)
        held += filter.may_hold(numbered(n));
    return held;
}

} // namespace

TEST_CASE("an address that was added is never denied, and of others few are not", "[address_filter]")
{
    AddressFilter filter;
    CHECK(held_of(filter, 0, 1000) == 0);
    for (int n = 0; n < 1000; ++n)
        filter.add(numbered(n));
    CHECK(held_of(filter, 0, 1000) == 1000);
    CHECK(held_of(filter, 1000, 6000) < 500); // 76 are to be expected
}

TEST_CASE("what was removed is denied again, unless it shares its cell", "[address_filter]")
{
    AddressFilter filter;
    for (int n = 0; n < 1000; ++n)
        filter.add(numbered(n));
    for (int n = 0; n < 1000; ++n)
        filter.remove(numbered(n));
    CHECK(held_of(filter, 0, 1000) == 0);
}

TEST_CASE("a cell that was once full is never believed empty", "[address_filter]")
{
    AddressFilter filter;
    for (int i = 0; i < 300; ++i)
        filter.add(numbered(1));
    for (int i = 0; i < 299; ++i)
        filter.remove(numbered(1));
    CHECK(filter.may_hold(numbered(1)));
}
