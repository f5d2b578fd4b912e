// What a run needs outside of its process: a cgroup and pins, named after the process, removed whatever
// happens.
#pragma once

#include <sys/types.h>

#include <filesystem>

#include "model/result.hpp"

namespace naru::bench {

struct Workspace {
    std::filesystem::path cgroup; ///< below the cgroup v2 mount; empty when there is none
    std::filesystem::path pins;

    static Workspace of(pid_t owner);

    /// Detaches and removes what is there. Its processes must have ended or be about to.
    Result<> remove() const;
};

/// Removes the workspaces of processes that no longer exist.
void remove_abandoned();

} // namespace naru::bench
