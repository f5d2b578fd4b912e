#include <array>
#include <utility>

#include <bpf/bpf.h>
#include <fmt/format.h>
#include <net/if.h>

#include "datapath/counters.hpp"
#include "datapath/jiffies.hpp"
#include "datapath/probe.hpp"
#include "dump.hpp"
#include "lb/shadowed.h"
#include "verbs.hpp"

namespace naru::ctl {

namespace {

Clock kernel_clock()
{
    auto exact = now_jiffies();
    return {.now = exact ? *exact : approximate_jiffies(), .hz = ticks_per_second()};
}

template <class Value, class Key>
std::optional<Value> look_up(int map, const Key& key)
{
    Value value{};
    return bpf_map_lookup_elem(map, &key, &value) < 0 ? std::nullopt : std::optional{value};
}

void remark_if(bool partial, std::string_view map, std::vector<std::string>& remarks)
{
    if (partial)
        remarks.push_back(fmt::format("{} changed while it was read: rows may be missing", map));
}

Result<Answer> read_affinity(const Maps& maps, const Snapshot& tables, const Filter& filter)
{
    auto rows = dump<lb_affinity_key, lb_affinity>(maps.affinity.get(), "lb_affinity");
    if (!rows)
        return std::unexpected{std::move(rows.error())};
    Answer out{affinity(tables, rows->rows, filter, kernel_clock()), {}};
    remark_if(rows->partial, "lb_affinity", out.remarks);
    return out;
}

Result<Answer> read_ct(const Maps& maps, const Snapshot& tables, const Filter& filter)
{
    struct Source {
        const char* name;
        const char* map;
        int fd;
    };
    std::array<Source, 3> sources{{{"tcp", "lb_ct_tcp", maps.ct_tcp.get()},
                                   {"any", "lb_ct_any", maps.ct_any.get()},
                                   {"snat", "lb_snat", maps.snat.get()}}};
    std::vector<FlowTable> flows;
    Answer out;
    for (const auto& [name, map, fd] : sources) {
        auto rows = dump<lb_tuple, lb_ct>(fd, map);
        if (!rows)
            return std::unexpected{std::move(rows.error())};
        flows.push_back({name, std::move(rows->rows)});
        remark_if(rows->partial, map, out.remarks);
    }
    out.table = ct(tables, flows, filter, kernel_clock(), default_lifetimes());
    return out;
}

Result<Answer> read_metrics(const Maps& maps)
{
    auto counts = read_counters(maps);
    if (!counts)
        return std::unexpected{std::move(counts.error())};
    return Answer{metrics(*counts), {}};
}

/// The blocks' bytes as their records tell them.
std::uint64_t arena_used(const Snapshot& tables)
{
    std::uint64_t used = 0;
    for (const auto& [_, view] : tables.services)
        used += view.block ? view.block->bytes() : 0;
    return used;
}

std::string device_name(std::uint32_t ifindex)
{
    std::array<char, IF_NAMESIZE> name{};
    return if_indextoname(ifindex, name.data()) ? name.data() : fmt::format("ifindex {}", ifindex);
}

template <class Key, class Value>
Result<> add_use(Status& out, const UniqueFd& map, std::string name)
{
    auto entries = read_entries(map.get(), sizeof(Key), sizeof(Value), name);
    if (!entries)
        return std::unexpected{std::move(entries.error())};
    out.maps.push_back({std::move(name), entries->count, entries->capacity});
    return {};
}

Result<> add_all_uses(Status& out, const Maps& maps)
{
    Result<> done;
    auto add = [&]<class Key, class Value>(const UniqueFd& map, const char* name, std::pair<Key, Value>) {
        if (done)
            done = add_use<Key, Value>(out, map, name);
    };
    using std::pair;
    add(maps.frontends, "lb_frontends", pair<lb_frontend_key, lb_frontend>{});
    add(maps.names, "lb_names", pair<std::uint32_t, lb_service_name>{});
    add(maps.ranges, "lb_ranges", pair<lb_range_key, std::uint32_t>{});
    add(maps.devices, "lb_devices", pair<std::uint32_t, lb_device>{});
    add(maps.ct_tcp, "lb_ct_tcp", pair<lb_tuple, lb_ct>{});
    add(maps.ct_any, "lb_ct_any", pair<lb_tuple, lb_ct>{});
    add(maps.snat, "lb_snat", pair<lb_tuple, lb_ct>{});
    add(maps.affinity, "lb_affinity", pair<lb_affinity_key, lb_affinity>{});
    add(maps.sock, "lb_sock", pair<std::uint64_t, lb_sock>{});
    add(maps.sock_udp, "lb_sock_udp", pair<lb_sock_udp_key, lb_sock_udp>{});
    if (maps.udp_gone)
        add(maps.udp_gone, "lb_udp_gone", pair<lb_udp_gone_key, lb_udp_gone>{});
    if (maps.shadowed)
        add(maps.shadowed, "lb_shadowed", pair<lb_shadowed_key, lb_shadowed>{});
    if (maps.fragments)
        add(maps.fragments, "lb_fragments", pair<lb_fragment_key, lb_fragment>{});
    if (maps.loads)
        add(maps.loads, "lb_loads", pair<std::uint32_t, lb_load>{});
    return done;
}

Result<Answer> read_status(const Options& options, const Maps& maps)
{
    Status out;
    std::error_code failed;
    auto pins = std::filesystem::canonical(options.bpf_path / "current", failed);
    out.pins = failed ? options.bpf_path : pins;
    auto node = look_up<lb_node>(maps.node.get(), std::uint32_t{0});
    if (!node)
        return sys_error("read map lb_node");
    out.node = *node;
    auto tables = read_snapshot(maps);
    if (!tables)
        return std::unexpected{std::move(tables.error())};
    out.arena_used = arena_used(*tables);
    if (auto added = add_all_uses(out, maps); !added)
        return std::unexpected{std::move(added.error())};
    for (const auto& link : pinned_links(options.bpf_path))
        out.programs.push_back({link.hook, link.ifindex ? device_name(*link.ifindex) : ""});
    return Answer{status(out), std::move(tables->remarks)};
}

/// The key under which affinity keeps this client. A process of this node is known by its network namespace,
/// which is taken to be the caller's.
std::optional<lb_affinity_key> affinity_client(const Flow& flow)
{
    auto frontend = frontend_of(flow);
    lb_affinity_key key{.client = {},
                        .frontend = frontend.addr,
                        .port = frontend.port,
                        .proto = frontend.proto,
                        .by_cookie = 0,
                        .pad = 0};
    if (flow.from) {
        key.client = flow.from->raw();
        return key;
    }
    auto cookie = netns_cookie();
    if (!cookie)
        return std::nullopt; // a kernel that does not tell
    key.client.w64[1] = *cookie;
    key.by_cookie = 1;
    return key;
}

Answer read_explain(const Maps& maps, const Snapshot& tables, const Flow& flow)
{
    Remembered remembered{.client = affinity_client(flow), .affinity = std::nullopt, .entry = std::nullopt};
    if (remembered.client)
        remembered.affinity = look_up<lb_affinity>(maps.affinity.get(), *remembered.client);
    if (flow.from && flow.from_port) {
        const auto& table = has_connections(flow.protocol) ? maps.ct_tcp : maps.ct_any;
        remembered.entry = look_up<lb_ct>(table.get(), tuple_of(flow));
    }
    return {explain(tables, flow, remembered, kernel_clock()), {}};
}

Result<Answer> about_services(const Options& options, const Maps& maps, const Snapshot& tables)
{
    switch (options.verb) {
    case Verb::services:
        return Answer{services(tables, options.filter), {}};
    case Verb::backends:
        return Answer{backends(tables, options.filter), {}};
    case Verb::affinity:
        return read_affinity(maps, tables, options.filter);
    case Verb::ct:
        return read_ct(maps, tables, options.filter);
    case Verb::explain:
        return read_explain(maps, tables, options.flow);
    case Verb::maglev: {
        auto table = maglev(tables, options.service, options.filter);
        if (!table)
            return std::unexpected{std::move(table.error())};
        return Answer{std::move(*table), {}};
    }
    case Verb::status:
    case Verb::metrics:
        break;
    }
    std::unreachable();
}

} // namespace

Need need_of(Verb verb) { return verb == Verb::metrics ? Need::tables : Need::blocks; }

Result<Answer> answer(const Options& options, const Maps& maps)
{
    if (options.verb == Verb::metrics)
        return read_metrics(maps);
    if (options.verb == Verb::status)
        return read_status(options, maps);

    auto tables = read_snapshot(maps);
    if (!tables)
        return std::unexpected{std::move(tables.error())};
    auto out = about_services(options, maps, *tables);
    if (out)
        out->remarks.insert(out->remarks.begin(), tables->remarks.begin(), tables->remarks.end());
    return out;
}

} // namespace naru::ctl
