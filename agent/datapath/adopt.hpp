// Reads the agent-owned tables back. They are input like any other: what does not fit together is not
// adopted.
#pragma once

#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "lazy_mapping.hpp"
#include "maps.hpp"
#include "model/layout.hpp"
#include "model/tables.hpp"
#include "numbers.hpp"

namespace naru {

/// A service as the kernel holds it.
struct Held {
    std::uint32_t number = 0;
    lb_service record{};         ///< leads to its block, which is in the arena only
    std::uint32_t frontends = 0; ///< sides of frontend rows that name it

    std::size_t block_size() const { return block_bytes(record.rows, record.slots); }
};

/// Everything that is in the tables and what is still free.
struct Contents {
    Tables tables;
    std::unordered_map<ServiceId, Held, ServiceId::Hash> held; ///< the same keys as tables.services
    ArenaSpace space;
    Numbers numbers;
    Generations generations;
    std::size_t ranges = 0; ///< rows of lb_ranges
};

/// lb_services in this process's memory.
struct Records {
    std::span<std::uint64_t> words; ///< by service number

    lb_service record(std::uint32_t number) const;
    /// One aligned store: programs see the old record or the new one.
    void publish(std::uint32_t number, lb_service record) const;
};

struct Adoption {
    Contents contents;
    bool withdrew =
        false; ///< records were taken away: their blocks and numbers may still be in use for a moment
};

/// Rows that fit together become `contents`; the others are removed from the maps and named in `findings`. A
/// frontend without its service leaves a tombstone, so that its established flows go on.
Result<Adoption> adopt(const Maps& maps, LazyMapping& arena, const Records& records,
                       std::vector<std::string>& findings);

} // namespace naru
