#include "verbs.hpp"

namespace naru::ctl {

std::uint64_t Clock::age_sec(std::uint64_t last_seen) const
{
    return last_seen >= now ? 0 : (now - last_seen) / hz;
}

std::optional<std::uint64_t> Clock::remaining_sec(std::uint64_t last_seen, std::uint64_t lifetime_sec) const
{
    auto age = last_seen >= now ? 0 : now - last_seen;
    auto lifetime = lifetime_sec * hz;
    if (age >= lifetime)
        return std::nullopt;
    return (lifetime - age + hz - 1) / hz;
}

} // namespace naru::ctl
