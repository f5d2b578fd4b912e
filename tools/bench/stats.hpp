// Rounds of measurements and what is said about them. Pure, but for running what it is given.
#pragma once

#include <chrono>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "model/result.hpp"

namespace naru::bench {

double median(std::vector<double> values); ///< of none: 0
double minimum(std::span<const double> values);

/// The value that `share` of the samples do not exceed. Sorts them.
double percentile(std::vector<std::uint32_t>& samples, double share);

/// (largest - smallest) / smallest: how far the rounds of one thing lie apart.
double spread(std::span<const double> values);

/// Median over rounds of above / below, round by round: both sides of a pair saw the same machine.
double paired_ratio(std::span<const double> above, std::span<const double> below);

/// One thing to measure; each call gives one round's figure.
struct Subject {
    std::string name;
    std::function<Result<double>()> round;
};

struct Rounds {
    unsigned count = 7;
    unsigned retries = 3;      ///< repetitions of all rounds while the floor is restless
    double most_spread = 0.10; ///< of the floor
    std::chrono::steady_clock::time_point last_retry = std::chrono::steady_clock::time_point::max();
};

struct Measured {
    std::vector<std::vector<double>> rounds; ///< by subject
    double floor_spread = 0;
    unsigned attempts = 0;
    unsigned best = 0; ///< which attempt `rounds` are of, counted from 0
};

/// A B C A B C ...: the first subject is the floor. The quietest attempt is the one reported.
Result<Measured> interleave(std::span<const Subject> subjects, const Rounds& rounds);

} // namespace naru::bench
