#include <catch2/catch.hpp>

#include "model/algorithm.hpp"

using namespace naru;

TEST_CASE("every algorithm has a name of its own, and no other name means one", "[algorithm]")
{
    for (auto algorithm : {LB_ALGORITHM_MAGLEV, LB_ALGORITHM_RANDOM, LB_ALGORITHM_SH, LB_ALGORITHM_DH})
        CHECK(algorithm_named(name_of(algorithm)) == algorithm);
    CHECK(name_of(LB_ALGORITHM_DEFAULT) == "default");
    for (const auto* other : {"", "default", "MAGLEV", "maglev ", "rr"})
        CHECK_FALSE(algorithm_named(other));
}
