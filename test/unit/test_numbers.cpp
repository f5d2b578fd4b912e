#include <catch2/catch.hpp>

#include "datapath/numbers.hpp"

using namespace naru;

TEST_CASE("service numbers are given out from the lowest free one, zero never", "[numbers]")
{
    Numbers numbers{5};
    numbers.take_at(2);
    CHECK(numbers.take() == 1u);
    CHECK(numbers.take() == 3u);
    CHECK(numbers.take() == 4u);
    CHECK(numbers.take() == std::nullopt);
    numbers.give_back(3);
    numbers.give_back(2);
    CHECK(numbers.take() == 2u);
    CHECK(numbers.take() == 3u);
    CHECK(numbers.take() == std::nullopt);
}
