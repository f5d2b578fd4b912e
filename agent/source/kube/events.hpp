// Which Events are written, when and how often: what client-go's correlator does, in the small. Does no I/O:
// occurrences and answers go in, requests come out, and a test is a table.
#pragma once

#include <chrono>
#include <list>
#include <map>
#include <optional>
#include <string>

#include "client.hpp"
#include "event_body.hpp"

namespace naru::kube {

/// So many at once, and one more each `refill`.
class TokenBucket {
public:
    using Time = std::chrono::steady_clock::time_point;

    TokenBucket(unsigned burst, std::chrono::seconds refill, Time now);
    bool take(Time now);
    bool full(Time now) const;

private:
    void fill(Time now);

    unsigned burst_;
    std::chrono::seconds refill_;
    unsigned tokens_;
    Time since_; ///< the next token comes `refill_` later
};

struct EventLimits {
    unsigned service_burst = 25; ///< as client-go's spam filter
    std::chrono::seconds service_refill{300};
    unsigned burst = 100;
    std::chrono::seconds refill{1};
    std::size_t queue = 256;       ///< one more, and the oldest is dropped
    std::size_t remembered = 4096; ///< one more, and the one not seen for longest is forgotten
    unsigned tries = 3;
    /// What all nodes say they say one after another, so that the API server is not asked by all at once.
    std::chrono::milliseconds spread{5000};
};

struct EventStats {
    std::uint64_t created = 0;
    std::uint64_t repeated = 0; ///< told again by a patch
    std::uint64_t shared = 0;   ///< another node had told it
    std::uint64_t dropped = 0;  ///< above a limit
    std::uint64_t failed = 0;   ///< refused, or without an answer
};

class EventLog {
public:
    using Time = std::chrono::steady_clock::time_point;
    struct Now {
        Time time;
        std::int64_t unix_sec = 0;
    };

    explicit EventLog(std::string node, EventLimits limits = {});

    void tell(const Occurrence& occurrence, Now now);

    /// When take() has something; nullopt: nothing waits.
    std::optional<Time> next() const;
    /// The request to send now. Its answer comes before the next take().
    std::optional<Request> take(Time now);

    struct Answer {
        unsigned status = 0; ///< 0: none
        std::optional<std::chrono::milliseconds> retry_after{};
    };
    /// False: it was given up.
    bool answered(const Answer& answer, Time now);

    const EventStats& stats() const { return stats_; }

private:
    struct Record {
        Occurrence what;
        Sightings seen;
        bool ours = false; ///< the API server has it from us: it can be patched
        bool waits = false;
        std::list<std::string>::iterator place; ///< in recent_
    };
    struct Item {
        std::string name;
        unsigned tries = 0;
        bool patch = false;
    };

    Record& remember(const std::string& name, const Occurrence& occurrence, Now now);
    bool allowed(const ObjectKey& service, Time now);
    void enqueue(Item item, Time due);
    bool try_again(Item item, Time due);

    std::string node_;
    EventLimits limits_;
    std::chrono::milliseconds delay_;
    std::map<std::string, Record> records_;
    std::list<std::string> recent_; ///< names in records_, the one seen last at the end
    std::multimap<Time, Item> queue_;
    std::optional<Item> taken_;
    std::map<ObjectKey, TokenBucket> per_service_;
    std::optional<TokenBucket> all_;
    EventStats stats_;
};

} // namespace naru::kube
