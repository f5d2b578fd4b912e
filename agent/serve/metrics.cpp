#include "metrics.hpp"

#include <algorithm>
#include <iterator>
#include <string_view>
#include <utility>

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include "lb/reason.h"

namespace naru {

namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;
using Labels = std::vector<ClientMetric::Label>;

enum class Fate { passed, forwarded, dropped };

/// A reason this build does not know (counters outlive the agent) counts as a drop: better looked at in vain
/// than not seen.
Fate fate_of(std::string_view key)
{
    constexpr std::string_view keys[] = {
#define X(symbol, key, meaning) key,
        LB_REASONS(X)
#undef X
    };
    switch (std::ranges::find(keys, key) - std::begin(keys)) {
    case LB_PASS:
    case LB_SOCK_LEFT:
    case LB_FRAGMENT_WAIT:
        return Fate::passed;
    case LB_TRANSLATED:
    case LB_FORWARD_LOCAL:
    case LB_FORWARD_REMOTE:
    case LB_HAIRPIN:
    case LB_REPLY:
    case LB_REPLY_SNAT:
    case LB_ECHO:
    case LB_ICMP_TO_CLIENT:
    case LB_ICMP_TO_BACKEND:
    case LB_ENCAPSULATED:
    case LB_DECAPSULATED:
    case LB_TUNNEL_UNHEARD:
        return Fate::forwarded;
    default:
        return Fate::dropped;
    }
}

class Family {
public:
    Family(MetricType type, std::string name, std::string help)
    {
        family_.type = type;
        family_.name = std::move(name);
        family_.help = std::move(help);
    }

    Family& add(double value, Labels labels = {})
    {
        ClientMetric metric;
        metric.label = std::move(labels);
        if (family_.type == MetricType::Counter)
            metric.counter.value = value;
        else
            metric.gauge.value = value;
        family_.metric.push_back(std::move(metric));
        return *this;
    }

    operator MetricFamily() const { return family_; }

private:
    MetricFamily family_;
};

Family gauge(std::string name, std::string help)
{
    return {MetricType::Gauge, std::move(name), std::move(help)};
}
Family counter(std::string name, std::string help)
{
    return {MetricType::Counter, std::move(name), std::move(help)};
}

double number(auto value) { return static_cast<double>(value); }

void add_sync(const Metrics& all, std::vector<MetricFamily>& out)
{
    const auto& sync = all.sync;
    out.push_back(
        gauge("naru_build_info", "Version of the agent; the value is 1.").add(1, {{"version", all.version}}));
    out.push_back(gauge("naru_sync_synced",
                        "1 once every Service known at the start was applied or refused for lack of "
                        "room.")
                      .add(all.synced));
    out.push_back(counter("naru_sync_steps_total", "Passes over changed Services.").add(number(sync.steps)));
    out.push_back(counter("naru_sync_changes_total", "Tries to change a row of the tables, by outcome.")
                      .add(number(sync.applied), {{"outcome", "applied"}})
                      .add(number(sync.failed), {{"outcome", "failed"}}));
    out.push_back(gauge("naru_sync_changes_pending", "Changes that are wanted and do not hold yet.")
                      .add(number(sync.pending)));
    if (all.last_sync)
        out.push_back(gauge("naru_sync_last_timestamp_seconds", "End of the last pass, Unix time.")
                          .add(std::chrono::duration<double>(all.last_sync->time_since_epoch()).count()));
    auto notices =
        counter("naru_sync_notices_total", "Things about a Service that a person was told, by reason.");
    for (const auto& [reason, count] : sync.notices)
        notices.add(number(count), {{"reason", reason}});
    out.push_back(notices);
    out.push_back(gauge("naru_frontend_conflicts", "Frontends that more than one Service wants.")
                      .add(number(sync.conflicts)));
    out.push_back(gauge("naru_services_refused", "Services that do not fit into the tables.")
                      .add(number(sync.refused)));
    out.push_back(gauge("naru_service_health_listeners",
                        "Ports of healthCheckNodePort on addresses of this node, by whether they answer.")
                      .add(number(all.health_listening), {{"state", "listening"}})
                      .add(number(all.health_failed), {{"state", "failed"}}));
}

void add_watches(const Metrics& all, std::vector<MetricFamily>& out)
{
    if (all.watches.empty())
        return;
    out.push_back(gauge("naru_apiserver_connected", "1 while every resource is followed at an API server.")
                      .add(std::ranges::all_of(all.watches, &WatchUse::connected)));
    out.push_back(gauge("naru_relist_guard_active", "1 while objects are kept that the last list lacks.")
                      .add(all.relist_guard_active));
    const auto each = [&](const char* name, const char* help, std::uint64_t WatchUse::* value) {
        auto family = counter(name, help);
        for (const auto& watch : all.watches)
            family.add(number(watch.*value), {{"resource", watch.resource}});
        out.push_back(family);
    };
    each("naru_watch_lists_total", "Complete sets of objects received.", &WatchUse::lists);
    auto restarts = counter("naru_watch_restarts_total",
                            "Exchanges with an API server that followed another one, by how that had ended.");
    for (const auto& watch : all.watches)
        for (const auto& [reason, count] : watch.restarts)
            restarts.add(number(count), {{"resource", watch.resource}, {"reason", reason}});
    out.push_back(restarts);
    each("naru_watch_failures_total", "Exchanges that failed or were refused.", &WatchUse::failures);
    each("naru_watch_events_total", "Events received, bookmarks included.", &WatchUse::events);
    each("naru_objects_rejected_total", "Objects left out: not decodable, or of another kind.",
         &WatchUse::rejected);
}

void add_events(const EventUse& events, std::vector<MetricFamily>& out)
{
    out.push_back(
        counter("naru_events_total", "Events on Services for the API server, by what became of them.")
            .add(number(events.created), {{"outcome", "created"}})
            .add(number(events.repeated), {{"outcome", "repeated"}})
            .add(number(events.shared), {{"outcome", "shared"}})
            .add(number(events.dropped), {{"outcome", "dropped"}})
            .add(number(events.failed), {{"outcome", "failed"}}));
}

void add_datapath(const Metrics& all, std::vector<MetricFamily>& out)
{
    auto programs = gauge("naru_program_info", "A program on its hook; the value is 1.");
    for (const auto& each : all.attachments)
        programs.add(1, {{"hook", each.hook}, {"mode", each.mode}, {"ifname", each.device}});
    out.push_back(programs);
    out.push_back(gauge("naru_hooks_missing", "Hooks that should carry a program and do not.")
                      .add(number(all.hooks_missing)));

    auto pressure = gauge("naru_bpf_map_pressure", "Used share of a map; 1 is full.");
    auto capacity = gauge("naru_bpf_map_capacity", "Size of a map: entries, bytes for lb_arena.");
    for (const auto& map : all.maps) {
        pressure.add(map.capacity ? number(map.used) / number(map.capacity) : 0, {{"map", map.map}});
        capacity.add(number(map.capacity), {{"map", map.map}});
    }
    out.push_back(pressure);
    out.push_back(capacity);
    out.push_back(counter("naru_udp_sockets_ended_total",
                          "Connected UDP sockets of host processes that were ended because their backend had "
                          "gone.")
                      .add(number(all.udp_sockets_ended)));
}

void add_counters(const Metrics& all, std::vector<MetricFamily>& out)
{
    const std::pair<Fate, std::string> fates[] = {
        {Fate::passed, "pass"}, {Fate::forwarded, "forward"}, {Fate::dropped, "drop"}};
    for (const auto& [fate, word] : fates) {
        auto packets = counter("naru_datapath_" + word + "_packets_total",
                               "Packets and socket calls, by hook and reason.");
        auto bytes =
            counter("naru_datapath_" + word + "_bytes_total", "Bytes of packets, by hook and reason.");
        for (const auto& each : all.counters) {
            if (fate_of(each.reason) != fate)
                continue;
            const Labels labels{{"hook", std::string{each.hook}}, {"reason", std::string{each.reason}}};
            packets.add(number(each.packets), labels);
            bytes.add(number(each.bytes), labels);
        }
        out.push_back(packets);
        out.push_back(bytes);
    }
}

} // namespace

std::string prometheus_text(const Metrics& metrics)
{
    std::vector<MetricFamily> families;
    add_sync(metrics, families);
    add_watches(metrics, families);
    if (metrics.events)
        add_events(*metrics.events, families);
    add_datapath(metrics, families);
    add_counters(metrics, families);
    std::erase_if(families, [](const MetricFamily& family) { return family.metric.empty(); });
    return prometheus::TextSerializer{}.Serialize(families);
}

} // namespace naru
