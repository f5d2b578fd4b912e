#include "relist_guard.hpp"

#include <algorithm>
#include <utility>

namespace naru {

namespace {

std::string seconds(std::chrono::seconds time) { return std::to_string(time.count()) + " s"; }

} // namespace

std::string RelistLimits::text() const
{
    return on ? std::to_string(percent) + "%," + std::to_string(count) : "off";
}

RelistGuard::RelistGuard(std::string what, RelistLimits limits) : what_{std::move(what)}, limits_{limits} {}

bool RelistGuard::suspicious(std::size_t missing, std::size_t confirmed, std::size_t before) const
{
    return limits_.on && missing > limits_.count && (missing + confirmed) * 100 > before * limits_.percent;
}

RelistGuard::Verdict RelistGuard::judge(const std::set<ObjectKey>& before, const std::set<ObjectKey>& after,
                                        bool consistent, Time now)
{
    std::map<ObjectKey, Time> missing;
    std::size_t confirmed = 0;
    for (const auto& key : before) {
        if (after.contains(key))
            continue;
        auto earlier = held_.find(key);
        Time since = earlier == held_.end() ? now : earlier->second;
        if (consistent && now - since >= confirm_after)
            ++confirmed;
        else
            missing.emplace_hint(missing.end(), key, since);
    }
    if (!suspicious(missing.size(), confirmed, before.size()))
        missing.clear();

    const auto held_before = held_.size();
    held_ = std::move(missing);
    Verdict verdict{.held = {}, .alarm = alarm(confirmed, before.size(), held_before)};
    for (const auto& [key, _] : held_)
        verdict.held.insert(verdict.held.end(), key);
    return verdict;
}

std::string RelistGuard::alarm(std::size_t confirmed, std::size_t before, std::size_t held_before) const
{
    if (held_.size() > held_before || (confirmed && !held_.empty()))
        return "the list lacks " + std::to_string(held_.size()) + " of " +
               std::to_string(before - confirmed) + " " + what_ +
               ": they are kept, and the API server is asked again in " + seconds(confirm_after) +
               "; --relist-guard=off believes such a list at once";
    if (held_before && confirmed)
        return "a second list lacks them too: " + std::to_string(confirmed) + " " + what_ + " are gone";
    if (held_before && held_.empty())
        return "the list has most of the missing " + what_ + " again: it is believed";
    return {};
}

void RelistGuard::told(const ObjectKey& key) { held_.erase(key); }

std::optional<RelistGuard::Time> RelistGuard::relist_at() const
{
    if (held_.empty())
        return std::nullopt;
    return std::ranges::min_element(held_, {}, [](const auto& entry) { return entry.second; })->second +
           confirm_after;
}

} // namespace naru
