#include "loads.hpp"

#include <algorithm>
#include <vector>

#include "table.hpp"

namespace naru {

namespace {

using Loads = Table<std::uint32_t, lb_load>;

Loads table_of(const Maps& maps) { return {maps.loads.get(), "lb_loads"}; }

} // namespace

lb_load corrected(const lb_load& before, const lb_load& after, std::uint64_t seen)
{
    const auto held =
        static_cast<std::int64_t>(after.opened - after.closed); // ends without a beginning: below 0
    const auto began = static_cast<std::int64_t>(after.opened - before.opened);
    const auto ended = static_cast<std::int64_t>(after.closed - before.closed);
    const auto found = static_cast<std::int64_t>(seen);
    const auto real = std::clamp(held, std::max<std::int64_t>(found - ended, 0), found + began);
    auto right = after;
    if (real > held)
        right.opened += static_cast<std::uint64_t>(real - held);
    else
        right.closed += static_cast<std::uint64_t>(held - real);
    return right;
}

Result<> LoadCensus::begin()
{
    if (!maps_.loads)
        return {};
    for (auto generation : compared_)
        counts_.try_emplace(generation);
    std::vector<std::uint32_t> stale;
    auto read = table_of(maps_).for_each([&](std::uint32_t generation, const lb_load& load) {
        if (auto at = counts_.find(generation); at != counts_.end())
            at->second.before = load;
        else
            stale.push_back(generation);
    });
    if (!read)
        return read;
    for (auto generation : stale)
        if (auto erased = table_of(maps_).erase(generation); !erased)
            return erased;
    return {};
}

void LoadCensus::saw(std::uint32_t generation)
{
    if (auto at = counts_.find(generation); at != counts_.end())
        ++at->second.seen;
}

/// Between reading a counter and writing it a connection may begin or end unseen; the next walk finds it.
Result<std::size_t> LoadCensus::settle()
{
    std::size_t wrong = 0;
    for (const auto& [generation, count] : counts_) {
        auto now = table_of(maps_).get(generation);
        if (!now)
            return std::unexpected{now.error()};
        const auto after = now->value_or(lb_load{});
        const auto right = corrected(count.before, after, count.seen);
        if (right.opened == after.opened && right.closed == after.closed)
            continue;
        if (auto written = table_of(maps_).put(generation, right); !written)
            return std::unexpected{written.error()};
        ++wrong;
    }
    return wrong;
}

} // namespace naru
