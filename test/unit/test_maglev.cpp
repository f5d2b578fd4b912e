#include <catch2/catch.hpp>
#include <rapidcheck/catch.h>

#include <algorithm>
#include <map>
#include <set>

#include "builders.hpp"
#include "model/maglev.hpp"

using namespace naru;
using namespace naru::test;

namespace {

constexpr std::uint32_t seed = LB_DEFAULT_SEED;

std::vector<Weighted> backends(std::size_t count, unsigned first = 1)
{
    std::vector<Weighted> out;
    for (std::size_t i = 0; i < count; ++i) {
        auto n = static_cast<unsigned>(i) + first;
        auto text = "10." + std::to_string(n >> 16) + '.' + std::to_string(n >> 8 & 255) + '.' +
                    std::to_string(n & 255) + ":8080";
        out.push_back({.at = at(text), .position = static_cast<std::uint16_t>(i)});
    }
    return out;
}

std::vector<std::size_t> shares(const std::vector<std::uint16_t>& table, std::size_t count)
{
    std::vector<std::size_t> out(count);
    for (auto position : table)
        ++out.at(position);
    return out;
}

} // namespace

TEST_CASE("the table size follows the number of backends alone", "[maglev]")
{
    auto [count, slots] = GENERATE(table<std::size_t, unsigned>({
        {0, 0},       {1, 1},        {2, 61},       {3, 127},      {5, 127},
        {6, 251},     {10, 251},     {11, 509},     {20, 509},     {21, 1021},
        {40, 1021},   {81, 2039},    {82, 4093},    {163, 4093},   {327, 8191},
        {655, 16381}, {1309, 32749}, {1310, 65521}, {5000, 65521}, {LB_MAX_ROWS, 65521},
    }));
    CHECK(maglev_slots(count) == slots);
}

TEST_CASE("every slot has an owner and the owners share evenly", "[maglev]")
{
    auto count = GENERATE(1u, 2u, 3u, 10u, 40u, 163u, 655u);
    auto list = backends(count);
    auto built = maglev_table(list, maglev_slots(count), seed);
    REQUIRE(built.size() == maglev_slots(count));
    auto share = shares(built, count);
    // In turns: no two can differ by more than one slot.
    CHECK(*std::ranges::max_element(share) - *std::ranges::min_element(share) <= 1);
}

TEST_CASE("a table stays as it is for ever: nodes of different versions must agree", "[maglev]")
{
    auto built = maglev_table(backends(3), 11, seed);
    CHECK(built == std::vector<std::uint16_t>{0, 2, 2, 1, 0, 0, 1, 1, 1, 2, 0});
}

TEST_CASE("positions name backends but do not decide anything", "[maglev]")
{
    auto list = backends(10);
    auto plain = maglev_table(list, 251, seed);
    for (auto& backend : list)
        backend.position = static_cast<std::uint16_t>(100 - backend.position);
    auto moved = maglev_table(list, 251, seed);
    REQUIRE(plain.size() == moved.size());
    for (std::size_t i = 0; i < plain.size(); ++i)
        CHECK(moved[i] == 100 - plain[i]);
}

TEST_CASE("another seed gives another table", "[maglev]")
{
    CHECK(maglev_table(backends(10), 251, seed) != maglev_table(backends(10), 251, seed + 1));
}

TEST_CASE("nobody with a weight means an empty table", "[maglev]")
{
    CHECK(maglev_table({}, 61, seed).empty());
    CHECK(maglev_table(backends(2), 0, seed).empty());
    auto list = backends(2);
    for (auto& backend : list)
        backend.weight = 0;
    CHECK(maglev_table(list, 61, seed).empty());
}

TEST_CASE("a weight is a share of turns", "[maglev]")
{
    auto list = backends(3);
    list[0].weight = 3;
    list[1].weight = 1;
    list[2].weight = 0;
    auto share = shares(maglev_table(list, 1021, seed), 3);
    CHECK(share[2] == 0);
    CHECK(share[0] + share[1] == 1021);
    CHECK(std::abs(static_cast<int>(share[0]) - 766) <= 3);
}

TEST_CASE("more backends than slots fill the table and end", "[maglev]")
{
    auto built = maglev_table(backends(100), 61, seed);
    CHECK(std::set(built.begin(), built.end()).size() == 61);
}

TEST_CASE("equal weights of any size are equal shares", "[maglev]")
{
    auto heavy = backends(7);
    for (auto& backend : heavy)
        backend.weight = UINT16_MAX;
    CHECK(maglev_table(heavy, 251, seed) == maglev_table(backends(7), 251, seed));
}

TEST_CASE("consistent hashing holds for random sets", "[maglev]")
{
    rc::prop("a backend that leaves moves few slots of the others", [] {
        const auto list = backends(*rc::gen::inRange<std::size_t>(8, 40), *rc::gen::inRange(1u, 60000u));
        const auto slots = maglev_slots(list.size());
        const auto before = maglev_table(list, slots, seed);

        std::size_t moved = 0;
        for (std::size_t leaver = 0; leaver < list.size(); ++leaver) {
            auto rest = list;
            rest.erase(rest.begin() + static_cast<std::ptrdiff_t>(leaver));
            auto after = maglev_table(rest, slots, seed);
            for (std::size_t i = 0; i < slots; ++i) {
                RC_ASSERT(after[i] != leaver);
                moved += before[i] != leaver && before[i] != after[i];
            }
        }
        // About 5 %, more in an unlucky small set; a table filled without regard to the old one would move
        // nearly all.
        RC_ASSERT(moved * 4 < slots * list.size());
    });
}
