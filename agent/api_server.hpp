// The API server as the agent uses it: objects come from it, Events on them go to it.
#pragma once

#include <functional>
#include <string>

#include <boost/asio/io_context.hpp>

#include "config.hpp"
#include "serve/health.hpp"
#include "serve/metrics.hpp"
#include "source/kube/event_sender.hpp"
#include "source/kube/source.hpp"
#include "sync.hpp"

namespace naru {

class ApiServer {
public:
    /// What the agent does with what is heard. Both are called from the loop.
    struct Uses {
        std::function<void(const std::function<void(Store&)>&)> change;
        std::function<void()> listed;
    };

    /// `config.access` must be there. `installed`: what an earlier run has left, by which the first lists are
    /// measured.
    ApiServer(boost::asio::io_context& io, const Config& config, const Tables& installed, Uses uses);

    void start();

    /// All objects of the first sets could be read, or those of later ones.
    bool complete() const { return source_.complete(); }

    /// What a report says of a Service that still exists becomes an Event on it. Failures are of this node,
    /// notices the same on all.
    void tell(const SyncReport& report, const Sync& sync);

    void add_to(Health& health) const;
    void add_to(Metrics& metrics) const;

private:
    /// A person hears that a list is not believed, or is after all.
    void doubt(const std::string& why);

    std::string node_;
    kube::Source source_;
    kube::EventSender events_;
};

} // namespace naru
