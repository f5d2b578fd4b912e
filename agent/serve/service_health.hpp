// healthCheckNodePort: what load balancers ask to learn whether this node has endpoints of a Service whose
// externalTrafficPolicy is Local. A port of its own for each such Service, as kube-proxy answers it.
#pragma once

#include <compare>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include <boost/asio/io_context.hpp>

#include "http.hpp"
#include "model/health_checks.hpp"
#include "model/node.hpp"
#include "sync.hpp"

namespace naru {

/// 200 when traffic for the Service is welcome here, else 503; how many endpoints are ready either way.
HttpAnswer service_health(const ObjectKey& service, std::size_t ready_here, bool proxy_healthy);

/// Where these ports listen, by family: on the addresses of NodePorts; on every address when all are.
using HealthHosts = std::map<Family, std::set<std::string>>;
HealthHosts health_hosts(const NodeView& view);

/// Keeps the listeners. Answers come from the HealthChecks at the time of the question, so a new count needs
/// nothing of this. Both must outlive it. What it returns holds failures and recoveries, each told once.
class ServiceHealth {
public:
    ServiceHealth(boost::asio::io_context& io, const HealthChecks& checks, std::function<bool()> healthy);
    ServiceHealth(const ServiceHealth&) = delete;
    ServiceHealth& operator=(const ServiceHealth&) = delete;

    /// Opens and closes listeners of the `changed` ports, of all when the addresses of the node changed.
    SyncReport follow(const std::set<Port>& changed, const NodeView& view);
    /// Tries again what could not be opened.
    SyncReport retry();

    std::size_t listening() const { return servers_.size(); }
    std::size_t failed() const { return failed_.size(); }

private:
    struct Place {
        Port port;
        Family family = Family::v4;
        std::string host;

        friend auto operator<=>(const Place&, const Place&) = default;
    };

    std::set<Place> places(Port port) const;
    void follow(Port port);
    void open(const Place& place);
    HttpAnswer answer(Port port, Family family) const;
    SyncReport report();

    boost::asio::io_context& io_;
    const HealthChecks& checks_;
    std::function<bool()> healthy_;
    HealthHosts hosts_;
    std::map<Place, HttpServer> servers_;
    std::map<Place, std::string> failed_; ///< and why
    std::map<ObjectKey, Port> told_;
};

} // namespace naru
