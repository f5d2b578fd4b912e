// The API server as a source: three watches, whose objects reach the model as they arrive.
#pragma once

#include <algorithm>
#include <array>
#include <functional>
#include <string>

#include "model/relist_guard.hpp"
#include "model/store.hpp"
#include "watch.hpp"

namespace naru::kube {

/// Whom the objects reach. All calls come from the executor.
struct Listener {
    std::function<void(const std::function<void(Store&)>&)>
        change;                   ///< applies a change to the current objects
    std::function<void()> listed; ///< every resource has delivered a complete set that is believed, once
    std::function<void(const std::string&)>
        alarm; ///< a list is not believed, or is after all: a line for a person
    std::function<void(Resource, const std::string& why)> disconnected; ///< when it begins or `why` changes
    std::function<void(Resource)> outdated;  ///< the server's history has moved on: all is asked for again
    std::function<void(Resource)> connected; ///< again, or for the first time
};

struct SourceOptions {
    std::string node_name;
    std::string proxy_name; ///< service-proxy-name; empty: the default proxy
    std::string user_agent;
    RelistLimits relist_guard{};
    std::set<ObjectKey>
        known_services{}; ///< what an earlier run has installed: the first list is measured by it
    std::set<ObjectKey> known_endpoints{}; ///< those of them that had endpoints
};

class Source {
public:
    Source(boost::asio::any_io_executor executor, const Access& access, SourceOptions options,
           Listener listener);
    Source(const Source&) = delete; // the watches keep its address
    Source& operator=(const Source&) = delete;

    void start();

    /// What stands between the start and listed(), a clause each; none when it was reached.
    std::vector<std::string> waits_for() const;
    /// No first set had an object that could not be decoded, or whole ones have come since.
    bool complete() const { return std::ranges::none_of(partial_, std::identity{}); }
    bool connected() const; ///< every watch has an open stream or a good answer
    bool guarding() const { return services_guard_.alarming() || endpoints_guard_.alarming(); }
    const WatchStats& stats(Resource resource) const { return watch(resource).stats(); }

    static constexpr std::array resources{Resource::services, Resource::endpoint_slices, Resource::nodes};

private:
    bool listed() const; ///< completely, and nothing of the first lists is doubted
    std::optional<Client::Time> replace_services(std::map<ObjectKey, Service> services,
                                                 const CompleteSet& set);
    std::optional<Client::Time> replace_slices(std::map<ObjectKey, EndpointSlice> slices,
                                               const CompleteSet& set);
    void replace_node(CompleteSet set);
    const Watch& watch(Resource resource) const { return watches_[static_cast<std::size_t>(resource)]; }
    Watch make_watch(const Client& client, Resource resource);
    std::optional<Client::Time> replace(Resource resource, CompleteSet set);
    void apply(Event event);

    boost::asio::any_io_executor executor_;
    SourceOptions options_;
    Listener listener_;
    RelistGuard services_guard_;
    RelistGuard endpoints_guard_;
    std::array<std::string, resources.size()> told_; ///< the failure a person knows of, by resource
    std::array<Watch, resources.size()> watches_;
    std::array<bool, resources.size()> partial_{}; ///< the sets so far; false for ever after a whole one
    bool told_listed_ = false;
    bool told_complete_ = false;
};

} // namespace naru::kube
