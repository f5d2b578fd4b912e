// The agent as a whole: opens what it needs, then one loop that follows objects and devices until it is told
// to stop.
#pragma once

#include "config.hpp"
#include "model/result.hpp"

namespace naru {

/// Returns when SIGTERM or SIGINT asks for it. An Error: it cannot run, and why.
Result<> run_agent(const Config& config);

} // namespace naru
