// Deletes flow entries whose time has passed and tombstones nobody uses, some at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "lb/abi.h"
#include "maps.hpp"
#include "model/result.hpp"

namespace naru {

struct SweepResult {
    std::size_t seen = 0;
    std::size_t deleted = 0;
    std::size_t tombstones = 0; ///< still standing
    std::size_t corrected = 0;  ///< backends whose number of connections was not what the tables hold
};

/// One pass over ct, snat, affinity and sock_udp with the lifetimes of `config` at `now_jiffies`; then
/// removes tombstones (frontend rows) that no live connection needs. An entry that is used again meanwhile may
/// be lost only if it had expired. The connections of `compared` (generations of backends whose load decides,
/// sorted) are counted on the way, see loads.hpp.
Result<SweepResult> sweep(const Maps& maps, const lb_config& config, std::uint64_t now_jiffies,
                          std::span<const std::uint32_t> compared = {});

} // namespace naru
