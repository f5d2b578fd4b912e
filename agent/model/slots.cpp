#include "slots.hpp"

#include <algorithm>
#include <numeric>

namespace naru {

namespace {

constexpr std::size_t short_round =
    4093; // exact for weights up to 100 of 40 backends, and no more than 8 KiB

/// Weights that have the same shares, as nearly as a round of `most` turns allows. None may be 0.
std::vector<std::uint32_t> shortened(std::span<const std::uint16_t> weights, std::size_t most)
{
    std::uint32_t common = 0;
    for (auto weight : weights)
        common = std::gcd(common, std::uint32_t{weight});
    std::vector<std::uint32_t> turns;
    turns.reserve(weights.size());
    for (auto weight : weights)
        turns.push_back(weight / common);
    const auto sum = std::accumulate(turns.begin(), turns.end(), std::uint64_t{0});
    if (sum <= most)
        return turns;
    const auto spare = most - turns.size(); // one turn for everybody, the others by share
    for (auto& turn : turns)
        turn = static_cast<std::uint32_t>(1 + turn * spare / sum);
    return turns;
}

std::vector<std::uint16_t> weights_of(std::span<const Weighted> backends)
{
    std::vector<std::uint16_t> weights;
    weights.reserve(backends.size());
    for (const auto& backend : backends)
        weights.push_back(backend.weight);
    return weights;
}

} // namespace

std::size_t longest_round(std::size_t backends)
{
    return std::max<std::size_t>(short_round, maglev_slots(backends));
}

/// Interleaved: in each pass everybody has a turn whose weight reaches a level that sinks from the heaviest
/// weight to one.
std::vector<std::size_t> weighted_round(std::span<const std::uint16_t> weights, std::size_t most)
{
    std::vector<std::size_t> takers;
    std::vector<std::uint16_t> taken;
    for (std::size_t i = 0; i < weights.size(); ++i)
        if (weights[i]) {
            takers.push_back(i);
            taken.push_back(weights[i]);
        }
    if (takers.empty())
        return {};
    const auto turns = shortened(taken, most);
    std::vector<std::size_t> by_weight(
        takers.size()); // so that a pass looks only at those that have a turn in it
    std::iota(by_weight.begin(), by_weight.end(), std::size_t{0});
    std::ranges::stable_sort(by_weight, std::ranges::greater{}, [&](std::size_t i) { return turns[i]; });

    std::vector<std::size_t> round;
    std::vector<std::size_t> pass; // in the order of backends
    auto next = by_weight.begin();
    for (auto level = turns[by_weight.front()]; level > 0; --level) {
        const auto before = pass.size();
        for (; next != by_weight.end() && turns[*next] >= level; ++next)
            pass.push_back(*next);
        if (pass.size() != before)
            std::ranges::sort(pass);
        for (auto i : pass)
            round.push_back(takers[i]);
    }
    return round;
}

std::vector<std::uint16_t> slots_for(lb_algorithm algorithm, std::span<const Weighted> chosen,
                                     std::size_t serving, std::uint32_t seed)
{
    if (!takes_turns(algorithm) && !compares_loads(algorithm))
        return maglev_table(chosen, maglev_slots(serving), seed);
    std::vector<std::uint16_t> slots;
    if (algorithm == LB_ALGORITHM_WRR) {
        for (auto i : weighted_round(weights_of(chosen), longest_round(chosen.size())))
            slots.push_back(chosen[i].position);
        return slots;
    }
    for (const auto& backend : chosen)
        if (backend.weight)
            slots.push_back(backend.position);
    return slots;
}

std::size_t slot_count(lb_algorithm algorithm, std::span<const Backend> backends)
{
    if (!takes_turns(algorithm) && !compares_loads(algorithm))
        return maglev_slots(backends.size());
    if (algorithm != LB_ALGORITHM_WRR)
        return backends.size();
    std::vector<std::uint16_t> weights;
    const auto chosen = static_cast<std::size_t>(std::ranges::count_if(backends, &Backend::chosen));
    for (const auto& backend : backends)
        if (backend.chosen && backend.weight)
            weights.push_back(backend.weight);
    if (weights.empty())
        return 0;
    const auto turns = shortened(weights, longest_round(chosen));
    return std::accumulate(turns.begin(), turns.end(), std::size_t{0});
}

} // namespace naru
