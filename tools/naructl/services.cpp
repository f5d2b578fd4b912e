#include <algorithm>
#include <compare>
#include <tuple>

#include <fmt/format.h>

#include "filter.hpp"
#include "model/algorithm.hpp"
#include "verbs.hpp"
#include "words.hpp"

namespace naru::ctl {

namespace {

/// The number whose backend set the policy of this kind of frontend speaks about: internalTrafficPolicy for
/// cluster addresses, externalTrafficPolicy for all others.
std::uint32_t governing(const lb_frontend& frontend)
{
    return frontend.kind == LB_KIND_CLUSTER_IP ? frontend.inside : frontend.outside;
}

std::uint64_t ranges_of(const Snapshot& tables, std::uint32_t service)
{
    return static_cast<std::uint64_t>(std::ranges::count(tables.ranges, service, &lb_range_key::service));
}

std::vector<std::string> flags_of(const Snapshot& tables, const lb_frontend_key& key,
                                  const lb_frontend& frontend)
{
    std::vector<std::string> flags;
    const auto* block = tables.block(governing(frontend));
    if (block && block->affinity_timeout_sec)
        flags.push_back(fmt::format("affinity={}s", block->affinity_timeout_sec));
    if (block && block->algorithm != LB_ALGORITHM_DEFAULT)
        flags.push_back(fmt::format("algorithm={}", name_of(block->algorithm)));
    if (frontend.flags & LB_FRONTEND_RANGES)
        flags.push_back(fmt::format("ranges={}", ranges_of(tables, frontend.inside)));
    if (frontend.flags & LB_FRONTEND_ADMITS_NODE)
        flags.emplace_back("admits-node");
    if (frontend.flags & LB_FRONTEND_HOST_ONLY)
        flags.emplace_back("host-only");
    if (frontend.flags & LB_FRONTEND_NODE_ADDRESS)
        flags.emplace_back("node-address");
    if (frontend.flags & LB_FRONTEND_TOMBSTONE)
        flags.emplace_back("tombstone");
    if (auto waiting = tables.waiting_for(key).size())
        flags.push_back(fmt::format("shadows={}", waiting));
    return flags;
}

std::vector<std::string> chosen_backends(const Block& block)
{
    std::vector<SocketAddress> chosen;
    for (const auto& row : block.rows)
        if (row.flags & LB_BACKEND_CHOSEN)
            chosen.push_back({Address::from(row.addr), Port::from(row.port)});
    std::ranges::sort(chosen);
    std::vector<std::string> texts;
    for (const auto& backend : chosen)
        texts.push_back(backend.text());
    return texts;
}

std::string policy(const lb_frontend& frontend, const ServiceName& name)
{
    auto which = frontend.kind == LB_KIND_CLUSTER_IP ? "itp" : "etp";
    switch (name.scope) {
    case LB_SCOPE_CLUSTER:
        return fmt::format("{}=Cluster", which);
    case LB_SCOPE_LOCAL:
        return fmt::format("{}=Local", which);
    default:
        return "";
    }
}

/// How clients outside reach backends of other nodes.
Value forwarding(const Snapshot& tables, const lb_frontend& frontend)
{
    const auto* view = tables.find(frontend.outside);
    if (!view || !view->block)
        return {};
    if (view->name && view->name->scope == LB_SCOPE_LOCAL)
        return std::string{"none (backends of this node only)"};
    return std::string{name_of(forwarding_of(*view->block))};
}

std::string summary(const Block& block, const ServiceName* name)
{
    auto count = count_backends(block);
    if (name && name->scope == LB_SCOPE_LOCAL)
        return fmt::format("{} local, {} total", count.chosen, count.total);
    return fmt::format("{} of {} usable", count.chosen, count.total);
}

std::vector<Column> columns()
{
    return {{"ID", "id"},
            {"FRONTEND", ""},
            {"", "frontend"},
            {"", "protocol"},
            {"KIND", "kind"},
            {"SERVICE", ""},
            {"", "namespace"},
            {"", "name"},
            {"", "port_name"},
            {"TYPE", "type", true},
            {"POLICY", "policy"},
            {"BACKENDS", ""},
            {"", "backends"},
            {"", "usable"},
            {"", "total"},
            {"INSIDE", "inside", true},
            {"OUTSIDE", "outside", true},
            {"FORWARDING", "forwarding", true},
            {"FLAGS", "flags"},
            {"SHADOWED", "shadowed", true}};
}

Row row_of(const Snapshot& tables, const lb_frontend_key& key, const lb_frontend& frontend)
{
    auto id = governing(frontend);
    const auto* view = tables.find(id);
    const auto* name = view && view->name ? &*view->name : nullptr;
    const auto* block = tables.block(id);
    auto count = block ? count_backends(*block) : BackendCount{};
    auto number = [](std::uint32_t n) -> Value { return n ? Value{std::uint64_t{n}} : Value{}; };
    auto of_name = [&](auto member) -> Value { return name ? Value{(*name).*member} : Value{}; };
    auto frontend_address = frontend_text(key);
    bool wildcard = is_wildcard(key);

    return {{number(id),
             wildcard ? frontend_address : frontend_address + '/' + protocol_word(key.proto),
             frontend_address,
             wildcard ? Value{} : Value{protocol_word(key.proto)},
             kind_word(frontend.kind),
             tables.label(id),
             of_name(&ServiceName::ns),
             of_name(&ServiceName::name),
             of_name(&ServiceName::port_name),
             name ? Value{type_word(name->type)} : Value{},
             name ? Value{policy(frontend, *name)} : Value{},
             block ? Value{summary(*block, name)} : Value{},
             block ? chosen_backends(*block) : std::vector<std::string>{},
             count.chosen,
             count.total,
             number(frontend.inside),
             number(frontend.outside),
             forwarding(tables, frontend),
             flags_of(tables, key, frontend),
             tables.waiting_for(key)},
            wildcard || (frontend.flags & LB_FRONTEND_TOMBSTONE) != 0};
}

} // namespace

Table services(const Snapshot& tables, const Filter& filter)
{
    using Order = std::tuple<std::string, std::uint8_t, Address, Port, std::uint8_t>;
    std::vector<std::pair<Order, Row>> rows;
    for (const auto& [key, frontend] : tables.frontends) {
        auto id = governing(frontend);
        const auto* view = tables.find(id);
        SocketAddress at{Address::from(key.addr), Port::from(key.port)};
        if (admits(filter, view && view->name ? &*view->name : nullptr) && admits(filter, key.proto, {at}))
            rows.emplace_back(Order{tables.label(id), frontend.kind, at.address, at.port, key.proto},
                              row_of(tables, key, frontend));
    }
    std::ranges::sort(rows, {}, &std::pair<Order, Row>::first);

    Table table{columns(), {}};
    for (auto& [_, row] : rows)
        table.rows.push_back(std::move(row));
    return table;
}

} // namespace naru::ctl
