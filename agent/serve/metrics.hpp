// The /metrics page: numbers in, Prometheus text out.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "datapath/counters.hpp"
#include "datapath/datapath.hpp"
#include "sync.hpp"

namespace naru {

struct MapUse {
    std::string map;
    std::size_t used = 0;
    std::size_t capacity = 0;
};

/// One resource of an API server, as its watch counts.
struct WatchUse {
    std::string resource; ///< "services"
    bool connected = false;
    std::uint64_t lists = 0, failures = 0, events = 0, rejected = 0;
    std::map<std::string, std::uint64_t> restarts{}; ///< by reason
};

/// v1 Events on Services.
struct EventUse {
    std::uint64_t created = 0, repeated = 0, shared = 0, dropped = 0, failed = 0;
};

struct Metrics {
    std::string version;
    SyncStats sync;
    bool synced = false;
    std::optional<std::chrono::system_clock::time_point> last_sync;
    std::vector<Attachment> attachments;
    std::size_t hooks_missing = 0;
    std::size_t health_listening = 0; ///< listeners of healthCheckNodePorts
    std::size_t health_failed = 0;
    std::vector<MapUse> maps;
    std::uint64_t udp_sockets_ended = 0;
    bool relist_guard_active = false;
    std::vector<WatchUse> watches; ///< none when manifests are the source
    std::optional<EventUse> events;
    std::vector<ReasonCount> counters;
};

std::string prometheus_text(const Metrics& metrics);

} // namespace naru
