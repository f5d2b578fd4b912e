// Who else wants a frontend that is served for somebody: for people, by way of naructl. The only writer of
// lb_shadowed.
#pragma once

#include <cstdint>
#include <cstring>
#include <map>
#include <optional>

#include "lb/shadowed.h"
#include "maps.hpp"
#include "model/claims.hpp"

namespace naru {

class Shadowed {
public:
    /// `maps` must live as long as this.
    explicit Shadowed(const Maps& maps) : maps_{maps} {}

    /// Makes the map say what `claims` do; costs nothing while no contest has changed. The first call also
    /// takes away what an earlier agent left. What does not fit is left out until a contest changes, and the
    /// answer says so as long.
    Result<> follow(const Claims& claims);

private:
    struct ByBytes { // padding is named and zero
        bool operator()(const lb_shadowed_key& a, const lb_shadowed_key& b) const
        {
            return std::memcmp(&a, &b, sizeof a) < 0;
        }
    };
    using Rows = std::map<lb_shadowed_key, lb_shadowed, ByBytes>;

    Result<> read_back();
    Result<> write(const Rows& wanted);

    const Maps& maps_;
    std::optional<Rows> held_; ///< what the map holds; absent: not read yet
    std::optional<std::uint64_t> shown_; ///< contest_changes() of what was written
    Result<> outcome_;                   ///< of writing that
};

} // namespace naru
