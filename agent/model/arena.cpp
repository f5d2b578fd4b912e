#include "layout.hpp"

#include <iterator>
#include <limits>

namespace naru {

namespace {

/// Whole units; nullopt when no 32-bit offset could hold it.
std::optional<std::uint32_t> rounded(std::size_t bytes)
{
    std::size_t units = (bytes + LB_BLOCK_ALIGN - 1) / LB_BLOCK_ALIGN;
    if (bytes == 0 || bytes > std::numeric_limits<std::uint32_t>::max() - LB_BLOCK_ALIGN)
        return std::nullopt;
    return static_cast<std::uint32_t>(units * LB_BLOCK_ALIGN);
}

} // namespace

/// The first unit is never given out: offset 0 means "no block".
ArenaSpace::ArenaSpace(std::uint32_t bytes)
{
    std::uint32_t whole = bytes / LB_BLOCK_ALIGN * LB_BLOCK_ALIGN;
    if (whole <= LB_BLOCK_ALIGN)
        return;
    capacity_ = whole - LB_BLOCK_ALIGN;
    insert(LB_BLOCK_ALIGN, whole - LB_BLOCK_ALIGN);
}

void ArenaSpace::insert(std::uint32_t offset, std::uint32_t length)
{
    free_.emplace(offset, length);
    by_length_.emplace(length, offset);
}

void ArenaSpace::remove(std::uint32_t offset, std::uint32_t length)
{
    free_.erase(offset);
    by_length_.erase({length, offset});
}

std::optional<std::uint32_t> ArenaSpace::take(std::size_t bytes)
{
    auto length = rounded(bytes);
    if (!length)
        return std::nullopt;
    auto fit = by_length_.lower_bound({*length, 0});
    if (fit == by_length_.end())
        return std::nullopt;
    auto [whole, offset] = *fit;
    remove(offset, whole);
    if (whole > *length)
        insert(offset + *length, whole - *length);
    used_ += *length;
    return offset;
}

bool ArenaSpace::take_at(std::uint32_t offset, std::size_t bytes)
{
    auto length = rounded(bytes);
    auto after = free_.upper_bound(offset);
    if (!length || offset % LB_BLOCK_ALIGN != 0 || after == free_.begin())
        return false;
    auto [start, whole] = *std::prev(after);
    std::uint64_t end = std::uint64_t{offset} + *length, free_end = std::uint64_t{start} + whole;
    if (end > free_end)
        return false;
    remove(start, whole);
    if (offset > start)
        insert(start, offset - start);
    if (end < free_end)
        insert(static_cast<std::uint32_t>(end), static_cast<std::uint32_t>(free_end - end));
    used_ += *length;
    return true;
}

void ArenaSpace::give_back(std::uint32_t offset, std::size_t bytes)
{
    auto length = rounded(bytes);
    if (!length)
        return;
    used_ -= *length;
    std::uint32_t start = offset, total = *length;
    if (auto next = free_.find(offset + *length); next != free_.end()) {
        auto [next_offset, next_length] = *next;
        remove(next_offset, next_length);
        total += next_length;
    }
    if (auto next = free_.upper_bound(offset); next != free_.begin()) {
        auto [before, before_length] = *std::prev(next);
        if (before + before_length == offset) {
            remove(before, before_length);
            start = before;
            total += before_length;
        }
    }
    insert(start, total);
}

} // namespace naru
