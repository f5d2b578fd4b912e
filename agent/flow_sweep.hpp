// Old flow entries go, again and again; what keeps that from happening is told once.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "datapath/maps.hpp"
#include "datapath/sweep.hpp"

namespace naru {

class FlowSweep {
public:
    /// `config`: the constants of the programs.
    FlowSweep(const Maps& maps, const lb_config& config) : maps_{maps}, config_{config} {}

    /// Flows are judged by the tables, which must be complete. `compared`: see sweep().
    void run(std::span<const std::uint32_t> compared);

    const SweepResult& last() const { return last_; }

private:
    const Maps& maps_;
    lb_config config_;
    SweepResult last_;
    std::string told_;
};

} // namespace naru
