// What was measured, as rows, and how they are shown: text for people, JSON for tools.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "machine.hpp"
#include "stats.hpp"

namespace naru::bench {

struct Series {
    std::string name;
    std::vector<double> rounds;
};

/// `subject` over `over` shall not exceed `limit`; without `over` the subject's own median.
struct Target {
    std::string subject;
    std::string over;
    double limit = 0;
};

/// One case: several things measured in turns.
struct Row {
    std::string group;
    std::string title;
    std::string unit;
    std::vector<Series> series;        ///< the first is the floor
    std::string subject;               ///< whose ratios are shown
    std::vector<std::string> compared; ///< against these
    std::vector<Target> targets;
    double floor_spread = 0;
    unsigned attempts = 1;
    std::string note;

    const Series* find(const std::string& name) const;
};

struct Verdict {
    double value = 0;
    bool met = false;
};
Verdict judge(const Row& row, const Target& target);

/// A group's rows share their columns.
struct Report {
    Machine machine;
    std::vector<Row> rows;
    std::vector<std::string> remarks; ///< what was left out and why
    double most_spread = 0.10;
    bool quick = false; ///< too short to be judged

    bool all_met() const;
    std::vector<const Row*> restless() const; ///< rows whose floor spread too far
};

/// A row from a measurement.
Row make_row(std::string group, std::string title, std::string unit, const std::vector<Subject>& subjects,
             Measured measured);

std::string text(const Report& report);
std::string json(const Report& report);

} // namespace naru::bench
