#include "reflector.hpp"

#include <algorithm>
#include <utility>

namespace naru::kube {

namespace {

// A watch that ends so soon and without a word is an error, whatever the server calls it.
constexpr std::chrono::seconds too_short{1};

} // namespace

Reflector::Reflector(std::function<double()> random) : random_{std::move(random)} {}

std::string_view Reflector::name_of(Failure failure)
{
    switch (failure) {
    case Failure::transport:
        return "transport";
    case Failure::gone:
        return "gone";
    case Failure::too_large:
        return "too_large";
    case Failure::unauthorized:
        return "unauthorized";
    case Failure::forbidden:
        return "forbidden";
    case Failure::unsupported:
        return "unsupported";
    case Failure::bad_frame:
        return "bad_frame";
    case Failure::stalled:
        return "stalled";
    }
    std::unreachable();
}

Reflector::Step Reflector::next() const { return step_; }

void Reflector::start_over(std::string version)
{
    in_sync_ = false;
    step_ = {.mode = listing(), .version = std::move(version)};
    // The watch cache answers a first list at once; a consistent read is asked for by an empty version.
    if (step_.mode == Mode::list && step_.version.empty() && !consistent_tried_)
        step_.version = "0";
}

Reflector::Effect Reflector::event(EventType type, const std::string& version, bool initial_events_end)
{
    saw_event_ = true;
    step_.delay = Delay{0};
    if (step_.mode == Mode::watch_list && !in_sync_) {
        if (type == EventType::bookmark && initial_events_end) {
            in_sync_ = true;
            consistent_tried_ = false;
            last_version_ = version;
            return Effect::replace;
        }
        // Initial events come in no order of versions: none of them may be remembered.
        return type == EventType::bookmark ? Effect::none : Effect::collect;
    }
    if (!version.empty()) { // an object that could not be decoded names none
        last_version_ = version;
        if (step_.mode == Mode::watch)
            step_.version = version;
    }
    return type == EventType::bookmark ? Effect::none : Effect::apply;
}

bool Reflector::listed(const std::string& version, const std::string& continue_token)
{
    step_.delay = Delay{0};
    if (!continue_token.empty()) {
        step_.continue_token = continue_token;
        return false;
    }
    consistent_tried_ = false;
    last_version_ = version;
    step_ = {.mode = Mode::watch, .version = version};
    return true;
}

void Reflector::opened(Time now)
{
    open_ = true;
    opened_at_ = now;
    saw_event_ = false;
    token_retried_ = false;
}

void Reflector::ended(Time now)
{
    if (collecting()) {
        failed(Failure::stalled, now);
        return;
    }
    open_ = false;
    step_ = {.mode = Mode::watch, .version = last_version_};
    const bool soon = now - opened_at_ < too_short;
    if (soon && (!saw_event_ || ended_soon_)) // an event excuses it once
        back_off(now, {});
    ended_soon_ = soon;
}

bool Reflector::may_list_at_once(Time now)
{
    if (lists_at_once_ == 0 || now - first_at_once_ >= healthy_after) {
        lists_at_once_ = 0;
        first_at_once_ = now;
    }
    return ++lists_at_once_ <= lists_at_once;
}

void Reflector::failed(Failure failure, Time now, std::optional<Delay> retry_after)
{
    step_.continue_token.clear();
    const bool opened = std::exchange(open_, false);
    const bool following = step_.mode == Mode::watch || (step_.mode == Mode::watch_list && in_sync_);
    if (following) // an interrupted stream goes on where it was
        step_ = {.mode = Mode::watch, .version = last_version_};
    if (opened && following && now - opened_at_ >= long_lived)
        backoff_ = backoff_first; // who ends streams after a while, as balancers do, is not away
    switch (failure) {
    case Failure::gone:
    case Failure::too_large: {
        // First from the last known version; what is refused again is asked for without one.
        const bool again = consistent_tried_;
        if (following && failure == Failure::gone) {
            start_over(last_version_);
        } else {
            consistent_tried_ = true;
            start_over("");
        }
        if (again || !may_list_at_once(now))
            break;
        return;
    }
    case Failure::unsupported:
        if (step_.mode == Mode::watch_list && watch_list_works_) {
            watch_list_works_ = false;
            start_over("");
            return;
        }
        // It may be the version that is not understood: never ask the same for ever.
        consistent_tried_ = true;
        start_over("");
        break;
    case Failure::unauthorized:
        if (!std::exchange(token_retried_, true))
            return;
        break;
    case Failure::stalled:
        // A server too old to know the parameters may ignore them and never finish the set.
        if (step_.mode == Mode::watch_list) {
            watch_list_works_ = false;
            start_over(last_version_);
        }
        break;
    case Failure::bad_frame:
        start_over(last_version_);
        break;
    case Failure::transport:
    case Failure::forbidden:
        break; // a stream is never turned into a list
    }
    back_off(now, retry_after);
}

void Reflector::doubt()
{
    consistent_tried_ = true; // an empty version asks for a consistent read
    start_over("");
}

void Reflector::back_off(Time now, std::optional<Delay> at_least)
{
    if (failed_at_ && now - *failed_at_ >= healthy_after)
        backoff_ = backoff_first;
    failed_at_ = now;
    auto jittered = Delay{static_cast<Delay::rep>(static_cast<double>(backoff_.count()) * (1.0 + random_()))};
    step_.delay = std::max(jittered, std::min<Delay>(at_least.value_or(Delay{0}), longest_wait));
    backoff_ = std::min(backoff_ * 2, backoff_cap);
}

} // namespace naru::kube
