#include <catch2/catch.hpp>
#include <rapidcheck/catch.h>

#include <map>

#include "model/layout.hpp"

using naru::ArenaSpace;

TEST_CASE("space comes in whole units and never at offset 0", "[arena]")
{
    ArenaSpace arena{1024};
    CHECK(arena.capacity() == 1024 - 32);
    CHECK(arena.take(1) == 32u);
    CHECK(arena.used() == 32);
    CHECK(arena.take(33) == 64u);
    CHECK(arena.used() == 96);
}

TEST_CASE("a full arena refuses and goes on when something is given back", "[arena]")
{
    ArenaSpace arena{32 * 4};
    REQUIRE(arena.take(96) == 32u);
    CHECK_FALSE(arena.take(1));
    arena.give_back(32, 96);
    CHECK(arena.used() == 0);
    CHECK(arena.take(96) == 32u);
}

TEST_CASE("neighbours are merged whichever goes last", "[arena]")
{
    auto last = GENERATE(32u, 64u, 96u);
    ArenaSpace arena{32 * 4};
    for (int i = 0; i < 3; ++i)
        REQUIRE(arena.take(32));
    for (auto offset : {32u, 64u, 96u})
        if (offset != last)
            arena.give_back(offset, 32);
    CHECK_FALSE(arena.take(96));
    arena.give_back(last, 32);
    CHECK(arena.take(96) == 32u);
}

TEST_CASE("the smallest hole that fits is used", "[arena]")
{
    ArenaSpace arena{32 * 16};
    REQUIRE(arena.take_at(32 * 4, 32));
    REQUIRE(arena.take_at(32 * 7, 32));
    CHECK(arena.take(64) == 32u * 5);
}

TEST_CASE("adopting takes exactly that place, once", "[arena]")
{
    ArenaSpace arena{32 * 8};
    CHECK(arena.take_at(96, 64));
    CHECK_FALSE(arena.take_at(96, 64));
    CHECK_FALSE(arena.take_at(64, 64));
    CHECK_FALSE(arena.take_at(128, 32));
    CHECK_FALSE(arena.take_at(0, 32));
    CHECK_FALSE(arena.take_at(40, 32));
    CHECK_FALSE(arena.take_at(224, 64));
    CHECK_FALSE(arena.take_at(1 << 30, 32));
    CHECK_FALSE(arena.take_at(32, 0));
    CHECK(arena.take_at(160, 96));
    CHECK(arena.take_at(32, 64));
    CHECK(arena.used() == arena.capacity());
}

TEST_CASE("an arena too small for a block has no space", "[arena]")
{
    CHECK_FALSE(ArenaSpace{0}.take(32));
    CHECK_FALSE(ArenaSpace{32}.take(32));
    CHECK_FALSE(ArenaSpace{1024}.take(std::size_t{1} << 40));
    CHECK_FALSE(ArenaSpace{1024}.take(0));
}

TEST_CASE("random use never overlaps and loses nothing", "[arena]")
{
    rc::prop("takes are disjoint, and all given back is one piece again", [] {
        constexpr std::uint32_t bytes = 32 * 64;
        ArenaSpace arena{bytes};
        std::map<std::uint32_t, std::uint32_t> held;
        auto steps = *rc::gen::inRange(1, 200);
        for (int i = 0; i < steps; ++i) {
            auto size = *rc::gen::inRange(1u, 300u);
            auto rounded = (size + 31) / 32 * 32;
            if (!held.empty() && *rc::gen::inRange(0, 3) == 0) {
                auto it = std::next(held.begin(), *rc::gen::inRange<std::ptrdiff_t>(0, std::ssize(held)));
                arena.give_back(it->first, it->second);
                held.erase(it);
            } else if (*rc::gen::inRange(0, 3) == 0) {
                auto offset = 32 * *rc::gen::inRange(0u, bytes / 32);
                if (arena.take_at(offset, size))
                    RC_ASSERT(held.emplace(offset, rounded).second);
            } else if (auto offset = arena.take(size)) {
                RC_ASSERT(held.emplace(*offset, rounded).second);
            }
            std::uint32_t end = 32, sum = 0;
            for (const auto& [offset, length] : held) {
                RC_ASSERT(offset >= end);
                end = offset + length;
                sum += length;
            }
            RC_ASSERT(end <= bytes);
            RC_ASSERT(arena.used() == sum);
        }
        for (const auto& [offset, length] : held)
            arena.give_back(offset, length);
        RC_ASSERT(arena.used() == 0u);
        RC_ASSERT(arena.take(arena.capacity()) == 32u);
    });
}
