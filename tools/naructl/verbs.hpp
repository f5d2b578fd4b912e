// The verbs: from what was read to a table. All pure, but for answer(), which does the reading.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "command_line.hpp"
#include "datapath/counters.hpp"
#include "pins.hpp"
#include "snapshot.hpp"
#include "table.hpp"

namespace naru::ctl {

/// The kernel's ticks: now, and in a second.
struct Clock {
    std::uint64_t now = 0;
    std::uint32_t hz = 250;

    std::uint64_t age_sec(std::uint64_t last_seen) const; ///< 0 for what lies ahead of an approximate clock

    /// Rounded up; nullopt: expired.
    std::optional<std::uint64_t> remaining_sec(std::uint64_t last_seen, std::uint64_t lifetime_sec) const;
};

Table services(const Snapshot& tables, const Filter& filter);
Table backends(const Snapshot& tables, const Filter& filter);

/// `service`: NS/NAME, NS/NAME:PORT or an ID. An Error names the nearest Service when there is none.
Result<Table> maglev(const Snapshot& tables, std::string_view service, const Filter& filter);

using AffinityRows = std::vector<std::pair<lb_affinity_key, lb_affinity>>;
Table affinity(const Snapshot& tables, const AffinityRows& rows, const Filter& filter, const Clock& clock);

/// One of lb_ct_tcp ("tcp"), lb_ct_any ("any") and lb_snat ("snat").
struct FlowTable {
    std::string name;
    std::vector<std::pair<lb_tuple, lb_ct>> rows;
};
Table ct(const Snapshot& tables, std::span<const FlowTable> flows, const Filter& filter, const Clock& clock,
         const lb_config& lifetimes);

Table metrics(std::span<const ReasonCount> counts);

struct MapUse {
    std::string name;
    std::uint64_t used = 0, capacity = 0;
};
struct AttachedProgram {
    std::string hook, device; ///< device: empty for cgroup hooks
};
struct Status {
    std::filesystem::path pins;
    lb_node node{};
    std::vector<MapUse> maps;
    std::uint64_t arena_used = 0;
    std::vector<AttachedProgram> programs;
};
Table status(const Status& status);

/// What the kernel remembers of a flow. `client`: the key under which affinity keeps it; absent: unknown.
struct Remembered {
    std::optional<lb_affinity_key> client;
    std::optional<lb_affinity> affinity;
    std::optional<lb_ct> entry;
};
lb_tuple tuple_of(const Flow& flow);
lb_frontend_key frontend_of(const Flow& flow);
Table explain(const Snapshot& tables, const Flow& flow, const Remembered& remembered, const Clock& clock);

struct Answer {
    Table table;
    std::vector<std::string> remarks; ///< for stderr
};
Result<Answer> answer(const Options& options, const Maps& maps);

/// Lifetimes of flows as the programs are loaded with: they are no part of what is pinned.
lb_config default_lifetimes();

/// What answer() will read for this verb.
Need need_of(Verb verb);

} // namespace naru::ctl
