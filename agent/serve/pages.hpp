// Which path of which listener answers what. Probes come from outside, so health stands alone; metrics and
// configuration are for the node itself.
#pragma once

#include <functional>
#include <string>

#include "health.hpp"
#include "http.hpp"
#include "metrics.hpp"

namespace naru {

/// /livez, /healthz, /readyz.
Routes health_routes(std::function<Health()> health);

/// /metrics, /proxyMode, /configz, and /healthz for those who probe kube-proxy's metrics port.
Routes metrics_routes(std::function<Health()> health, std::function<Metrics()> metrics,
                      std::string config_json);

} // namespace naru
