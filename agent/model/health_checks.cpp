#include "health_checks.hpp"

#include <utility>

namespace naru {

namespace {

Notice lost(const ObjectKey& loser, Port port, const ObjectKey& winner)
{
    return {loser, "FailedToStartServiceHealthcheck",
            "healthCheckNodePort " + std::to_string(port.host) + " answers for " + winner.text() +
                ", which comes first; give the two different ports"};
}

} // namespace

HealthChecks::Rank HealthChecks::rank(const ObjectKey& service, const HealthCheck& check)
{
    return {check.created_sec ? check.created_sec : INT64_MAX, check.uid, service}; // as for frontends
}

std::optional<HealthChecks::Owner> HealthChecks::at(Port port) const
{
    const auto contest = contests_.find(port);
    if (contest == contests_.end())
        return std::nullopt;
    const auto first = checks_.find(contest->second.begin()->service);
    return Owner{first->first, first->second};
}

std::set<Port> HealthChecks::ports() const
{
    std::set<Port> ports;
    for (const auto& [port, _] : contests_)
        ports.insert(ports.end(), port);
    return ports;
}

std::optional<HealthChecks::Face> HealthChecks::face(Port port) const
{
    const auto owner = at(port);
    if (!owner)
        return std::nullopt;
    Face face{.service = owner->service, .families = {}};
    for (const auto& [family, _] : owner->check.ready_here)
        face.families.insert(family);
    return face;
}

void HealthChecks::link(const ObjectKey& service, HealthCheck check)
{
    contests_[check.port].insert(rank(service, check));
    checks_.insert_or_assign(service, std::move(check));
}

void HealthChecks::unlink(std::map<ObjectKey, HealthCheck>::iterator held)
{
    const auto contest = contests_.find(held->second.port);
    contest->second.erase(rank(held->first, held->second));
    if (contest->second.empty())
        contests_.erase(contest);
    checks_.erase(held);
}

void HealthChecks::replace(const ObjectKey& service, std::optional<HealthCheck> next,
                           std::vector<Notice>& notices, std::set<Port>& changed)
{
    const auto held = checks_.find(service);
    std::map<Port, std::optional<Face>> before;
    std::optional<Port> newly;
    if (held != checks_.end())
        before.emplace(held->second.port, face(held->second.port));
    if (next && before.try_emplace(next->port, face(next->port)).second)
        newly = next->port;

    if (held != checks_.end())
        unlink(held);
    if (next)
        link(service, std::move(*next));

    for (const auto& [port, was] : before) {
        const auto now = face(port);
        if (now == was)
            continue;
        changed.insert(port);
        if (const auto loser = was ? checks_.find(was->service) : checks_.end();
            loser != checks_.end() && loser->second.port == port && now->service != was->service)
            notices.push_back(lost(was->service, port, now->service));
    }
    if (newly && at(*newly)->service != service)
        notices.push_back(lost(service, *newly, at(*newly)->service));
}

} // namespace naru
