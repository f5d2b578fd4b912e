// From a service row to the bytes of its block: stable positions, generations, slots, arena space.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <utility>
#include <vector>

#include "slots.hpp"
#include "tables.hpp"

namespace naru {

/// The next value for newly filled rows; the caller keeps the counter in a pinned map.
class Generations {
public:
    explicit Generations(std::uint32_t next) : next_{next ? next : 1} {}
    std::uint32_t take() { return next_ == UINT32_MAX ? (next_ = 1, UINT32_MAX) : next_++; }
    std::uint32_t next() const { return next_; }

private:
    std::uint32_t next_;
};

/// What a block takes in the arena, padded to LB_BLOCK_ALIGN.
std::size_t block_bytes(std::size_t rows, std::size_t slots);

/// A block as values: what the kernel holds for one service.
struct Block {
    std::vector<lb_backend> rows; ///< by position; all zero: vacant; the last one is never vacant
    std::vector<std::uint16_t> slots;
    std::uint32_t affinity_timeout_sec = 0;
    std::uint32_t affinity_epoch = 0;
    std::uint16_t flags = 0;
    lb_algorithm algorithm = LB_ALGORITHM_DEFAULT;
    std::uint16_t first_local = 0; ///< see lb_block

    std::size_t bytes() const; ///< padded to LB_BLOCK_ALIGN
};

/// The block `row` should have, given what is installed. Survivors keep position and generation; others fill
/// vacant positions with fresh generations. Refused (nullopt) above LB_MAX_ROWS backends.
/// `sibling`: the installed block of the other scope of one Service port. A backend of both has one position
/// and one generation in both, so that a flow finds it by whichever set its frontend names.
std::optional<Block> place(const Block* installed, const ServiceRow& row, Generations& generations,
                           std::uint32_t seed, const Block* sibling = nullptr);

Forwarding forwarding_of(const Block& block);

/// Same header, rows and slots: nothing to publish.
bool operator==(const Block& a, const Block& b);

/// The exact bytes in the arena.
std::vector<std::byte> encode(const Block& block, std::uint32_t service_number);
void encode(const Block& block, std::uint32_t service_number,
            std::span<std::byte> into); ///< block.bytes() of them

/// Reads a block back; nullopt when header, bounds or slots contradict each other.
std::optional<Block> decode(std::span<const std::byte> bytes, std::uint32_t service_number,
                            lb_service record);

/// Free space of the arena: best fit, lowest offset first, merged with its neighbours when freed. Offsets are
/// multiples of LB_BLOCK_ALIGN and never 0.
class ArenaSpace {
public:
    explicit ArenaSpace(std::uint32_t bytes);

    std::optional<std::uint32_t> take(std::size_t bytes);
    bool take_at(std::uint32_t offset,
                 std::size_t bytes); ///< adopt; false when out of bounds or already taken
    void give_back(std::uint32_t offset, std::size_t bytes);
    std::size_t used() const { return used_; }
    std::size_t capacity() const { return capacity_; }

private:
    void insert(std::uint32_t offset, std::uint32_t length);
    void remove(std::uint32_t offset, std::uint32_t length);

    std::map<std::uint32_t, std::uint32_t> free_; ///< offset -> length, disjoint, not adjacent
    std::set<std::pair<std::uint32_t, std::uint32_t>> by_length_; ///< the same as length, offset
    std::size_t used_ = 0;
    std::size_t capacity_ = 0;
};

} // namespace naru
