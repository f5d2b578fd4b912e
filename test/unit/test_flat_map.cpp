#include <catch2/catch.hpp>

#include <string>

#include "model/flat_map.hpp"

using namespace naru;

TEST_CASE("entries come in the order of their keys, whatever order they were added in", "[flat_map]")
{
    FlatMap<int, std::string> map;
    for (int key : {3, 1, 2})
        map.try_emplace(key, std::to_string(key));
    std::string all;
    for (const auto& [key, value] : map)
        all += value;
    CHECK(all == "123");
    CHECK(map.at(2) == "2");
    CHECK_THROWS_AS(map.at(4), std::out_of_range);
    CHECK_FALSE(map.contains(0));
}

TEST_CASE("a key that is there keeps its value, and gives it away to be changed", "[flat_map]")
{
    FlatMap<int, std::string> map;
    CHECK(map.try_emplace(1, "first").second);
    auto [value, added] = map.try_emplace(1, "second");
    CHECK_FALSE(added);
    CHECK(value == "first");
    value = "third";
    CHECK(map.find(1)->second == "third");
    CHECK(map.size() == 1);
}

TEST_CASE("a map that is moved as a whole leaves its entries where they are", "[flat_map]")
{
    FlatMap<int, std::string> map;
    map.try_emplace(1, "one");
    const auto* before = &map.at(1);
    auto moved = std::move(map);
    CHECK(&moved.at(1) == before);
}
