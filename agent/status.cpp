#include "status.hpp"

#include <set>
#include <utility>

#include <fmt/format.h>

#include "logging.hpp"

namespace naru {

Health health_of(const Sync& sync, const Attachments& attachments,
                 std::optional<WallClock::time_point> last_sync)
{
    Health health;
    health.now = WallClock::now();
    health.last_sync = last_sync;
    const auto steady_now = Sync::Clock::now();
    for (const auto family : {Family::v4, Family::v6})
        if (const auto since = sync.stuck_since(family))
            health.stuck_since[family == Family::v4 ? 0 : 1] =
                health.now - std::chrono::duration_cast<WallClock::duration>(steady_now - *since);
    if (!sync.synced())
        health.not_ready.push_back("the first sync is not complete");
    const auto& missing = attachments.missing();
    health.not_ready.insert(health.not_ready.end(), missing.begin(), missing.end());
    return health;
}

Metrics metrics_of(const Sync& sync, const Attachments& attachments,
                   std::optional<WallClock::time_point> last_sync)
{
    Metrics metrics;
    metrics.version = NARU_VERSION;
    metrics.sync = sync.stats();
    metrics.synced = sync.synced();
    metrics.last_sync = last_sync;
    metrics.hooks_missing = attachments.missing().size();
    return metrics;
}

void add_tables(Metrics& metrics, const Tables& installed, std::size_t tombstones, const Maps& maps)
{
    std::size_t ranges = 0;
    for (const auto& [id, row] : installed.services)
        ranges += row.source_ranges.size();
    metrics.maps = {{"lb_frontends", installed.frontends.size() + tombstones, LB_FRONTENDS_MAX},
                    {"lb_services", installed.services.size(), LB_SERVICES_MAX - 1},
                    {"lb_ranges", ranges, LB_RANGES_MAX}};
    if (auto counters = read_counters(maps))
        metrics.counters = std::move(*counters);
    else
        log(Level::warning, counters.error().message());
}

std::string ready_line(const Tables& installed, std::chrono::steady_clock::duration took)
{
    std::set<ObjectKey> services;
    for (const auto& [id, row] : installed.services)
        services.insert(id.key);
    return fmt::format("ready: {} services, {} frontends, in {} ms", services.size(),
                       installed.frontends.size(),
                       std::chrono::duration_cast<std::chrono::milliseconds>(took).count());
}

} // namespace naru
