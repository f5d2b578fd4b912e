// Holds back what a suspiciously small list would take away: an API server on an empty or rolled-back etcd
// answers a valid list with nearly nothing in it. One guard for each kind of list. Pure: keys and time come
// in, what to keep comes out.
#pragma once

#include <chrono>
#include <cstddef>
#include <map>
#include <optional>
#include <set>
#include <string>

#include "service.hpp"

namespace naru {

/// `--relist-guard`: what one list may take away without a second one that agrees.
struct RelistLimits {
    bool on = true;
    unsigned percent = 50;  ///< of what there was
    std::size_t count = 10; ///< up to this many go whatever the share

    std::string text() const; ///< "50%,10" or "off"
    friend bool operator==(const RelistLimits&, const RelistLimits&) = default;
};

class RelistGuard {
public:
    using Time = std::chrono::steady_clock::time_point;

    /// How long a removal waits before a second list may confirm it.
    static constexpr std::chrono::seconds confirm_after{30};

    struct Verdict {
        /// Not in the list and kept all the same, as they are. Everything else of the list holds: what it
        /// adds and changes, and all other removals. Empty: nothing is kept.
        std::set<ObjectKey> held;
        std::string alarm; ///< a line for a person when an alarm begins, grows or ends; else empty
    };

    /// `what` names the listed things in the plural: "Services".
    RelistGuard(std::string what, RelistLimits limits);

    /// `before`: what was known when the list arrived, what an earlier verdict kept included. For the first
    /// list of a process that is what the installed tables hold. `after`: what the list has. `consistent`: it
    /// was asked for with an empty resourceVersion, so no cache that lags behind answered it.
    ///
    /// A removal is believed when the list takes away no more than the limits allow, or when an earlier list,
    /// at least `confirm_after` ago, lacked the same key and this one is consistent. Lists agree key by key:
    /// a second list that lacks still more confirms what the first one lacked, and the rest waits for a third
    /// unless it is no more than the number that may always go.
    Verdict judge(const std::set<ObjectKey>& before, const std::set<ObjectKey>& after, bool consistent,
                  Time now);

    /// A watch event about `key`: it says more than the list did. Deletions one by one are always believed.
    void told(const ObjectKey& key);

    /// When to list again, with an empty resourceVersion; nullopt: nothing is held.
    std::optional<Time> relist_at() const;

    bool alarming() const { return !held_.empty(); }
    std::size_t held() const { return held_.size(); }

private:
    bool suspicious(std::size_t missing, std::size_t confirmed, std::size_t before) const;
    std::string alarm(std::size_t confirmed, std::size_t before, std::size_t held_before) const;

    std::string what_;
    RelistLimits limits_;
    std::map<ObjectKey, Time> held_; ///< since when a list lacks it
};

} // namespace naru
