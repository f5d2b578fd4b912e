#include "agent.hpp"

#include <sys/utsname.h>

#include <array>
#include <utility>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>

#include "attachments.hpp"
#include "configz.hpp"
#include "datapath/datapath.hpp"
#include "datapath/jiffies.hpp"
#include "datapath/kernel.hpp"
#include "datapath/shadowed.hpp"
#include "datapath/sweep.hpp"
#include "datapath/udp_gone.hpp"
#include "logging.hpp"
#include "loop.hpp"
#include "serve/pages.hpp"
#include "serve/service_health.hpp"
#include "source/kube/event_sender.hpp"
#include "source/kube/source.hpp"
#include "source/manifest/manifests.hpp"
#include "status.hpp"
#include "stop_signals.hpp"
#include "sync.hpp"

namespace naru {

namespace {

namespace asio = boost::asio;
using namespace std::chrono_literals;
using Clock = Sync::Clock;

/// Events that come in a burst become one step: what arrives within this time is read together.
constexpr auto batch_time = 3ms;
constexpr auto reclaim_interval = 1s;
constexpr auto sweep_interval = 10s;
constexpr auto audit_interval = 10s;
constexpr auto health_retry_interval = 2s;

/// A loop that ended by an exception would be missed by nobody: better to end, and be started again.
void or_end(std::exception_ptr why)
{
    if (why)
        std::rethrow_exception(why);
}

class Agent {
public:
    Agent(asio::io_context& io, Clock::time_point started, const Config& config, Datapath datapath, Maps maps,
          Kernel kernel, UdpGone udp_gone, Netlink netlink, std::optional<Manifests> manifests)
        : config_{config}, started_{started}, io_{io}, datapath_{std::move(datapath)}, maps_{std::move(maps)},
          kernel_{std::move(kernel)}, udp_gone_{std::move(udp_gone)}, manifests_{std::move(manifests)},
          attachments_{datapath_, std::move(netlink), config.devices},
          sync_{{[this]() -> const Tables& { return kernel_.installed(); },
                 [this](std::span<const Change> changes) { return udp_gone_.apply(kernel_, changes); }},
                initial_view(config)}
    {
        if (!config.access)
            return;
        api_.emplace(io.get_executor(), *config.access,
                     kube::SourceOptions{.node_name = config.node_name,
                                         .proxy_name = config.proxy_name,
                                         .user_agent = "naru/" NARU_VERSION,
                                         .relist_guard = config.relist_guard,
                                         .known_services = services_in(kernel_.installed()),
                                         .known_endpoints = services_with_backends(kernel_.installed())},
                     api_listener());
        events_.emplace(
            io.get_executor(), kube::Client{io.get_executor(), *config.access, "naru/" NARU_VERSION},
            kube::EventLog{config.node_name},
            [](const std::string& why) { log(Level::warning, "an Event could not be written: " + why); });
    }

    Result<> start();

private:
    static NodeView initial_view(const Config& config);
    std::vector<Address> node_addresses() const;

    void follow_changes();
    void serve_pages();
    kube::Listener api_listener();
    void read_manifests();
    void sources_listed();
    void follow_network();
    void gather_soon();
    void gather_next();
    void gather();
    void step();
    void tell(const SyncReport& report);
    void tell_cluster(const SyncReport& report);
    void tell_sockets();
    void show_shadowed();
    void sweep_flows();
    void audit();
    Health health() const
    {
        auto health = health_of(sync_, attachments_, last_sync_);
        if (api_)
            for (auto& each : api_->waits_for())
                health.not_ready.push_back(std::move(each));
        return health;
    }
    Metrics metrics() const
    {
        auto metrics = metrics_of(sync_, attachments_, last_sync_);
        add_tables(metrics, kernel_, last_sweep_.tombstones, udp_gone_, maps_);
        metrics.attachments = datapath_.attachments();
        if (api_)
            add_watches(metrics, *api_);
        if (events_)
            add_events(metrics, events_->stats());
        metrics.health_listening = service_health_.listening();
        metrics.health_failed = service_health_.failed();
        return metrics;
    }

    const Config& config_;
    const Clock::time_point started_;
    asio::io_context& io_;
    asio::steady_timer batch_{io_};
    asio::steady_timer retry_{io_};
    Datapath datapath_;
    Maps maps_;
    Kernel kernel_;
    UdpGone udp_gone_;
    Shadowed shadowed_{maps_};
    std::optional<Manifests> manifests_;
    Attachments attachments_;
    Sync sync_;
    std::optional<kube::Source> api_;
    std::optional<kube::EventSender> events_;
    ServiceHealth service_health_{io_, sync_.health_checks(), [this] { return is_healthy(health()); }};
    std::vector<HttpServer> servers_;
    std::optional<std::chrono::system_clock::time_point> last_sync_;
    SweepResult last_sweep_;
    std::string told_sweep_;
    std::string told_sockets_;
    std::string told_shadowed_;
    bool listed_ = false; ///< every source has told all it knows, once
    bool manifests_changed_ = false;
    bool network_changed_ = false;
    bool gathering_soon_ = false;
    bool gathering_next_ = false;
    bool told_ready_ = false;
    bool told_stand_in_ = false;
};

NodeView Agent::initial_view(const Config& config)
{
    NodeView view;
    view.node.name = config.node_name;
    view.node_ports = config.node_ports;
    view.external_ips = config.external_ips;
    view.proxy_name = config.proxy_name;
    if (config.access)
        for (const auto& server : config.access->servers)
            if (auto address = Address::parse(server.host)) // a name leads to what default/kubernetes holds
                view.api_servers.insert({*address, {server.port}});
    return view;
}

/// Those that name uplinks. The stand-in's come from the uplinks themselves and must not decide which these
/// are.
std::vector<Address> Agent::node_addresses() const
{
    return sync_.has_node() ? sync_.view().node.addresses : std::vector<Address>{};
}

Result<> Agent::start()
{
    if (manifests_) { // which devices are uplinks depends on the Node object
        read_manifests();
        listed_ = true;
    }
    if (auto attached = attachments_.start(node_addresses()); !attached)
        return attached;
    follow_network();
    for (const auto& each : datapath_.attachments())
        log(Level::debug, "attached", {{"hook", each.hook}, {"device", each.device}, {"mode", each.mode}});
    if (listed_)
        sync_.settle();
    step();

    follow_changes();
    serve_pages();
    if (api_)
        api_->start();
    if (events_)
        events_->start();
    return {};
}

void Agent::follow_changes()
{
    const auto start = [this](asio::awaitable<void> loop) { asio::co_spawn(io_, std::move(loop), or_end); };
    if (manifests_)
        start(watch(manifests_->event_fd(), [this] {
            manifests_->drain();
            manifests_changed_ = true;
            gather_soon();
        }));
    start(watch(attachments_.event_fd(), [this] {
        network_changed_ |= attachments_.drain();
        gather_soon();
    }));
    start(every(reclaim_interval, [this] { kernel_.reclaim(); }));
    start(every(sweep_interval, [this] { sweep_flows(); }));
    start(every(audit_interval, [this] { audit(); }));
    start(every(health_retry_interval, [this] { tell(service_health_.retry()); }));
}

void Agent::serve_pages()
{
    const auto health_now = [this] { return health(); };
    const auto metrics_now = [this] { return metrics(); };
    const auto serve = [this](const char* flag, const BindAddress& at, Routes routes) {
        asio::co_spawn(io_, listen(io_, flag, at, std::move(routes), servers_), asio::detached);
    };
    serve("--healthz-bind-address", config_.healthz, health_routes(health_now));
    serve("--metrics-bind-address", config_.metrics,
          metrics_routes(health_now, metrics_now, to_json(config_)));
}

void Agent::read_manifests()
{
    std::vector<Complaint> complaints;
    sync_.replace(manifests_->read(complaints));
    for (const auto& each : complaints)
        log(each.skipped ? Level::info : Level::warning, each.text());
}

kube::Listener Agent::api_listener()
{
    return {
        .change =
            [this](const std::function<void(Store&)>& edit) {
                const auto node = sync_.view().node;
                sync_.change(edit);
                network_changed_ |= node != sync_.view().node;
                gather_next();
            },
        .listed = [this] { sources_listed(); },
        .alarm = [](const std::string& text) { log(Level::warning, text); },
        .disconnected =
            [](kube::Resource resource, const std::string& why) {
                log(Level::warning, "the API server cannot be followed, what is installed stays: " + why,
                    {{"resource", std::string{kube::name_of(resource)}}});
            },
        .connected =
            [](kube::Resource resource) {
                log(Level::info, "following the API server",
                    {{"resource", std::string{kube::name_of(resource)}}});
            },
    };
}

/// From now on what is wanted is known: what no source wants may go.
void Agent::sources_listed()
{
    listed_ = true;
    network_changed_ = true;
    sync_.settle();
    gather_next();
}

/// What Services depend on besides their own objects, after the devices or the Node object have changed.
void Agent::follow_network()
{
    sync_.set_interface_addresses(reachable_addresses(attachments_.network()));
    if (!listed_)
        return; // an earlier run knew the Node better than the devices do
    if (!sync_.has_node()) {
        auto node = stand_in(config_.node_name, attachments_.network(), attachments_.devices());
        node.eligible = !api_; // an API server would know it
        sync_.set_fallback_node(std::move(node));
        if (!std::exchange(told_stand_in_, true))
            log(api_ ? Level::warning : Level::info,
                api_ ? "the API server has no Node of this name: /healthz answers 503 until it has, the "
                       "uplinks' "
                       "addresses stand in for it; --hostname-override gives the name that kubectl get nodes "
                       "shows"
                     : "no Node object of this name: the addresses of the uplinks stand in for it, no zone",
                {{"node", config_.node_name}});
    }
    std::array<const Address*, 2> primary{};
    for (const auto& address : sync_.view().node.addresses)
        if (auto& slot = primary[address.family() == Family::v4 ? 0 : 1]; !slot)
            slot = &address;
    if (auto written = kernel_.set_primary(primary[0], primary[1]); !written)
        log(Level::warning, written.error().message());
}

/// Behind what is already in the loop's queue: the events of one read become one step, and none waits.
void Agent::gather_next()
{
    if (!std::exchange(gathering_next_, true))
        asio::post(io_, [this] { gather(); });
}

void Agent::gather_soon()
{
    if (std::exchange(gathering_soon_, true))
        return;
    batch_.expires_after(batch_time);
    batch_.async_wait([this](const boost::system::error_code&) { gather(); });
}

/// One batch: whatever has become readable is read, then Services are brought up to date once.
void Agent::gather()
{
    gathering_soon_ = false;
    gathering_next_ = false;
    if (std::exchange(manifests_changed_, false)) {
        const auto before = sync_.view().node;
        read_manifests();
        network_changed_ |= before != sync_.view().node;
    }
    if (std::exchange(network_changed_, false)) {
        attachments_.refresh(node_addresses());
        follow_network();
    }
    step();
}

void Agent::audit()
{
    attachments_.audit(node_addresses());
    follow_network();
    step();
}

void Agent::step()
{
    const auto report = sync_.step(Clock::now());
    tell(report);
    tell(service_health_.follow(report.health_ports, sync_.view()));
    tell_sockets();
    show_shadowed();
    last_sync_ = std::chrono::system_clock::now();
    if (!told_ready_ && health().not_ready.empty()) {
        told_ready_ = true;
        const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - started_);
        log(Level::info,
            "ready: " + summary(kernel_.installed()) + ", in " + std::to_string(took.count()) + " ms");
    }
    const auto next = sync_.next_retry();
    retry_.cancel();
    if (!next)
        return;
    retry_.expires_at(*next);
    retry_.async_wait([this](const boost::system::error_code& cancelled) {
        if (!cancelled)
            step();
    });
}

void Agent::tell(const SyncReport& report)
{
    for (const auto& notice : report.notices)
        log(Level::warning, notice.message, {{"service", notice.service.text()}, {"reason", notice.reason}});
    for (const auto& failure : report.failures)
        log(Level::warning, failure.message,
            {{"service", failure.service.text()}, {"reason", failure.reason}});
    for (const auto& service : report.recovered)
        log(Level::info, "applied after all", {{"service", service.text()}});
    if (events_)
        tell_cluster(report);
    if (report.applied > 0)
        log(Level::debug, "applied", {{"changes", std::to_string(report.applied)}});
}

/// The same as Events on the Services. Failures are of this node, notices the same on all.
void Agent::tell_cluster(const SyncReport& report)
{
    const auto send = [this](const ObjectKey& key, std::string reason, std::string message, bool warning,
                             bool of_this_node) {
        if (const auto* service = sync_.service(key))
            events_->tell({.service = key,
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

void Agent::tell_sockets()
{
    const auto told = udp_gone_.tell();
    const auto failure = told ? std::string{} : told.error().message();
    if (!failure.empty() && failure != told_sockets_)
        log(Level::warning, failure + "; connected UDP sockets may wait for backends that have gone");
    told_sockets_ = failure;
}

/// Not before the first sync: until then the map shows what an earlier run knew.
void Agent::show_shadowed()
{
    if (!sync_.synced())
        return;
    const auto shown = shadowed_.follow(sync_.claims());
    const auto failure = shown ? std::string{} : shown.error().message();
    if (!failure.empty() && failure != told_shadowed_)
        log(Level::warning, failure + "; naructl does not show every Service that waits for a frontend");
    told_shadowed_ = failure;
}

/// Flows are judged by tables that are complete only after the first sync.
void Agent::sweep_flows()
{
    if (!sync_.synced())
        return;
    const auto now = now_jiffies();
    const auto result =
        now ? sweep(maps_, datapath_.config(), *now) : Result<SweepResult>{std::unexpected{now.error()}};
    const auto failure = result ? std::string{} : result.error().message();
    if (!failure.empty() && failure != told_sweep_)
        log(Level::warning, failure + "; old flow entries stay until the kernel evicts them");
    told_sweep_ = failure;
    if (result)
        last_sweep_ = *result;
}

std::string kernel_release()
{
    utsname name{};
    return ::uname(&name) == 0 ? name.release : "unknown";
}

} // namespace

Result<> run_agent(const Config& config)
{
    const auto started = Clock::now();
    asio::io_context io{1};
    const StopSignals signals{[&io] { io.stop(); }};
    log(Level::info, "naru-agent " NARU_VERSION,
        {{"kernel", kernel_release()}, {"node", config.node_name}, {"config", to_json(config)}});
    std::optional<Manifests> manifests;
    if (!config.manifests.empty()) {
        auto opened = Manifests::open(config.manifests, config.node_name);
        if (!opened)
            return std::unexpected{opened.error()};
        manifests = std::move(*opened);
    }
    if (config.api_from_environment)
        log(Level::warning, "KUBERNETES_SERVICE_HOST is a Service's address, which this agent may have to "
                            "provide itself: give "
                            "--kubernetes-api with addresses of API servers");
    auto netlink = Netlink::open();
    if (!netlink)
        return std::unexpected{netlink.error()};
    auto datapath = Datapath::open(config.datapath);
    if (!datapath)
        return std::unexpected{datapath.error()};
    auto maps = datapath->maps();
    auto flows = datapath->maps();
    auto sockets = datapath->maps();
    for (const auto* opened : {&maps, &flows, &sockets})
        if (!*opened)
            return std::unexpected{opened->error()};
    std::vector<std::string> findings;
    auto kernel = Kernel::open(std::move(*maps), config.datapath.seed, findings);
    if (!kernel)
        return std::unexpected{kernel.error()};
    for (const auto& each : findings)
        log(Level::warning, "found in the tables and left out: " + each);
    std::vector<std::string> lacking;
    auto udp_gone = UdpGone::open(std::move(*sockets), kernel->installed(), lacking);
    if (!udp_gone)
        return std::unexpected{udp_gone.error()};
    for (const auto& each : lacking)
        log(Level::warning, each);
    const auto& knobs = datapath->config();
    log(Level::info, "programs loaded",
        {{"bpf-path", config.datapath.bpf_path.string()},
         {"abi", std::to_string(LB_ABI_VERSION)},
         {"set_retval", knobs.can_set_retval ? "yes" : "no"},
         {"fib_src", knobs.fib_src ? "yes" : "no"}});
    if (!kernel->installed().empty())
        log(Level::info, "adopted " + summary(kernel->installed()));

    Agent agent{io,
                started,
                config,
                std::move(*datapath),
                std::move(*flows),
                std::move(*kernel),
                std::move(*udp_gone),
                std::move(*netlink),
                std::move(manifests)};
    if (auto able = agent.start(); !able)
        return able;
    io.run();
    log(Level::info, "stopping; the programs keep forwarding");
    return {};
}

} // namespace naru
