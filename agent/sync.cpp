#include "sync.hpp"

#include <algorithm>
#include <utility>

namespace naru {

namespace {

using namespace std::chrono_literals;

constexpr auto first_delay = 200ms;
constexpr std::chrono::milliseconds longest_delay = 30s;

template <class... Functions>
struct Overload : Functions... {
    using Functions::operator()...;
};

/// Waiting for room is a state, not a fault: the tables are full, and an operator hears of it. The same holds
/// for what was refused before any system call.
bool is_refusal(const Error& error)
{
    return !error.code || error.code == std::errc::no_space_on_device ||
           error.code == std::errc::argument_list_too_long || error.code == std::errc::not_enough_memory;
}

std::size_t index_of(Family family) { return family == Family::v4 ? 0 : 1; }

Family family_of(const Change& change)
{
    return std::visit(Overload{[](const PutService& put) { return put.id.family; },
                               [](const EraseService& erase) { return erase.id.family; },
                               [](const PutFrontend& put) { return put.key.address.family(); },
                               [](const EraseFrontend& erase) { return erase.key.address.family(); }},
                      change);
}

std::string subject(const Change& change)
{
    return std::visit(
        Overload{[](const PutService& put) { return "backends of " + put.id.text(); },
                 [](const EraseService& erase) { return "removal of " + erase.id.text(); },
                 [](const PutFrontend& put) { return "frontend " + put.key.text(); },
                 [](const EraseFrontend& erase) { return "removal of frontend " + erase.key.text(); }},
        change);
}

ObjectKey owner_of(const FrontendRow& row)
{
    if (row.inside)
        return row.inside->key;
    return row.outside ? row.outside->key : ObjectKey{}; // wildcard rows belong to nobody
}

} // namespace

Sync::Sync(Installer installer, NodeView view, Capacity capacity)
    : installer_{std::move(installer)}, view_{std::move(view)}, planner_{capacity}
{
}

void Sync::set_view(NodeView view)
{
    if (view == view_)
        return;
    view_ = std::move(view);
    store_.mark_all();
}

void Sync::change(const std::function<void(Store&)>& edit)
{
    edit(store_);
    if (!store_.node() || *store_.node() == view_.node)
        return;
    auto view = view_;
    view.node = *store_.node();
    set_view(std::move(view));
}

void Sync::replace(Snapshot snapshot)
{
    change([&](Store& store) { store.replace(std::move(snapshot)); });
}

void Sync::set_fallback_node(Node node)
{
    if (store_.node())
        return;
    auto view = view_;
    view.node = std::move(node);
    set_view(std::move(view));
}

void Sync::set_interface_addresses(std::set<Address> addresses)
{
    auto view = view_;
    view.interface_addresses = std::move(addresses);
    set_view(std::move(view));
}

void Sync::settle(bool complete)
{
    listed_ = true;
    complete_ = complete_ || complete;
}

SyncReport Sync::step(Clock::time_point now)
{
    SyncReport report;
    if (!listed_)
        return report;

    auto plan = planner_.update(store_, store_.take_dirty(), view_, installer_.installed());
    for (auto& notice : plan.notices) {
        stats_.notices[notice.reason]++;
        report.notices.push_back(std::move(notice));
    }
    report.health_ports = std::move(plan.health_ports);
    carry(plan.changes, now, report);

    if (complete_ && !std::exchange(settled_, true))
        planner_.settle(installer_.installed());
    carry(due(planner_.remaining(installer_.installed()), now), now, report);

    schedule(planner_.remaining(installer_.installed()), now, report);
    stats_.steps++;
    stats_.refused = planner_.refused().size();
    stats_.conflicts = planner_.claims().conflicts();
    return report;
}

ObjectKey Sync::owner(const Change& change) const
{
    return std::visit(Overload{[](const PutService& put) { return put.id.key; },
                               [](const EraseService& erase) { return erase.id.key; },
                               [](const PutFrontend& put) { return owner_of(put.row); },
                               [this](const EraseFrontend& erase) {
                                   const auto& rows = installer_.installed().frontends;
                                   const auto row = rows.find(erase.key);
                                   return row == rows.end() ? ObjectKey{} : owner_of(row->second);
                               }},
                      change);
}

void Sync::carry(const std::vector<Change>& changes, Clock::time_point now, SyncReport& report)
{
    std::set<ObjectKey> tried;
    if (!retries_.empty())
        for (const auto& change : changes)
            tried.insert(owner(change));
    const auto failures = carry_out(changes, installer_.installed(), [&](std::span<const Change> part) {
        auto progress = installer_.apply(part);
        stats_.applied += progress.done;
        stats_.failed += progress.error.has_value();
        report.applied += progress.done;
        return progress;
    });

    // A try that ends a wait starts the next one, whatever came of it: schedule() forgets what holds by then.
    for (const auto& key : tried)
        if (auto retry = retries_.find(key); retry != retries_.end()) {
            retry->second.delay = std::min<std::chrono::milliseconds>(retry->second.delay * 2, longest_delay);
            retry->second.next = now + retry->second.delay;
            retry->second.stuck = {};
        }
    for (const auto& failure : failures)
        note(failure, now, report);
}

void Sync::note(const Failure& failure, Clock::time_point now, SyncReport& report)
{
    const auto key = owner(failure.change);
    auto [it, added] = retries_.try_emplace(key, Retry{now, now + first_delay, first_delay, {}, {}});
    auto& retry = it->second;
    const bool had_told_this_step =
        std::ranges::any_of(report.failures, [&](const Notice& notice) { return notice.service == key; });
    if (!is_refusal(failure.error))
        retry.stuck[index_of(family_of(failure.change))] = true;
    auto message = subject(failure.change) + " refused: " + failure.error.message();
    if (had_told_this_step || message == retry.told)
        return;
    retry.told = message;
    report.failures.push_back(
        {key, "NotApplied",
         message + "; what was installed stays, the rest is served, and this is tried again"});
}

std::vector<Change> Sync::due(std::vector<Change> changes, Clock::time_point now) const
{
    std::erase_if(changes, [&](const Change& change) {
        const auto retry = retries_.find(owner(change));
        return retry != retries_.end() && retry->second.next > now;
    });
    return changes;
}

void Sync::schedule(const std::vector<Change>& rest, Clock::time_point now, SyncReport& report)
{
    std::set<ObjectKey> waiting;
    for (const auto& change : rest)
        waiting.insert(owner(change));
    for (const auto& key : waiting) // held back behind somebody else's failure
        retries_.try_emplace(key, Retry{now, now + first_delay, first_delay, {}, {}});
    std::erase_if(retries_, [&](const auto& entry) {
        if (waiting.contains(entry.first))
            return false;
        if (!entry.second.told.empty())
            report.recovered.push_back(entry.first);
        return true;
    });
    stats_.pending = rest.size();
    synced_ = synced_ || (!stuck_since(Family::v4) && !stuck_since(Family::v6));
}

std::optional<Sync::Clock::time_point> Sync::next_retry() const
{
    std::optional<Clock::time_point> next;
    for (const auto& [key, retry] : retries_)
        if (!next || retry.next < *next)
            next = retry.next;
    return next;
}

std::optional<Sync::Clock::time_point> Sync::stuck_since(Family family) const
{
    std::optional<Clock::time_point> since;
    for (const auto& [key, retry] : retries_)
        if (retry.stuck[index_of(family)] && (!since || retry.since < *since))
            since = retry.since;
    return since;
}

} // namespace naru
