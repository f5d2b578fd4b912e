#include "stats.hpp"

#include <algorithm>
#include <cmath>

namespace naru::bench {

double median(std::vector<double> values)
{
    if (values.empty())
        return 0;
    std::ranges::sort(values);
    auto middle = values.size() / 2;
    return values.size() % 2 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

double minimum(std::span<const double> values) { return values.empty() ? 0 : std::ranges::min(values); }

double percentile(std::vector<std::uint32_t>& samples, double share)
{
    if (samples.empty())
        return 0;
    std::ranges::sort(samples);
    auto rank = std::ceil(share * static_cast<double>(samples.size()));
    return samples[static_cast<std::size_t>(std::max(rank, 1.0)) - 1];
}

double spread(std::span<const double> values)
{
    double least = minimum(values);
    return least > 0 ? (std::ranges::max(values) - least) / least : 0;
}

double paired_ratio(std::span<const double> above, std::span<const double> below)
{
    std::vector<double> ratios;
    for (std::size_t i = 0; i < std::min(above.size(), below.size()); ++i)
        ratios.push_back(above[i] / below[i]);
    return median(std::move(ratios));
}

namespace {

Result<Measured> attempt(std::span<const Subject> subjects, unsigned rounds)
{
    Measured result;
    result.rounds.resize(subjects.size());
    for (unsigned round = 0; round < rounds; ++round)
        for (std::size_t i = 0; i < subjects.size(); ++i) {
            auto value = subjects[i].round();
            if (!value)
                return std::unexpected{value.error()};
            result.rounds[i].push_back(*value);
        }
    result.floor_spread = subjects.empty() ? 0 : spread(result.rounds.front());
    return result;
}

} // namespace

Result<Measured> interleave(std::span<const Subject> subjects, const Rounds& rounds)
{
    Measured best;
    for (unsigned tries = 1; tries <= rounds.retries + 1; ++tries) {
        auto result = attempt(subjects, rounds.count);
        if (!result)
            return result;
        if (tries == 1 || result->floor_spread < best.floor_spread) {
            best = std::move(*result);
            best.best = tries - 1;
        }
        best.attempts = tries;
        if (best.floor_spread <= rounds.most_spread || std::chrono::steady_clock::now() > rounds.last_retry)
            break;
    }
    return best;
}

} // namespace naru::bench
