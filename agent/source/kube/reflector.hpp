// Decides what to ask the API server next about one resource. Does no I/O: answers go in, steps come out, and
// a test is a table of answers. Protocol: Kubernetes API concepts "Efficient detection of changes", KEP-3157.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "object.hpp"

namespace naru::kube {

class Reflector {
public:
    using Time = std::chrono::steady_clock::time_point;
    using Delay = std::chrono::milliseconds;

    enum class Mode {
        watch_list, ///< one stream: all objects, a bookmark, then changes
        list,       ///< one answer or several pages
        watch,      ///< changes only
    };

    struct Step {
        Mode mode = Mode::watch_list;
        std::string version{};        ///< resourceVersion to send; may be empty
        std::string continue_token{}; ///< of a further page
        Delay delay{0};               ///< wait this long first

        friend bool operator==(const Step&, const Step&) = default;
    };

    /// What an event of a stream means for the store.
    enum class Effect {
        collect, ///< part of the initial set: put it aside
        replace, ///< the initial set is complete: it becomes the store
        apply,   ///< one change
        none,    ///< nothing for the store
    };

    using EventType = Event::Type; ///< error: never comes here, it is a Failure

    /// Why an exchange ended other than well.
    enum class Failure {
        transport,    ///< refused, reset, TLS, timeout, truncated, 429, 5xx, redirect, foreign content type
        gone,         ///< 410 or an ERROR event that says Expired or Gone
        too_large,    ///< the server has not reached our resourceVersion yet
        unauthorized, ///< 401
        forbidden,    ///< 403
        unsupported,  ///< 400 or 422: the server does not know these parameters
        bad_frame,    ///< the stream cannot be understood any further
        stalled,      ///< the initial set did not complete in time
    };

    static std::string_view name_of(Failure failure); ///< "transport"; for metrics

    /// `random` gives numbers in [0, 1).
    explicit Reflector(std::function<double()> random);

    Step next() const;

    Effect event(EventType type, const std::string& version, bool initial_events_end);

    /// A list page arrived. True: it was the last one, and the collected set becomes the store.
    bool listed(const std::string& version, const std::string& continue_token);

    void opened(Time now); ///< a watch stream began
    void ended(Time now);  ///< it ended as the server announced
    void failed(Failure failure, Time now, std::optional<Delay> retry_after = {});

    /// The set that was delivered is not believed: the next step asks for all of it, read from etcd itself.
    void doubt();

    /// An initial set is being delivered and is not complete.
    bool collecting() const { return step_.mode != Mode::watch && !in_sync_; }

    static constexpr Delay backoff_first{800};
    static constexpr Delay backoff_cap{30'000};
    static constexpr std::chrono::minutes healthy_after{2};
    static constexpr std::chrono::seconds long_lived{10};  ///< a stream that says the server is there
    static constexpr std::chrono::minutes longest_wait{5}; ///< whatever a server asks for
    static constexpr unsigned lists_at_once = 2;           ///< in healthy_after; further ones wait

private:
    void back_off(Time now, std::optional<Delay> at_least);
    void start_over(std::string version);
    bool may_list_at_once(Time now);
    Mode listing() const { return watch_list_works_ ? Mode::watch_list : Mode::list; }

    std::function<double()> random_;
    Step step_;
    std::string last_version_;
    bool watch_list_works_ = true;
    bool in_sync_ = false; ///< the current stream has delivered its initial set
    bool consistent_tried_ = false;
    bool token_retried_ = false;
    bool saw_event_ = false;
    bool open_ = false;       ///< since opened_at_
    bool ended_soon_ = false; ///< the last stream ended within a second
    unsigned lists_at_once_ = 0;
    Time first_at_once_{};
    Time opened_at_{};
    std::optional<Time> failed_at_;
    Delay backoff_ = backoff_first;
};

} // namespace naru::kube
