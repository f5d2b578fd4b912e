// The loop's step: dirty Services become changes, changes go into the tables, and what fails stays pending
// and is tried again. Knows neither sockets nor clocks: time comes in, the tables are reached through two
// functions.
#pragma once

#include <array>
#include <chrono>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "model/plan.hpp"

namespace naru {

/// Where changes go: naru's Kernel, or a value in a test.
struct Installer {
    std::function<const Tables&()> installed;
    Apply apply;
};

/// What one step did, and what a person should hear of it.
struct SyncReport {
    std::size_t applied = 0;
    std::vector<Notice> notices;      ///< each told once, when it begins
    std::vector<Notice> failures;     ///< one for each Service, told when it begins or its reason changes
    std::vector<ObjectKey> recovered; ///< failed before, hold now
    std::set<Port> health_ports;      ///< changed, as HealthChecks::replace() says
};

/// For metrics and health answers.
struct SyncStats {
    std::uint64_t steps = 0;
    std::uint64_t applied = 0;                    ///< changes
    std::uint64_t failed = 0;                     ///< tries of changes
    std::map<std::string, std::uint64_t> notices; ///< by reason
    std::size_t pending = 0;                      ///< changes that do not hold yet
    std::size_t refused = 0;                      ///< Services without room in the tables
    std::size_t conflicts = 0;                    ///< frontends wanted by more than one Service
};

class Sync {
public:
    using Clock = std::chrono::steady_clock;

    Sync(Installer installer, NodeView view, Capacity capacity = {});

    /// A source's way to the objects: what `edit` does to them is carried out by the next step.
    void change(const std::function<void(Store&)>& edit);
    /// The objects are now exactly these. An absent Node keeps the last one.
    void replace(Snapshot snapshot);
    /// What stands in for the Node object until there is one.
    void set_fallback_node(Node node);
    void set_interface_addresses(std::set<Address> addresses);

    /// Every source has completed its first listing. Before this step() does nothing: a partial picture must
    /// neither add half a Service nor remove what an earlier run installed. Not `complete`: something of it
    /// could not be read, so what nobody seems to want stays until all is known.
    void settle(bool complete = true);

    SyncReport step(Clock::time_point now);

    /// When step() is next needed without a new event; nullopt: nothing waits.
    std::optional<Clock::time_point> next_retry() const;

    /// Settled, and every change has been applied or refused for a reason. Stays true once it was
    /// reached.
    bool synced() const { return synced_; }
    const Service* service(const ObjectKey& key) const { return store_.service(key); }
    bool has_node() const { return store_.node().has_value(); }
    const NodeView& view() const { return view_; }
    const HealthChecks& health_checks() const { return planner_.health_checks(); }
    const Claims& claims() const { return planner_.claims(); }
    const SyncStats& stats() const { return stats_; }
    /// Since when a change of this family fails for another reason than a refusal, such as lack of
    /// room; nullopt: none does.
    std::optional<Clock::time_point> stuck_since(Family family) const;

private:
    struct Retry {
        Clock::time_point since;
        Clock::time_point next;
        std::chrono::milliseconds delay{};
        std::string told;
        std::array<bool, 2> stuck{}; ///< IPv4, IPv6
    };

    void set_view(NodeView view);
    void carry(const std::vector<Change>& changes, Clock::time_point now, SyncReport& report);
    void note(const Failure& failure, Clock::time_point now, SyncReport& report);
    std::vector<Change> due(std::vector<Change> changes, Clock::time_point now) const;
    void schedule(const std::vector<Change>& rest, Clock::time_point now, SyncReport& report);
    ObjectKey owner(const Change& change) const;

    Installer installer_;
    NodeView view_;
    std::optional<Node> fallback_node_;
    Store store_;
    Planner planner_;
    SyncStats stats_;
    std::map<ObjectKey, Retry> retries_;
    bool listed_ = false;
    bool complete_ = false;
    bool settled_ = false;
    bool synced_ = false;
};

} // namespace naru
