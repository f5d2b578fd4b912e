#include <catch2/catch.hpp>
#include <rapidcheck/catch.h>

#include <algorithm>
#include <numeric>

#include "builders.hpp"
#include "model/slots.hpp"

using namespace naru;
using namespace naru::test;

namespace {

using Positions = std::vector<std::uint16_t>;

/// A round as letters: "AAB" for two turns of the first and one of the second.
std::string turns(const std::vector<std::uint16_t>& weights, std::size_t most = 4093)
{
    std::string out;
    for (auto i : weighted_round(weights, most))
        out += static_cast<char>('A' + i);
    return out;
}

/// Weights of backends at 10.0.0.1, 10.0.0.2, ..., with positions 10, 11, ...
std::vector<Weighted> weighted(const std::vector<std::uint16_t>& weights)
{
    std::vector<Weighted> out;
    for (std::size_t i = 0; i < weights.size(); ++i)
        out.push_back(
            {.at = at("10.0." + std::to_string(i / 200) + '.' + std::to_string(i % 200 + 1) + ":80"),
             .weight = weights[i],
             .position = static_cast<std::uint16_t>(10 + i)});
    return out;
}

Positions slots(lb_algorithm algorithm, const std::vector<std::uint16_t>& weights)
{
    return slots_for(algorithm, weighted(weights), weights.size(), LB_DEFAULT_SEED);
}

/// The interleaved weighted round robin as it is described for LVS, turn by turn.
std::string as_described(const std::vector<std::uint16_t>& weights)
{
    int step = 0;
    for (auto weight : weights)
        step = std::gcd(step, int{weight});
    const int heaviest = *std::ranges::max_element(weights);
    const auto sum = std::accumulate(weights.begin(), weights.end(), 0) / step;
    std::string out;
    for (int level = 0, i = -1; static_cast<int>(out.size()) < sum;) {
        i = (i + 1) % static_cast<int>(weights.size());
        if (i == 0) {
            level -= step;
            if (level <= 0)
                level = heaviest;
        }
        if (weights[static_cast<std::size_t>(i)] >= level)
            out += static_cast<char>('A' + i);
    }
    return out;
}

} // namespace

TEST_CASE("a weighted round is interleaved, the heaviest first", "[slots]")
{
    CHECK(turns({4, 3, 2}) == "AABABCABC");
    CHECK(turns({2, 3, 4}) == "CBCABCABC");
    CHECK(turns({1, 1, 1}) == "ABC");
    CHECK(turns({5}) == "A");
    CHECK(turns({}).empty());
}

TEST_CASE("what divides all weights makes a round no longer", "[slots]")
{
    CHECK(turns({400, 300, 200}) == "AABABCABC");
    CHECK(turns({65535, 65535}) == "AB");
}

TEST_CASE("who weighs nothing has no turn", "[slots]")
{
    CHECK(turns({2, 0, 1}) == "AAC");
    CHECK(turns({0, 0}).empty());
    for (auto algorithm :
         {LB_ALGORITHM_DEFAULT, LB_ALGORITHM_RANDOM, LB_ALGORITHM_SH, LB_ALGORITHM_DH, LB_ALGORITHM_RR,
          LB_ALGORITHM_WRR, LB_ALGORITHM_LC, LB_ALGORITHM_WLC, LB_ALGORITHM_SED, LB_ALGORITHM_NQ}) {
        const auto made = slots(algorithm, {3, 0, 1});
        CHECK_FALSE(made.empty());
        CHECK(std::ranges::count(made, 11) == 0);
        CHECK(slots(algorithm, {0, 0}).empty());
    }
}

TEST_CASE("a round is that of LVS for any weights", "[slots]")
{
    rc::prop("turn by turn", [] {
        const auto weights = *rc::gen::nonEmpty(
            rc::gen::container<std::vector<std::uint16_t>>(rc::gen::inRange<std::uint16_t>(1, 40)));
        RC_PRE(weights.size() <= 20u);
        RC_ASSERT(turns(weights) == as_described(weights));
    });
}

TEST_CASE("a round that would be too long has nearly the same shares, and forgets nobody", "[slots]")
{
    const std::vector<std::uint16_t> weights{65535, 32768, 1, 16384};
    const auto round = weighted_round(weights, 4093);
    CHECK(round.size() <= 4093);
    std::vector<double> share(weights.size());
    for (auto i : round)
        share[i] += 1.0 / static_cast<double>(round.size());
    CHECK(share[0] == Approx(0.5714).margin(0.001));
    CHECK(share[1] == Approx(0.2857).margin(0.001));
    CHECK(share[2] > 0);
    CHECK(share[3] == Approx(0.1429).margin(0.001));
}

TEST_CASE("whatever the weights, slots have room and are as many as was planned for", "[slots]")
{
    rc::prop("any weights", [] {
        const auto weights =
            *rc::gen::container<std::vector<std::uint16_t>>(rc::gen::arbitrary<std::uint16_t>());
        std::vector<Backend> backends;
        for (const auto& each : weighted(weights))
            backends.push_back(
                {.at = each.at, .chosen = each.weight != 0, .serving = true, .weight = each.weight});
        std::vector<Weighted> chosen = weighted(weights);
        std::erase_if(chosen, [](const Weighted& each) { return each.weight == 0; });
        for (int number = LB_ALGORITHM_DEFAULT; number <= LB_ALGORITHM_NQ; ++number) {
            const auto algorithm = static_cast<lb_algorithm>(number);
            const auto made = slots_for(algorithm, chosen, backends.size(), LB_DEFAULT_SEED);
            RC_ASSERT(made.size() <= slot_count(algorithm, backends));
            RC_ASSERT(made.size() <= static_cast<std::size_t>(LB_MAX_SLOTS));
            for (const auto& each : chosen)
                if (takes_turns(algorithm) || compares_loads(algorithm))
                    RC_ASSERT(std::ranges::count(made, each.position) > 0);
        }
    });
    CHECK(longest_round(LB_MAX_ROWS) >= LB_MAX_ROWS);
    CHECK(longest_round(LB_MAX_ROWS) <= LB_MAX_SLOTS);
}

TEST_CASE("who takes turns or is compared has one slot each, by address, but as many turns as wrr gives",
          "[slots]")
{
    for (auto algorithm :
         {LB_ALGORITHM_RR, LB_ALGORITHM_LC, LB_ALGORITHM_WLC, LB_ALGORITHM_SED, LB_ALGORITHM_NQ})
        CHECK(slots(algorithm, {3, 1, 2}) == Positions{10, 11, 12});
    CHECK(slots(LB_ALGORITHM_WRR, {3, 1, 2}) == Positions{10, 10, 12, 10, 11, 12});
}

TEST_CASE("a hash table has shares by weight", "[slots]")
{
    for (auto algorithm :
         {LB_ALGORITHM_DEFAULT, LB_ALGORITHM_MAGLEV, LB_ALGORITHM_RANDOM, LB_ALGORITHM_SH, LB_ALGORITHM_DH}) {
        const auto made = slots(algorithm, {3, 1});
        REQUIRE(made.size() == 61);
        CHECK(std::ranges::count(made, 10) == 46);
        CHECK(std::ranges::count(made, 11) == 15);
    }
}
