// The machine a run was made on, and the CPU it keeps to.
#pragma once

#include <string>

#include "model/result.hpp"

namespace naru::bench {

struct Machine {
    std::string kernel;
    std::string cpu;
    unsigned cpus = 0;
    int pinned_to = -1; ///< -1: nowhere
    std::string compilers;
    double load = 0; ///< average of the last minute, when the run began
    bool jit = true;
    bool stats = false;     ///< kernel.bpf_stats_enabled adds to every run
    bool optimized = false; ///< how this program was compiled
};

/// Keeps the calling thread on the last CPU it may use; interrupts and daemons prefer the first.
Machine settle_down();

/// Nanoseconds this thread has computed: unlike the wall clock, not what other processes took away from it.
double thread_ns();
double wall_ns();

} // namespace naru::bench
