#include "agent.hpp"

#include <array>
#include <exception>
#include <utility>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>

#include "configz.hpp"
#include "logging.hpp"
#include "loop.hpp"
#include "report.hpp"
#include "serve/pages.hpp"
#include "status.hpp"

namespace naru {

namespace {

namespace asio = boost::asio;
using namespace std::chrono_literals;

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

NodeView initial_view(const Config& config)
{
    NodeView view;
    view.node.name = config.node_name;
    view.node_ports = config.node_ports;
    view.external_ips = config.external_ips;
    view.published_node_addresses = config.published_node_addresses;
    view.close_other_family = config.close_other_family;
    view.forwarding = config.forwarding;
    view.proxy_name = config.proxy_name;
    if (config.access)
        for (const auto& server : config.access->servers)
            if (auto address = Address::parse(server.host)) // a name leads to what default/kubernetes holds
                view.api_servers.insert({*address, {server.port}});
    return view;
}

} // namespace

Agent::Agent(asio::io_context& io, Clock::time_point started, const Config& config, Foundation foundation)
    : config_{config}, started_{started}, io_{io}, on_{std::move(foundation)},
      order_{on_.datapath.serves() || !on_.kernel.installed().empty()},
      attachments_{on_.datapath, std::move(on_.netlink), config.devices},
      sync_{{[this]() -> const Tables& { return on_.kernel.installed(); },
             [this](std::span<const Change> changes) { return on_.udp_gone.apply(on_.kernel, changes); }},
            initial_view(config),
            {.arena = arena_room(on_.datapath.config().arena_bytes)}},
      service_health_{io, sync_.health_checks(), [this] { return is_healthy(health()); }},
      sweep_{on_.flows, on_.datapath.config()}
{
    if (config.access)
        api_.emplace(io, config, on_.kernel.installed(),
                     ApiServer::Uses{.change = [this](const auto& edit) { change(edit); },
                                     .listed = [this] { sources_listed(); }});
    on_.verification->then([this](Result<Programs> programs) { take_programs(std::move(programs)); });
}

/// Those that name uplinks. The stand-in's come from the uplinks themselves and must not decide which these
/// are.
NodeAddresses Agent::node_addresses() const
{
    if (!order_.is_listed())
        return std::nullopt;
    return sync_.has_node() ? sync_.view().node.addresses : std::vector<Address>{};
}

Result<> Agent::start()
{
    if (on_.manifests) { // which devices are uplinks depends on the Node object
        read_manifests();
        order_.listed();
    }
    if (auto read = attachments_.look(node_addresses()); !read)
        return read;
    follow_network();
    advance();
    step();

    follow_changes();
    serve_pages();
    if (api_)
        api_->start();
    return {};
}

void Agent::follow_changes()
{
    const auto start = [this](asio::awaitable<void> loop) { asio::co_spawn(io_, std::move(loop), or_end); };
    if (on_.manifests)
        start(watch(on_.manifests->event_fd(), [this] {
            on_.manifests->drain();
            manifests_changed_ = true;
            gather_soon();
        }));
    start(watch(attachments_.event_fd(), [this] {
        network_changed_ |= attachments_.drain();
        gather_soon();
    }));
    start(every(reclaim_interval, [this] { on_.kernel.reclaim(); }));
    start(every(sweep_interval, [this] {
        if (sync_.synced())
            sweep_.run(on_.kernel.compared_backends());
    }));
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
    sync_.replace(on_.manifests->read(complaints));
    for (const auto& each : complaints)
        log(each.skipped ? Level::info : Level::warning, each.text());
}

void Agent::change(const std::function<void(Store&)>& edit)
{
    const auto node = sync_.view().node;
    sync_.change(edit);
    network_changed_ |= node != sync_.view().node;
    gather_next();
}

/// From now on what is wanted is known: what no source wants may go.
void Agent::sources_listed()
{
    order_.listed();
    network_changed_ = true;
    advance();
    gather_next();
}

void Agent::take_programs(Result<Programs> programs)
{
    if (!programs)
        return fail(std::move(programs.error()));
    if (auto taken = on_.datapath.take(std::move(*programs)); !taken)
        return fail(std::move(taken.error()));
    const auto& knobs = on_.datapath.config();
    log(Level::info, "programs loaded",
        {{"bpf-path", config_.datapath.bpf_path.string()},
         {"abi", std::to_string(LB_ABI_VERSION)},
         {"set_retval", knobs.can_set_retval ? "yes" : "no"},
         {"fib_src", knobs.fib_src ? "yes" : "no"}});
    order_.verified();
    network_changed_ = true; // what it says may be written now
    advance();
    gather_next();
}

/// Takes the steps of the start that have become due.
void Agent::advance()
{
    if (order_.may_write())
        sync_.settle(!api_ || api_->complete());
    if (!order_.attach_is_due())
        return;
    if (auto attached = attachments_.start(node_addresses()); !attached)
        return fail(std::move(attached.error()));
    order_.attached();
    for (const auto& each : on_.datapath.attachments())
        log(Level::debug, "attached", {{"hook", each.hook}, {"device", each.device}, {"mode", each.mode}});
}

void Agent::fail(Error why)
{
    failure_ = std::move(why);
    io_.stop();
}

/// What Services depend on besides their own objects, after the devices or the Node object have changed.
void Agent::follow_network()
{
    sync_.set_interface_addresses(reachable_addresses(attachments_.network()));
    if (!order_.is_listed())
        return; // an earlier run knew the Node better than the devices do
    if (!sync_.has_node()) {
        auto node = stand_in(config_.node_name, attachments_.network(), attachments_.devices());
        node.eligible = !api_; // an API server would know it
        sync_.set_fallback_node(std::move(node));
        if (!std::exchange(told_stand_in_, true))
            tell_stand_in(config_.node_name, api_.has_value());
    }
    if (!order_.may_write())
        return;
    std::array<const Address*, 2> primary{};
    for (const auto& address : sync_.view().node.addresses)
        if (auto& slot = primary[address.family() == Family::v4 ? 0 : 1]; !slot)
            slot = &address;
    if (auto written = on_.kernel.set_primary(primary[0], primary[1]); !written)
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
        tell_host_routes();
    }
    step();
}

void Agent::audit()
{
    attachments_.audit(node_addresses());
    follow_network();
    step();
    tell_host_routes();
}

void Agent::step()
{
    const auto report = sync_.step(Clock::now());
    tell(report);
    tell(service_health_.follow(report.health_ports, sync_.view()));
    tell_sockets();
    show_shadowed();
    last_sync_ = std::chrono::system_clock::now();
    if (sync_.stats().steps > 0)
        order_.written();
    advance();
    tell_ready();
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
    log_report(report);
    if (api_)
        api_->tell(report, sync_);
}

void Agent::tell_ready()
{
    if (told_ready_ || !health().not_ready.empty())
        return;
    told_ready_ = true;
    const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - started_);
    log(Level::info,
        "ready: " + summary(on_.kernel.installed()) + ", in " + std::to_string(took.count()) + " ms");
    tell_host_routes();
}

void Agent::tell_sockets()
{
    const auto told = on_.udp_gone.tell();
    const auto failure = told ? std::string{} : told.error().message();
    if (!failure.empty() && failure != told_sockets_)
        log(Level::warning, failure + "; connected UDP sockets may wait for backends that have gone");
    told_sockets_ = failure;
}

/// Without the socket path packets of the host must find their way past a program.
void Agent::tell_host_routes()
{
    if (on_.datapath.config().host_packets && told_ready_)
        for (const auto& news : host_routes_.follow(on_.kernel.installed(), attachments_.devices()))
            log(Level::warning, news);
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

Health Agent::health() const
{
    auto health = health_of(sync_, attachments_, last_sync_);
    if (api_)
        api_->add_to(health);
    return health;
}

Metrics Agent::metrics() const
{
    auto metrics = metrics_of(sync_, attachments_, last_sync_);
    add_tables(metrics, on_.kernel, sweep_.last().tombstones, on_.udp_gone, on_.flows);
    metrics.attachments = on_.datapath.attachments();
    if (api_)
        api_->add_to(metrics);
    metrics.health_listening = service_health_.listening();
    metrics.health_failed = service_health_.failed();
    return metrics;
}

} // namespace naru
