#include "naructl/nearest.hpp"

#include <catch2/catch.hpp>

#include <string>
#include <vector>

using naru::ctl::nearest;

TEST_CASE("a word with a typo finds the word that was meant")
{
    std::vector<std::string> verbs{"status", "services", "backends", "ct"};
    CHECK(nearest("servces", verbs) == "services");
    CHECK(nearest("stauts", verbs) == "status");
    CHECK(nearest("back", verbs) == "backends");
    CHECK(nearest("cct", verbs) == "ct");
}

TEST_CASE("a word far from all finds nothing")
{
    std::vector<std::string> verbs{"status", "services"};
    CHECK_FALSE(nearest("frobnicate", verbs));
    CHECK_FALSE(nearest(std::string(100'000, 's'), verbs));
    CHECK_FALSE(nearest("status", {}));
}
