#include <catch2/catch.hpp>

#include "builders.hpp"
#include "model/source_ranges.hpp"

using namespace naru;
using namespace naru::test;

namespace {

std::string texts(const Filter& filter)
{
    std::string out;
    for (const auto& range : filter.admitted)
        out += (out.empty() ? "" : " ") + range.text();
    return out;
}

const Node node{.name = "n1", .zone = {}, .addresses = {addr("192.0.2.1"), addr("fd00::1")}};

} // namespace

TEST_CASE("source ranges are trimmed, sorted and told once", "[source_ranges]")
{
    SourceRanges ranges{{" 10.1.0.0/16\t", "10.0.0.0/8", "10.0.0.1/8", "fd01::/16"}};
    CHECK(ranges.invalid().empty());
    CHECK(texts(ranges.filter(Family::v4, node)) == "10.0.0.0/8 10.1.0.0/16");
    CHECK(texts(ranges.filter(Family::v6, node)) == "fd01::/16");
    CHECK(ranges.filter(Family::v4, node).on);
}

TEST_CASE("a family with ranges of the other family only is open", "[source_ranges]")
{
    SourceRanges ranges{{"10.0.0.0/8"}};
    CHECK(ranges.filter(Family::v4, node).on);
    CHECK_FALSE(ranges.filter(Family::v6, node).on);
}

TEST_CASE("an unreadable range is ignored beside readable ones", "[source_ranges]")
{
    SourceRanges ranges{{"10.0.0.0/8", "office"}};
    CHECK(ranges.invalid() == std::vector<std::string>{"office"});
    CHECK_FALSE(ranges.admits_nobody());
    CHECK(texts(ranges.filter(Family::v4, node)) == "10.0.0.0/8");
}

TEST_CASE("only unreadable ranges admit nobody, in both families", "[source_ranges]")
{
    SourceRanges ranges{{"office", ""}};
    CHECK(ranges.admits_nobody());
    for (auto family : {Family::v4, Family::v6}) {
        CHECK(ranges.filter(family, node).on);
        CHECK(ranges.filter(family, node).admitted.empty());
        CHECK_FALSE(ranges.filter(family, node).admits_node);
    }
}

TEST_CASE("no ranges filter nothing", "[source_ranges]")
{
    SourceRanges ranges{{}};
    CHECK(ranges.empty());
    CHECK_FALSE(ranges.admits_nobody());
    CHECK_FALSE(ranges.filter(Family::v4, node).on);
}

TEST_CASE("a range with an address of the node admits the node", "[source_ranges]")
{
    SourceRanges ranges{{"192.0.2.0/24", "fd01::/16"}};
    CHECK(ranges.filter(Family::v4, node).admits_node);
    CHECK_FALSE(ranges.filter(Family::v6, node).admits_node);
}
