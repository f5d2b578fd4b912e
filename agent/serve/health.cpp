#include "health.hpp"

#include <algorithm>
#include <string_view>

#include <fmt/chrono.h>
#include <fmt/format.h>

namespace naru {

namespace {

std::string rfc3339(Health::Time time)
{
    const auto whole = std::chrono::floor<std::chrono::seconds>(time);
    const auto rest = std::chrono::duration_cast<std::chrono::microseconds>(time - whole).count();
    return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:06}Z",
                       fmt::gmtime(std::chrono::system_clock::to_time_t(whole)), rest);
}

bool family_is_healthy(const Health& health, std::size_t family)
{
    const auto& since = health.stuck_since[family];
    return !since || health.now - *since <= health_timeout;
}

/// With nothing waiting, what is in force is up to date now.
Health::Time last_updated(const Health& health, std::size_t family)
{
    return health.stuck_since[family] ? health.last_sync.value_or(Health::Time{}) : health.now;
}

HttpAnswer report(const Health& health, bool ok)
{
    const bool v4 = family_is_healthy(health, 0);
    const bool v6 = family_is_healthy(health, 1);
    const auto oldest = std::min(last_updated(health, 0), last_updated(health, 1));
    auto body = fmt::format(
        R"({{"lastUpdated":"{}","currentTime":"{}","nodeEligible":{},"healthy":{},"status":)"
        R"({{"IPv4":{{"lastUpdated":"{}","healthy":{}}},"IPv6":{{"lastUpdated":"{}","healthy":{}}}}}}})",
        rfc3339(oldest), rfc3339(health.now), health.node_eligible, v4 && v6,
        rfc3339(last_updated(health, 0)), v4, rfc3339(last_updated(health, 1)), v6);
    return {.status = ok ? 200u : 503u, .type = "application/json", .body = std::move(body)};
}

} // namespace

bool is_healthy(const Health& health) { return family_is_healthy(health, 0) && family_is_healthy(health, 1); }

HttpAnswer healthz(const Health& health)
{
    return report(health, is_healthy(health) && health.node_eligible);
}

HttpAnswer livez(const Health& health) { return report(health, is_healthy(health)); }

HttpAnswer readyz(const Health& health)
{
    if (health.not_ready.empty())
        return {.body = "ok\n"};
    return {.status = 503, .body = fmt::format("not ready: {}\n", fmt::join(health.not_ready, "; "))};
}

} // namespace naru
