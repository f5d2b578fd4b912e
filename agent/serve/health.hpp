// What the health paths answer: pure, as load balancers, kubelet and people read it (kube-proxy's bodies).
#pragma once

#include <array>
#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "http.hpp"

namespace naru {

struct Health {
    using Time = std::chrono::system_clock::time_point;

    Time now;
    std::optional<Time> last_sync;                  ///< end of the last step that found nothing stuck
    std::array<std::optional<Time>, 2> stuck_since; ///< IPv4, IPv6: a change that cannot be written
    bool node_eligible = true;                      ///< traffic from outside may be sent here
    std::vector<std::string> not_ready;             ///< what /readyz waits for; empty: ready
};

/// How long a change may wait before the agent counts as sick: twice kube-proxy's default sync period.
constexpr std::chrono::seconds health_timeout{60};

bool is_healthy(const Health& health); ///< no change waits for longer than that

HttpAnswer healthz(const Health& health); ///< may load balancers send traffic to this node
HttpAnswer livez(const Health& health);   ///< does the agent work
HttpAnswer readyz(const Health& health);  ///< first full sync done, every hook attached

} // namespace naru
