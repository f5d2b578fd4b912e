#include <algorithm>
#include <compare>
#include <tuple>

#include <fmt/format.h>

#include "filter.hpp"
#include "lb/protocol.h"
#include "verbs.hpp"
#include "words.hpp"

namespace naru::ctl {

namespace {

/// The four ends of a flow, whichever direction's entry says it.
struct Ends {
    SocketAddress client, frontend, backend, source;

    friend auto operator<=>(const Ends&, const Ends&) = default;
};

Ends ends_of(const lb_tuple& key, const lb_ct& entry)
{
    auto at = [](const lb_addr& addr, __be16 port) {
        return SocketAddress{Address::from(addr), Port::from(port)};
    };
    auto src = at(key.src, key.sport), dst = at(key.dst, key.dport);
    auto to = at(entry.to, entry.to_port), via = at(entry.via, entry.via_port);
    if (key.direction == LB_DIR_FORWARD)
        return {.client = src, .frontend = dst, .backend = to, .source = via};
    return {.client = to, .frontend = via, .backend = src, .source = dst};
}

/// As the programs count it, see ct_lifetime_sec().
std::uint32_t lifetime_sec(const lb_ct& entry, std::uint8_t proto, const lb_config& lifetimes)
{
    if (!lb_has_connections(proto))
        return entry.state == LB_CT_OPEN ? lifetimes.udp_unreplied_sec : lifetimes.udp_sec;
    if (entry.state == LB_CT_OPEN)
        return lifetimes.tcp_unreplied_sec;
    if (entry.state == LB_CT_ESTABLISHED && (entry.flags & LB_CT_DSR) && (entry.flags & LB_CT_FIN))
        return LB_DSR_FIN_SEC;
    return entry.state == LB_CT_ESTABLISHED ? lifetimes.tcp_established_sec : lifetimes.tcp_closing_sec;
}

std::vector<Column> columns()
{
    return {{"PROTO", "protocol"},
            {"CLIENT", "client"},
            {"FRONTEND", "frontend"},
            {"BACKEND", "backend"},
            {"SOURCE", "source", true},
            {"STATE", "state"},
            {"AGE", ""},
            {"", "age_sec"},
            {"REMAINING", ""},
            {"", "remaining_sec"},
            {"SERVICE", ""},
            {"", "namespace"},
            {"", "name"},
            {"", "port_name"},
            {"ID", "id", true},
            {"POSITION", "position", true},
            {"GENERATION", "generation", true},
            {"DIRECTION", "direction", true},
            {"TABLE", "table", true},
            {"FLAGS", "flags", true}};
}

} // namespace

lb_config default_lifetimes()
{
    lb_config config{};
    config.tcp_unreplied_sec = 20;
    config.tcp_established_sec = 8000;
    config.tcp_closing_sec = 10;
    config.udp_sec = 60;
    config.udp_unreplied_sec = 30;
    config.sock_udp_sec = 60;
    return config;
}

Table ct(const Snapshot& tables, std::span<const FlowTable> flows, const Filter& filter, const Clock& clock,
         const lb_config& lifetimes)
{
    using Order = std::tuple<std::uint8_t, Ends, std::uint8_t, std::string>;
    std::vector<std::pair<Order, Row>> rows;
    for (const auto& [table_name, entries] : flows) {
        for (const auto& [key, entry] : entries) {
            auto ends = ends_of(key, entry);
            const auto* view = tables.find(entry.service);
            const auto* name = view && view->name ? &*view->name : nullptr;
            if (!admits(filter, name) ||
                !admits(filter, key.proto, {ends.client, ends.frontend, ends.backend, ends.source}))
                continue;
            auto of_name = [&](auto member) -> Value { return name ? Value{(*name).*member} : Value{}; };
            auto age = clock.age_sec(entry.last_seen);
            auto left = clock.remaining_sec(entry.last_seen, lifetime_sec(entry, key.proto, lifetimes));
            const bool reply = key.direction != LB_DIR_FORWARD;
            const bool own = entry.service == 0; // what this node itself sends from a frontend's address
            Row row{{protocol_word(key.proto),
                     ends.client.text(),
                     ends.frontend.text(),
                     ends.backend.text(),
                     ends.source.text(),
                     !left ? "expired"
                     : own ? "own"
                           : ct_state_word(entry.state),
                     duration(age),
                     age,
                     left ? Value{duration(*left)} : Value{},
                     left ? Value{*left} : Value{},
                     tables.label(entry.service),
                     of_name(&ServiceName::ns),
                     of_name(&ServiceName::name),
                     of_name(&ServiceName::port_name),
                     std::uint64_t{entry.service},
                     std::uint64_t{entry.position},
                     std::uint64_t{entry.generation},
                     std::string{reply ? "reply" : "forward"},
                     table_name,
                     ct_flag_words(entry.flags)},
                    reply || own}; // the other half of a flow that has a row, and no Service's
            rows.emplace_back(Order{key.proto, ends, key.direction, table_name}, std::move(row));
        }
    }
    std::ranges::sort(rows, {}, &std::pair<Order, Row>::first);

    Table table{columns(), {}};
    for (auto& [_, row] : rows)
        table.rows.push_back(std::move(row));
    return table;
}

} // namespace naru::ctl
