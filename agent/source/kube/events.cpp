#include "events.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace naru::kube {

namespace {

using namespace std::chrono_literals;

constexpr std::array<std::chrono::milliseconds, 2> waits{1s, 5s};
constexpr std::chrono::milliseconds longest_wait = 60s;
constexpr std::string_view merge_patch = "application/merge-patch+json";

/// Trouble that may be over in a moment: no answer, a token that has run out, a server that is busy or ill.
bool may_pass(unsigned status)
{
    return status == 0 || status == 401 || status == 408 || status == 429 || status >= 500;
}

std::string events_of(std::string_view ns) { return "/api/v1/namespaces/" + std::string{ns} + "/events"; }

Request create(std::string_view ns, std::string body)
{
    return {.method = "POST",
            .target = events_of(ns),
            .accept = "application/json",
            .content_type = "application/json",
            .body = std::move(body)};
}

Request patch(std::string_view ns, const std::string& name, std::string body)
{
    return {.method = "PATCH",
            .target = events_of(ns) + "/" + name,
            .accept = "application/json",
            .content_type = std::string{merge_patch},
            .body = std::move(body)};
}

} // namespace

TokenBucket::TokenBucket(unsigned burst, std::chrono::seconds refill, Time now)
    : burst_{burst}, refill_{refill}, tokens_{burst}, since_{now}
{
}

void TokenBucket::fill(Time now)
{
    const auto came = (now - since_) / refill_;
    if (came < burst_ - tokens_) {
        tokens_ += static_cast<unsigned>(came);
        since_ += came * refill_;
    } else {
        tokens_ = burst_;
        since_ = now;
    }
}

bool TokenBucket::take(Time now)
{
    fill(now);
    if (tokens_ == 0)
        return false;
    tokens_--;
    return true;
}

bool TokenBucket::full(Time now) const { return (now - since_) / refill_ >= burst_ - tokens_; }

EventLog::EventLog(std::string node, EventLimits limits)
    : node_{std::move(node)}, limits_{limits},
      delay_{limits.spread.count()
                 ? static_cast<std::int64_t>(stable_hash(node_) %
                                             static_cast<std::uint64_t>(limits.spread.count()))
                 : 0}
{
}

EventLog::Record& EventLog::remember(const std::string& name, const Occurrence& occurrence, Now now)
{
    auto [at, added] = records_.try_emplace(name);
    auto& record = at->second;
    if (added) {
        record.what = occurrence;
        record.what.message = event_message(occurrence.message); // bounded, as this is kept
        record.seen.first_sec = now.unix_sec;
        record.place = recent_.insert(recent_.end(), name);
    }
    recent_.splice(recent_.end(), recent_, record.place);
    record.seen.last_sec = now.unix_sec;
    record.seen.count++;
    if (records_.size() > limits_.remembered) {
        records_.erase(recent_.front());
        recent_.pop_front();
    }
    return record;
}

bool EventLog::allowed(const ObjectKey& service, Time now)
{
    if (per_service_.size() >= limits_.remembered) // a full bucket says no more than none
        std::erase_if(per_service_, [&](const auto& entry) { return entry.second.full(now); });
    auto& own =
        per_service_.try_emplace(service, limits_.service_burst, limits_.service_refill, now).first->second;
    if (!all_)
        all_.emplace(limits_.burst, limits_.refill, now);
    return own.take(now) && all_->take(now);
}

void EventLog::tell(const Occurrence& occurrence, Now now)
{
    if (!is_dns_name(event_namespace(occurrence)) || !is_dns_name(occurrence.object.name)) {
        stats_.dropped++;
        return;
    }
    const auto name = event_name(occurrence, node_);
    auto& record = remember(name, occurrence, now);
    if (record.waits)
        return; // told with the one that waits
    if (!allowed(occurrence.object, now.time)) {
        stats_.dropped++;
        return;
    }
    record.waits = true;
    enqueue({.name = name}, now.time + (occurrence.of_this_node ? 0ms : delay_));
}

void EventLog::enqueue(Item item, Time due)
{
    queue_.emplace(due, std::move(item));
    if (queue_.size() <= limits_.queue)
        return;
    if (const auto oldest = records_.find(queue_.begin()->second.name); oldest != records_.end())
        oldest->second.waits = false;
    queue_.erase(queue_.begin());
    stats_.dropped++;
}

std::optional<EventLog::Time> EventLog::next() const
{
    return queue_.empty() ? std::nullopt : std::optional{queue_.begin()->first};
}

std::optional<Request> EventLog::take(Time now)
{
    while (!queue_.empty() && queue_.begin()->first <= now) {
        auto item = std::move(queue_.extract(queue_.begin()).mapped());
        const auto at = records_.find(item.name);
        if (at == records_.end())
            continue; // forgotten meanwhile
        auto& record = at->second;
        record.waits = false;
        item.patch = record.ours;
        item.tries++;
        taken_ = item;
        const auto ns = event_namespace(record.what);
        return item.patch ? patch(ns, item.name, event_patch(record.seen))
                          : create(ns, event_body(item.name, record.what, record.seen, node_));
    }
    return std::nullopt;
}

bool EventLog::try_again(Item item, Time due)
{
    if (item.tries >= limits_.tries) {
        stats_.failed++;
        return false;
    }
    if (auto& record = records_.at(item.name); !std::exchange(record.waits, true))
        enqueue(std::move(item), due);
    return true;
}

bool EventLog::answered(const Answer& answer, Time now)
{
    const auto item = std::exchange(taken_, std::nullopt);
    const auto at = item ? records_.find(item->name) : records_.end();
    if (at == records_.end())
        return true;
    auto& record = at->second;

    if (answer.status >= 200 && answer.status < 300) {
        (item->patch ? stats_.repeated : stats_.created)++;
        record.ours = true;
        return true;
    }
    if (!item->patch && answer.status == 409 && !record.what.of_this_node) {
        stats_.shared++;
        return true;
    }
    if (!item->patch && answer.status == 409) { // from an earlier life of this agent
        record.ours = true;
        return try_again(*item, now);
    }
    if (item->patch && answer.status == 404) { // Events live for an hour
        record.ours = false;
        return try_again(*item, now);
    }
    if (may_pass(answer.status)) {
        const auto wait = std::max(waits[std::min<std::size_t>(item->tries, waits.size()) - 1],
                                   std::min(answer.retry_after.value_or(0ms), longest_wait));
        return try_again(*item, now + wait);
    }
    stats_.failed++;
    return false;
}

} // namespace naru::kube
