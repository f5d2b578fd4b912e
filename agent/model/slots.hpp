// The slots of a service, filled as its algorithm reads them: a hash table, a round of turns, or a list to
// compare.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "algorithm.hpp"
#include "lb/abi.h"
#include "maglev.hpp"
#include "select.hpp"

namespace naru {

/// Slot -> position. `chosen` is sorted by `at` without duplicates; those of weight 0 get no slot. `serving`:
/// all backends of the service, which a hash table is as large for.
std::vector<std::uint16_t> slots_for(lb_algorithm algorithm, std::span<const Weighted> chosen,
                                     std::size_t serving, std::uint32_t seed);

/// At most how many slots that makes.
std::size_t slot_count(lb_algorithm algorithm, std::span<const Backend> backends);

/// One round of weighted turns, the heaviest first: an index into `weights` for each turn. A round in which
/// the shares are exact has as many turns as the weights have together, divided by what divides them all;
/// where that is more than `most`, weights are rounded to shares of a shorter one, and nobody's to none.
std::vector<std::size_t> weighted_round(std::span<const std::uint16_t> weights, std::size_t most);

/// Turns that a round of so many backends may have.
std::size_t longest_round(std::size_t backends);

} // namespace naru
