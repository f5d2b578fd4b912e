// Connections of backends, set right. Programs count where they see one begin and end (struct lb_load); what
// the LRU evicts and what expires they do not see, nor what was there before the Service's algorithm compared
// loads.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>

#include "lb/abi.h"
#include "maps.hpp"
#include "model/result.hpp"

namespace naru {

/// What the counters should say, given what they said before and after a walk through the tables that `seen`
/// open connections were found on. Those that began and ended meanwhile may have been seen or not: so much is
/// left as it is.
lb_load corrected(const lb_load& before, const lb_load& after, std::uint64_t seen);

/// One walk.
class LoadCensus {
public:
    /// `compared`: sorted generations; it must outlive this.
    LoadCensus(const Maps& maps, std::span<const std::uint32_t> compared) : maps_{maps}, compared_{compared}
    {
    }

    bool empty() const { return compared_.empty(); } ///< no service compares loads
    Result<> begin();
    void saw(std::uint32_t generation); ///< an open connection
    /// Corrects the counters, and deletes those of backends that are not compared. How many were wrong.
    Result<std::size_t> settle();

private:
    struct Count {
        lb_load before{};
        std::uint64_t seen = 0;
    };

    const Maps& maps_;
    std::span<const std::uint32_t> compared_;
    std::map<std::uint32_t, Count> counts_;
};

} // namespace naru
