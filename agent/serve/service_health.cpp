#include "service_health.hpp"

#include <utility>

#include <fmt/format.h>

#include "text.hpp"

namespace naru {

namespace {

/// Load balancers keep few connections, and each port has its own.
constexpr HttpLimits limits{.connections = 16, .own_family_only = true};

template <class Map, class Keep>
void erase_of_port(Map& map, Port port, const Keep& keep)
{
    for (auto it = map.lower_bound({port, Family{}, {}}); it != map.end() && it->first.port == port;)
        it = keep.contains(it->first) ? std::next(it) : map.erase(it);
}

} // namespace

HttpAnswer service_health(const ObjectKey& service, std::size_t ready_here, bool proxy_healthy)
{
    return {.status = ready_here > 0 && proxy_healthy ? 200u : 503u,
            .type = "application/json",
            .body =
                fmt::format(R"({{"service":{{"namespace":{},"name":{}}},"localEndpoints":{},)"
                            R"("serviceProxyHealthy":{}}})",
                            json_string(service.ns), json_string(service.name), ready_here, proxy_healthy),
            .headers = {{"X-Load-Balancing-Endpoint-Weight", std::to_string(ready_here)}}};
}

HealthHosts health_hosts(const NodeView& view)
{
    if (view.node_ports.all)
        return {{Family::v4, {"0.0.0.0"}}, {Family::v6, {"::"}}};
    HealthHosts hosts;
    for (const auto family : {Family::v4, Family::v6})
        for (const auto& address : view.node_port_addresses(family))
            hosts[family].insert(address.text());
    return hosts;
}

ServiceHealth::ServiceHealth(boost::asio::io_context& io, const HealthChecks& checks,
                             std::function<bool()> healthy)
    : io_{io}, checks_{checks}, healthy_{std::move(healthy)}
{
}

SyncReport ServiceHealth::follow(const std::set<Port>& changed, const NodeView& view)
{
    auto hosts = health_hosts(view);
    const bool moved = hosts != hosts_;
    hosts_ = std::move(hosts);
    for (const auto port : changed)
        follow(port);
    if (moved)
        for (const auto port : checks_.ports())
            follow(port);
    return report();
}

SyncReport ServiceHealth::retry()
{
    const auto again = failed_;
    for (const auto& [place, _] : again)
        open(place);
    return report();
}

std::set<ServiceHealth::Place> ServiceHealth::places(Port port) const
{
    std::set<Place> places;
    if (const auto owner = checks_.at(port))
        for (const auto& [family, _] : owner->check.ready_here)
            if (const auto hosts = hosts_.find(family); hosts != hosts_.end())
                for (const auto& host : hosts->second)
                    places.insert({port, family, host});
    return places;
}

void ServiceHealth::follow(Port port)
{
    const auto wanted = places(port);
    erase_of_port(servers_, port, wanted);
    erase_of_port(failed_, port, wanted);
    for (const auto& place : wanted)
        if (!servers_.contains(place))
            open(place);
}

void ServiceHealth::open(const Place& place)
{
    const Routes routes{{std::string{any_path},
                         [this, port = place.port, family = place.family] { return answer(port, family); }}};
    auto server = HttpServer::listen(io_, place.host, place.port.host, routes, limits);
    if (!server) {
        failed_.insert_or_assign(place, server.error().message());
        return;
    }
    failed_.erase(place);
    servers_.emplace(place, std::move(*server));
}

HttpAnswer ServiceHealth::answer(Port port, Family family) const
{
    const auto owner = checks_.at(port);
    if (!owner) // closed while the request was on its way
        return {.status = 503, .body = "no Service has this port\n"};
    const auto ready = owner->check.ready_here.find(family);
    return service_health(owner->service, ready == owner->check.ready_here.end() ? 0 : ready->second,
                          healthy_());
}

/// One line for a Service, whatever the number of its addresses.
SyncReport ServiceHealth::report()
{
    SyncReport report;
    std::map<ObjectKey, Port> failing;
    for (const auto& [place, why] : failed_)
        if (const auto owner = checks_.at(place.port);
            owner && failing.emplace(owner->service, place.port).second)
            if (!told_.contains(owner->service))
                report.failures.push_back(
                    {owner->service, "FailedToStartServiceHealthcheck",
                     fmt::format("healthCheckNodePort {} does not answer on {}: {}; this is tried again",
                                 place.port.host, place.host, why)});
    for (const auto& [service, port] : told_)
        if (const auto owner = checks_.at(port);
            owner && owner->service == service && !failing.contains(service))
            report.recovered.push_back(service);
    told_ = std::move(failing);
    return report;
}

} // namespace naru
