// From dirty Services to ordered changes. Keeps what each Service wants; what is installed comes in with
// every call, so a restart, a repair and a retry are all the same comparison. Pure: nothing here does I/O.
#pragma once

#include <functional>
#include <map>
#include <set>
#include <span>
#include <unordered_map>
#include <vector>

#include "claims.hpp"
#include "diff.hpp"
#include "endpoint_index.hpp"
#include "health_checks.hpp"
#include "result.hpp"
#include "store.hpp"

namespace naru {

/// Rows the tables have room for. A Service that does not fit is refused as a whole.
struct Capacity {
    std::size_t services = LB_SERVICES_MAX - 1; ///< number 0 is never used
    std::size_t frontends = LB_FRONTENDS_MAX;
    std::size_t ranges = LB_RANGES_MAX;
    std::size_t arena = SIZE_MAX; ///< bytes of blocks; see arena_room()
};

/// What of an arena may be planned: the rest is for blocks that are being replaced, which lie beside their
/// successors for a while, and for gaps between blocks.
constexpr std::size_t arena_room(std::size_t bytes) { return bytes - bytes / 8; }

struct Plan {
    std::vector<Change> changes; ///< in the order of diff()
    std::vector<Notice> notices; ///< each told once, when it begins
    std::set<Port> health_ports; ///< changed, as HealthChecks::replace() says
};

class Planner {
public:
    explicit Planner(Capacity capacity = {}) : capacity_{capacity} {}

    /// Recomputes the Services in `dirty`, which is sorted, and answers what must be written for them. The
    /// cost follows the size of these Services, not the number of all. Call it once every source has listed.
    /// Until settle() it never erases.
    Plan update(const Store& store, const std::vector<ObjectKey>& dirty, const NodeView& view,
                const Tables& installed);

    /// The sources have told everything: from now on what nobody wants is erased, leftovers of an earlier run
    /// included. They come with the next remaining().
    void settle(const Tables& installed);

    /// What was planned and does not hold yet: failed changes, and erases held back until settle(). Empty
    /// when all is well. Compares only rows planned since they last held, so it is cheap to call after every
    /// update.
    std::vector<Change> remaining(const Tables& installed);

    Tables wanted() const; ///< what all Services want together
    const Claims& claims() const { return claims_; }
    const HealthChecks& health_checks() const { return health_checks_; }
    const std::set<ObjectKey>& refused() const { return refused_; } ///< no room for them

private:
    /// Keys of rows to be compared.
    struct Touched {
        std::vector<ServiceId> services;
        std::vector<FrontendKey> frontends;

        void add(Touched other);
        void sort(); ///< each once
    };

    void recompute(const Store& store, const ObjectKey& key, const NodeView& view, Plan& plan,
                   Touched& touched);
    void tell(const ObjectKey& key, const std::vector<Notice>& notices, std::vector<Notice>& fresh);
    bool fits(const ObjectKey& key, const Desired& next) const;
    void protect(const Store& store, const NodeView& view, Plan& plan, Touched& touched);
    void adopt(const std::vector<FrontendChange>& changes, Touched& touched);
    void want(const ObjectKey& key, Desired next, std::vector<Notice>& notices, Touched& touched);
    const ServiceRows& services_of(const ObjectKey& key) const;
    const ServiceRow* wanted(const ServiceId& id) const;
    std::vector<Change> changes(const Touched& touched, const Tables& installed) const;

    Capacity capacity_;
    Claims claims_;
    HealthChecks health_checks_;
    EndpointIndex endpoints_;
    std::set<ObjectKey> endpoints_in_doubt_; ///< a Service's address came or went where they have an endpoint
    std::unordered_map<ObjectKey, ServiceRows, ObjectKey::Hash> services_; ///< what each wants, if anything
    std::size_t service_rows_ = 0;                                         ///< in services_
    std::size_t ranges_ = 0;                                               ///< source ranges in services_
    std::size_t arena_ = 0;                                                ///< bytes of their blocks
    bool settled_ = false;
    Touched pending_; ///< sorted
    std::set<ObjectKey> refused_;
    std::map<ObjectKey, std::set<Notice>> told_;
};

/// A change that did not happen, and why.
struct Failure {
    Change change;
    Error error;
};

/// Makes changes in their order until one fails.
using Apply = std::function<Progress(std::span<const Change>)>;

/// For tables that take one change at a time.
Apply one_by_one(std::function<Result<>(const Change&)> apply);

/// Applies `changes` in their order; `installed` is what apply changes. A Service one of whose backend sets
/// failed gets no new frontend, so that nothing of it is served half. A service that a frontend still names,
/// because its change failed, is not erased. Puts that failed are tried once more after the erases, which may
/// have made room. What was left out without an error comes back with Planner::remaining().
std::vector<Failure> carry_out(const std::vector<Change>& changes, const Tables& installed,
                               const Apply& apply);

} // namespace naru
