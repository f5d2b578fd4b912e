// The loop's events and what each of them sets off: objects and devices change, the verifier is done, time
// passes. Everything that is decided is decided elsewhere.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include "api_server.hpp"
#include "attachments.hpp"
#include "datapath/shadowed.hpp"
#include "flow_sweep.hpp"
#include "foundation.hpp"
#include "host_routes.hpp"
#include "serve/http.hpp"
#include "serve/service_health.hpp"
#include "start_order.hpp"
#include "sync.hpp"

namespace naru {

class Agent {
public:
    using Clock = Sync::Clock;

    /// `io` and `config` must outlive it. `started`: when the process began to start.
    Agent(boost::asio::io_context& io, Clock::time_point started, const Config& config,
          Foundation foundation);
    Agent(const Agent&) = delete; // what it starts keeps its address
    Agent& operator=(const Agent&) = delete;

    /// Begins to follow everything; the rest happens while `io` runs.
    Result<> start();

    /// Why it has stopped `io`: a part without which it cannot run came to be known as missing late.
    const std::optional<Error>& failure() const { return failure_; }

private:
    NodeAddresses node_addresses() const;

    void follow_changes();
    void serve_pages();
    void read_manifests();
    void change(const std::function<void(Store&)>& edit);
    void sources_listed();
    void take_programs(Result<Programs> programs);
    void advance();
    void fail(Error why);
    void follow_network();
    void gather_soon();
    void gather_next();
    void gather();
    void step();
    void tell(const SyncReport& report);
    void tell_ready();
    void tell_sockets();
    void show_shadowed();
    void tell_host_routes();
    void audit();
    Health health() const;
    Metrics metrics() const;

    const Config& config_;
    const Clock::time_point started_;
    boost::asio::io_context& io_;
    boost::asio::steady_timer batch_{io_};
    boost::asio::steady_timer retry_{io_};
    Foundation on_;
    Shadowed shadowed_{on_.flows};
    StartOrder order_;
    Attachments attachments_;
    Sync sync_;
    std::optional<ApiServer> api_;
    ServiceHealth service_health_;
    FlowSweep sweep_;
    HostRoutes host_routes_;
    std::vector<HttpServer> servers_;
    std::optional<std::chrono::system_clock::time_point> last_sync_;
    std::optional<Error> failure_;
    std::string told_sockets_;
    std::string told_shadowed_;
    bool manifests_changed_ = false;
    bool network_changed_ = false;
    bool gathering_soon_ = false;
    bool gathering_next_ = false;
    bool told_ready_ = false;
    bool told_stand_in_ = false;
};

} // namespace naru
