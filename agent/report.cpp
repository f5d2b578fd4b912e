#include "report.hpp"

#include "logging.hpp"

namespace naru {

void log_report(const SyncReport& report)
{
    for (const auto& notice : report.notices)
        log(Level::warning, notice.message, {{"service", notice.service.text()}, {"reason", notice.reason}});
    for (const auto& failure : report.failures)
        log(Level::warning, failure.message,
            {{"service", failure.service.text()}, {"reason", failure.reason}});
    for (const auto& service : report.recovered)
        log(Level::info, "applied after all", {{"service", service.text()}});
    if (report.applied > 0)
        log(Level::debug, "applied", {{"changes", std::to_string(report.applied)}});
}

void tell_stand_in(const std::string& node_name, bool has_api_server)
{
    log(has_api_server ? Level::warning : Level::info,
        has_api_server ? "the API server has no Node of this name: /healthz answers 503 until it has, the "
                         "uplinks' addresses stand in for it; --hostname-override gives the name that "
                         "kubectl get nodes shows"
                       : "no Node object of this name: the addresses of the uplinks stand in for it, no zone",
        {{"node", node_name}});
}

} // namespace naru
