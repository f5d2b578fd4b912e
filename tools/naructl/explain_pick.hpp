// From a service to the backends a new flow may get: one where the hash decides, several where chance does.
#pragma once

#include <string>
#include <vector>

#include "verbs.hpp"

namespace naru::ctl {

struct Candidate {
    std::uint16_t position = 0;
    double share = 0; ///< of new flows
};

struct Pick {
    std::string affinity;              ///< what ClientIP affinity says
    std::string how;                   ///< by which rule
    std::vector<Candidate> candidates; ///< largest share first, then by position
};

/// `block` is that of `service` in `tables` and has slots. The same steps as select_backend() of the
/// programs.
Pick pick_backend(const Snapshot& tables, const Flow& flow, std::uint32_t service, const Block& block,
                  const Remembered& remembered, const Clock& clock);

} // namespace naru::ctl
