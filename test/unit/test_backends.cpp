#include <catch2/catch.hpp>

#include <vector>

#include "builders.hpp"
#include "model/backends.hpp"

using namespace naru;
using namespace naru::test;

TEST_CASE("lists are equal when their backends are, shared or not", "[backends]")
{
    std::vector<Backend> list{{.at = at("10.0.0.1:80"), .chosen = true}, {.at = at("10.0.0.2:80")}};
    const Backends one{list}, copy = one, other{list};
    CHECK(copy.begin() == one.begin());
    CHECK(copy == one);
    CHECK(other.begin() != one.begin());
    CHECK(other == one);
    list[1].chosen = true;
    CHECK_FALSE(Backends{list} == one);
    list.pop_back();
    CHECK_FALSE(Backends{list} == one);
    CHECK(one.size() == 2);
    CHECK_FALSE(one[1].chosen);
}

TEST_CASE("a list outlives the one it was copied from, and none is empty", "[backends]")
{
    Backends kept;
    CHECK(kept.empty());
    CHECK(kept == Backends{std::vector<Backend>{}});
    {
        const Backends first{{.at = at("10.0.0.1:80")}};
        kept = first;
    }
    CHECK(kept.size() == 1);
    CHECK(kept[0].at == at("10.0.0.1:80"));
}
