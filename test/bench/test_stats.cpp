#include <catch2/catch.hpp>

#include "bench/stats.hpp"

using namespace naru;
using namespace naru::bench;

namespace {

/// Gives the figures of a list, one a round.
Subject script(std::string name, std::vector<double> figures)
{
    return {std::move(name),
            [figures = std::move(figures), next = std::size_t{0}]() mutable -> Result<double> {
                return figures.at(next++);
            }};
}

} // namespace

TEST_CASE("the median is the middle, or lies between the two in the middle")
{
    CHECK(median({5, 1, 3}) == 3);
    CHECK(median({4, 1, 2, 3}) == 2.5);
    CHECK(median({}) == 0);
}

TEST_CASE("a percentile is a sample that was taken")
{
    std::vector<std::uint32_t> samples;
    for (std::uint32_t i = 100; i > 0; --i)
        samples.push_back(i);
    CHECK(percentile(samples, 0.99) == 99);
    CHECK(percentile(samples, 0.5) == 50);
    std::vector<std::uint32_t> one{7}, none;
    CHECK(percentile(one, 0.01) == 7);
    CHECK(percentile(none, 0.5) == 0);
}

TEST_CASE("ratios are taken round by round")
{
    // The machine was twice as slow in the last round: the ratio does not see it, the medians would not
    // either.
    CHECK(paired_ratio(std::vector<double>{20, 30, 60}, std::vector<double>{10, 10, 20}) == 3);
    // A slow machine for half of the rounds of both.
    CHECK(paired_ratio(std::vector<double>{20, 200, 20}, std::vector<double>{10, 100, 10}) == 2);
}

TEST_CASE("rounds take turns")
{
    std::string order;
    auto noting = [&](const char* name) {
        return Subject{name, [&order, name]() -> Result<double> {
                           order += name;
                           return 1.0;
                       }};
    };
    std::vector<Subject> subjects{noting("a"), noting("b"), noting("c")};
    auto measured = interleave(subjects, {.count = 2, .retries = 3});
    REQUIRE(measured);
    CHECK(order == "abcabc");
    CHECK(measured->attempts == 1);
}

TEST_CASE("a restless floor is measured again and the quietest attempt is kept")
{
    std::vector<Subject> subjects{script("floor", {10, 30, 10, 12, 10, 13}),
                                  script("naru", {1, 2, 3, 4, 5, 6})};
    auto measured = interleave(subjects, {.count = 2, .retries = 2});
    REQUIRE(measured);
    CHECK(measured->attempts == 3);
    CHECK(measured->best == 1);
    CHECK(measured->floor_spread == Approx(0.2));
    CHECK(measured->rounds == std::vector<std::vector<double>>{{10, 12}, {3, 4}});
}

TEST_CASE("a quiet attempt ends the retries, and so does the end of the budget")
{
    std::vector<Subject> subjects{script("floor", {10, 30, 10, 10.5})};
    auto measured = interleave(subjects, {.count = 2, .retries = 3});
    REQUIRE(measured);
    CHECK(measured->attempts == 2);

    std::vector<Subject> restless{script("floor", {10, 30})};
    auto bounded = interleave(restless, {.count = 2, .retries = 3, .last_retry = {}});
    REQUIRE(bounded);
    CHECK(bounded->attempts == 1);
    CHECK(bounded->floor_spread == Approx(2));
}

TEST_CASE("what cannot be measured ends the rounds with its reason")
{
    std::vector<Subject> subjects{{"broken", []() -> Result<double> { return error("no such program"); }}};
    auto measured = interleave(subjects, {.count = 2});
    REQUIRE_FALSE(measured);
    CHECK(measured.error().what == "no such program");
}
