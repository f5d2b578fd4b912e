// Consistent hashing after "Maglev: A Fast and Reliable Software Network Load Balancer" (NSDI 2016),
// section 3.4. Every node builds the same table from the same set: nothing but the backends' identity and
// weight goes in.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "address.hpp"

namespace naru {

/// Number of slots for `backends` serving endpoints: the smallest prime of a fixed ladder with 25 slots a
/// backend; 1 for one, 0 for none. A pure function, so that all nodes agree (performance.md 4, step 1).
std::uint16_t maglev_slots(std::size_t backends);

/// A backend that new flows may be given.
struct Weighted {
    SocketAddress at;
    std::uint16_t weight = 1; ///< share of turns; 0 takes none
    std::uint16_t position = 0;
};

/// Slot -> position. `backends` must be sorted by `at` without duplicates; empty when all weights are 0.
std::vector<std::uint16_t> maglev_table(std::span<const Weighted> backends, std::uint16_t slots,
                                        std::uint32_t seed);

} // namespace naru
