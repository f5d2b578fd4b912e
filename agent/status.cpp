#include "status.hpp"

#include <algorithm>
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
    health.node_eligible = sync.view().node.eligible;
    if (!sync.synced())
        health.not_ready.push_back("the first sync is not complete");
    if (!attachments.started())
        health.not_ready.push_back("the programs are not attached yet");
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

void add_watches(Metrics& metrics, const kube::Source& source)
{
    metrics.relist_guard_active = source.guarding();
    for (const auto resource : kube::Source::resources) {
        const auto& stats = source.stats(resource);
        metrics.watches.push_back({.resource = std::string{kube::name_of(resource)},
                                   .connected = stats.connected,
                                   .lists = stats.lists,
                                   .failures = stats.failures,
                                   .events = stats.events,
                                   .rejected = stats.rejected,
                                   .restarts = {stats.restarts.begin(), stats.restarts.end()}});
    }
}

void add_events(Metrics& metrics, const kube::EventStats& stats)
{
    metrics.events = {.created = stats.created,
                      .repeated = stats.repeated,
                      .shared = stats.shared,
                      .dropped = stats.dropped,
                      .failed = stats.failed};
}

void add_tables(Metrics& metrics, const Kernel& kernel, std::size_t tombstones, const UdpGone& udp_gone,
                const Maps& maps)
{
    const auto& installed = kernel.installed();
    std::size_t ranges = 0;
    for (const auto& [id, row] : installed.services)
        ranges += row.source_ranges.size();
    metrics.maps = {{"lb_frontends", installed.frontends.size() + tombstones, LB_FRONTENDS_MAX},
                    {"lb_services", installed.services.size(), LB_SERVICES_MAX - 1},
                    {"lb_ranges", ranges, LB_RANGES_MAX},
                    {"lb_udp_gone", udp_gone.backends(), LB_UDP_GONE_MAX},
                    {"lb_arena", kernel.arena_used(), kernel.arena_capacity()}};
    metrics.udp_sockets_ended = udp_gone.sockets_ended();
    if (auto counters = read_counters(maps))
        metrics.counters = std::move(*counters);
    else
        log(Level::warning, counters.error().message());
}

std::string summary(const Tables& installed)
{
    std::set<ObjectKey> services;
    for (const auto& [id, row] : installed.services)
        services.insert(id.key);
    const auto frontends = std::ranges::count_if(
        installed.frontends, [](const auto& entry) { return entry.first.protocol.has_value(); });
    return fmt::format("{} services, {} frontends", services.size(), frontends);
}

} // namespace naru
