#include "maglev.hpp"

#include <algorithm>
#include <array>

#include "lb/hash.h"

namespace naru {

namespace {

constexpr std::size_t slots_per_backend = 25;

/// Primes just below the powers of two: a skip of any size walks through all slots.
constexpr std::array<std::uint16_t, 11> ladder{61,   127,  251,   509,   1021,        2039,
                                               4093, 8191, 16381, 32749, LB_MAX_SLOTS};

constexpr std::uint16_t unowned = UINT16_MAX;
static_assert(LB_MAX_ROWS <= unowned);

/// A backend's own order of preference over all slots.
struct Walk {
    std::uint32_t next;
    std::uint32_t skip;
    std::uint32_t credit = 0;
    std::uint16_t weight;
    std::uint16_t position;
};

Walk walk_of(const Weighted& backend, std::uint16_t slots, std::uint32_t seed)
{
    auto addr = backend.at.address.raw();
    std::uint64_t identity = lb_hash_backend(&addr, backend.at.port.raw(), seed);
    auto high = static_cast<std::uint32_t>(identity >> 32), low = static_cast<std::uint32_t>(identity);
    return {.next = high % slots,
            .skip = slots > 1 ? low % (slots - 1u) + 1 : 0,
            .weight = backend.weight,
            .position = backend.position};
}

} // namespace

std::uint16_t maglev_slots(std::size_t backends)
{
    if (backends <= 1)
        return static_cast<std::uint16_t>(backends);
    for (auto prime : ladder)
        if (prime >= slots_per_backend * backends)
            return prime;
    return ladder.back();
}

std::vector<std::uint16_t> maglev_table(std::span<const Weighted> backends, std::uint16_t slots,
                                        std::uint32_t seed)
{
    std::vector<Walk> walks;
    walks.reserve(backends.size());
    std::uint32_t heaviest = 0;
    for (const auto& backend : backends) {
        if (backend.weight == 0 || slots == 0)
            continue;
        walks.push_back(walk_of(backend, slots, seed));
        heaviest = std::max<std::uint32_t>(heaviest, backend.weight);
    }
    if (walks.empty())
        return {};

    // In turns; the heaviest takes a slot each round, a lighter one when its credit reaches a whole turn.
    std::vector<std::uint16_t> table(slots, unowned);
    for (std::uint32_t left = slots;;) {
        for (auto& walk : walks) {
            walk.credit += walk.weight;
            if (walk.credit < heaviest)
                continue;
            walk.credit -= heaviest;
            auto at = walk.next;
            while (table[at] != unowned) {
                at += walk.skip;
                at = at >= slots ? at - slots : at;
            }
            table[at] = walk.position;
            walk.next = at;
            if (--left == 0)
                return table;
        }
    }
}

} // namespace naru
