#include <catch2/catch.hpp>

#include "model/algorithm.hpp"

using namespace naru;

TEST_CASE("every algorithm has a name of its own, and no other name means one", "[algorithm]")
{
    for (int number = LB_ALGORITHM_MAGLEV; number <= LB_ALGORITHM_NQ; ++number) {
        auto algorithm = static_cast<lb_algorithm>(number);
        CHECK(algorithm_named(name_of(algorithm)) == algorithm);
    }
    CHECK(all_algorithms() == "maglev, random, sh, dh, rr, wrr, lc, wlc, sed and nq");
    CHECK(name_of(LB_ALGORITHM_DEFAULT) == "default");
    for (const auto* other : {"", "default", "MAGLEV", "maglev ", "RR", "lblc"})
        CHECK_FALSE(algorithm_named(other));
}
