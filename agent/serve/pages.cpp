#include "pages.hpp"

#include <utility>

namespace naru {

Routes health_routes(std::function<Health()> health)
{
    return {{"/livez", [health] { return livez(health()); }},
            {"/healthz", [health] { return healthz(health()); }},
            {"/readyz", [health] { return readyz(health()); }}};
}

Routes metrics_routes(std::function<Health()> health, std::function<Metrics()> metrics,
                      std::string config_json)
{
    return {{"/metrics",
             [metrics] {
                 return HttpAnswer{.type = "text/plain; version=0.0.4; charset=utf-8",
                                   .body = prometheus_text(metrics())};
             }},
            {"/proxyMode", [] { return HttpAnswer{.body = "naru"}; }},
            {"/configz", [body = std::move(
                              config_json)] { return HttpAnswer{.type = "application/json", .body = body}; }},
            {"/healthz", [health] { return healthz(health()); }}};
}

} // namespace naru
