// The agent-owned tables in the kernel: reads them back at start, writes changes. The only code that gives
// out service numbers and arena space. Single-threaded, but for the grace period thread it owns.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "grace.hpp"
#include "maps.hpp"
#include "model/diff.hpp"
#include "model/layout.hpp"
#include "model/tables.hpp"

namespace naru {

class Kernel {
public:
    /// Maps the arena, reads everything back and cross-checks it. What does not fit together (a frontend
    /// without service, a record out of bounds, an overlap) is removed, left out of installed() and named in
    /// `findings`. `wait`: how space is known to be out of use; only tests give another one.
    static Result<Kernel> open(Maps maps, std::uint32_t seed, std::vector<std::string>& findings,
                               GracePeriod::Wait wait = GracePeriod::wait_for_programs);

    Kernel(Kernel&&) noexcept;
    Kernel& operator=(Kernel&&) noexcept;
    ~Kernel();

    /// What the kernel holds now, tombstones left out. Valid until the next call that changes it.
    const Tables& installed() const;

    /// Writes one change whole or not at all; installed() follows. A service becomes visible in one store.
    /// Errors: no room in the arena or a map (naming it), a frontend that names a service not installed.
    Result<> apply(const Change& change);

    /// Writes changes in their order until one fails, neighbours of one kind together. No two may be of one
    /// row.
    Progress apply(std::span<const Change> changes);

    /// Writes the addresses a translated flow falls back to (lb_node.primary4/6); null: none. An address of
    /// the other family is ignored.
    Result<> set_primary(const Address* v4, const Address* v6);

    /// Gives back arena space whose grace period has passed. Called by the loop about once a second.
    /// True: none is waiting any more.
    bool reclaim();

    /// Generations of the backends of installed services whose algorithm compares loads, sorted.
    std::vector<std::uint32_t> compared_backends();

    std::size_t arena_used() const; ///< bytes, those of a grace period that lasts included
    std::size_t arena_capacity() const;

private:
    struct State;
    explicit Kernel(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

} // namespace naru
