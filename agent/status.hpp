// What the agent tells about itself: gathered here, put into words and numbers by serve/.
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "attachments.hpp"
#include "datapath/kernel.hpp"
#include "datapath/udp_gone.hpp"
#include "serve/health.hpp"
#include "serve/metrics.hpp"
#include "source/kube/events.hpp"
#include "source/kube/source.hpp"
#include "sync.hpp"

namespace naru {

using WallClock = std::chrono::system_clock;

Health health_of(const Sync& sync, const Attachments& attachments,
                 std::optional<WallClock::time_point> last_sync);

/// Without tables, counters and attachments.
Metrics metrics_of(const Sync& sync, const Attachments& attachments,
                   std::optional<WallClock::time_point> last_sync);

/// Adds how well the API server is followed.
void add_watches(Metrics& metrics, const kube::Source& source);

/// Adds what became of the Events.
void add_events(Metrics& metrics, const kube::EventStats& stats);

/// Adds how full the agent's own maps are, and what the programs counted.
void add_tables(Metrics& metrics, const Kernel& kernel, std::size_t tombstones, const UdpGone& udp_gone,
                const Maps& maps);

/// "3 services, 7 frontends", as people count them: Services, and addresses with a port.
std::string summary(const Tables& installed);

} // namespace naru
