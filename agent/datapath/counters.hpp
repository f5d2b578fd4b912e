// What the programs counted: one row for each hook and reason, summed over CPUs.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "maps.hpp"

namespace naru {

struct ReasonCount {
    std::string_view hook;     ///< "sock", "tc_ingress", "tc_egress"
    std::string_view reason;   ///< key of reason.h: "no_backend"
    std::string_view meaning;  ///< for people
    std::uint64_t packets = 0; ///< socket calls on "sock"
    std::uint64_t bytes = 0;
};

/// All hooks and reasons in the order of reason.h, those that never happened included.
Result<std::vector<ReasonCount>> read_counters(const Maps& maps);

} // namespace naru
