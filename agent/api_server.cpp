#include "api_server.hpp"

#include <utility>

#include "logging.hpp"
#include "status.hpp"

namespace naru {

namespace {

constexpr const char* user_agent = "naru/" NARU_VERSION;

std::vector<Field> about(kube::Resource resource)
{
    return {{"resource", std::string{kube::name_of(resource)}}};
}

kube::Listener listener(ApiServer::Uses uses, std::function<void(const std::string&)> alarm)
{
    return {
        .change = std::move(uses.change),
        .listed = std::move(uses.listed),
        .alarm = std::move(alarm),
        .disconnected =
            [](kube::Resource resource, const std::string& why) {
                log(Level::warning, "the API server cannot be followed, what is installed stays: " + why,
                    about(resource));
            },
        .outdated =
            [](kube::Resource resource) {
                log(Level::info,
                    "the API server no longer keeps the changes since the last one seen: everything is asked "
                    "for again",
                    about(resource));
            },
        .connected =
            [](kube::Resource resource) { log(Level::info, "following the API server", about(resource)); },
    };
}

kube::SourceOptions options(const Config& config, const Tables& installed)
{
    return {.node_name = config.node_name,
            .proxy_name = config.proxy_name,
            .user_agent = user_agent,
            .relist_guard = config.relist_guard,
            .known_services = services_in(installed),
            .known_endpoints = services_with_backends(installed)};
}

} // namespace

ApiServer::ApiServer(boost::asio::io_context& io, const Config& config, const Tables& installed, Uses uses)
    : node_{config.node_name},
      source_{io.get_executor(), *config.access, options(config, installed),
              listener(std::move(uses), [this](const std::string& why) { doubt(why); })},
      events_{io.get_executor(), kube::Client{io.get_executor(), *config.access, user_agent},
              kube::EventLog{config.node_name},
              [](const std::string& why) { log(Level::warning, "an Event could not be written: " + why); }}
{
}

void ApiServer::start()
{
    source_.start();
    events_.start();
}

void ApiServer::tell(const SyncReport& report, const Sync& sync)
{
    const auto send = [&](const ObjectKey& key, std::string reason, std::string message, bool warning,
                          bool of_this_node) {
        if (const auto* service = sync.service(key))
            events_.tell({.object = key,
                          .uid = std::string{service->uid},
                          .reason = std::move(reason),
                          .message = std::move(message),
                          .warning = warning,
                          .of_this_node = of_this_node});
    };
    for (const auto& notice : report.notices)
        send(notice.service, notice.reason, notice.message, true, false);
    for (const auto& failure : report.failures)
        send(failure.service, failure.reason, failure.message, true, true);
    for (const auto& service : report.recovered)
        send(service, "Applied", "what had failed on this node is in force", false, true);
}

void ApiServer::doubt(const std::string& why)
{
    log(Level::warning, why);
    events_.tell({.object = {{}, node_},
                  .uid = node_, // as the kubelet names its Node in Events
                  .reason = "ListDoubted",
                  .message = why,
                  .warning = true,
                  .of_this_node = true});
}

void ApiServer::add_to(Health& health) const
{
    for (auto& each : source_.waits_for())
        health.not_ready.push_back(std::move(each));
}

void ApiServer::add_to(Metrics& metrics) const
{
    add_watches(metrics, source_);
    add_events(metrics, events_.stats());
}

} // namespace naru
