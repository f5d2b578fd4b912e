#include <algorithm>
#include <tuple>

#include <fmt/format.h>

#include "filter.hpp"
#include "verbs.hpp"
#include "words.hpp"

namespace naru::ctl {

namespace {

struct Stick {
    std::string state;                   ///< "live", "expired" or "void": a fresh pick comes next
    const lb_backend* backend = nullptr; ///< where it still leads; nullptr: that backend is gone
    std::optional<std::uint64_t> remaining_sec;
};

/// As the programs judge it, see select_backend().
Stick judge(const Snapshot& tables, const lb_affinity& entry, const Clock& clock)
{
    Stick stick{.state = "void", .backend = nullptr, .remaining_sec = std::nullopt};
    const auto* block = tables.block(entry.service);
    if (!block)
        return stick;
    if (entry.position < block->rows.size() && block->rows[entry.position].generation == entry.generation &&
        entry.generation)
        stick.backend = &block->rows[entry.position];
    if (!block->affinity_timeout_sec || block->affinity_epoch != entry.epoch)
        return stick;
    stick.remaining_sec = clock.remaining_sec(entry.last_seen, block->affinity_timeout_sec);
    if (!stick.remaining_sec)
        stick.state = "expired";
    else if (stick.backend && (stick.backend->flags & LB_BACKEND_CHOSEN))
        stick.state = "live";
    return stick;
}

Row row_of(const Snapshot& tables, const lb_affinity_key& key, const lb_affinity& entry, const Clock& clock)
{
    auto stick = judge(tables, entry, clock);
    const auto* view = tables.find(entry.service);
    const auto* name = view && view->name ? &*view->name : nullptr;
    auto of_name = [&](auto member) -> Value { return name ? Value{(*name).*member} : Value{}; };
    auto frontend = socket_text(key.frontend, key.port);
    auto client = key.by_cookie ? fmt::format("netns:{}", std::uint64_t{key.client.w64[1]})
                                : Address::from(key.client).text();
    auto age = clock.age_sec(entry.last_seen);
    return {{client, key.by_cookie != 0, frontend + '/' + protocol_word(key.proto), frontend,
             protocol_word(key.proto), tables.label(entry.service), of_name(&ServiceName::ns),
             of_name(&ServiceName::name), of_name(&ServiceName::port_name), std::uint64_t{entry.service},
             stick.backend ? Value{socket_text(stick.backend->addr, stick.backend->port)} : Value{},
             std::uint64_t{entry.position}, std::uint64_t{entry.generation}, stick.state, duration(age), age,
             stick.remaining_sec ? Value{duration(*stick.remaining_sec)} : Value{},
             stick.remaining_sec ? Value{*stick.remaining_sec} : Value{}}};
}

} // namespace

Table affinity(const Snapshot& tables, const AffinityRows& rows, const Filter& filter, const Clock& clock)
{
    Table table{{{"CLIENT", "client"},
                 {"", "client_is_netns"},
                 {"FRONTEND", ""},
                 {"", "frontend"},
                 {"", "protocol"},
                 {"SERVICE", ""},
                 {"", "namespace"},
                 {"", "name"},
                 {"", "port_name"},
                 {"ID", "id", true},
                 {"BACKEND", "backend"},
                 {"POSITION", "position", true},
                 {"GENERATION", "generation", true},
                 {"STATE", "state"},
                 {"AGE", ""},
                 {"", "age_sec"},
                 {"REMAINING", ""},
                 {"", "remaining_sec"}},
                {}};
    for (const auto& [key, entry] : rows) {
        const auto* view = tables.find(entry.service);
        auto judged = judge(tables, entry, clock);
        SocketAddress client{key.by_cookie ? Address{} : Address::from(key.client), {}};
        SocketAddress frontend{Address::from(key.frontend), Port::from(key.port)};
        SocketAddress backend = judged.backend ? SocketAddress{Address::from(judged.backend->addr),
                                                               Port::from(judged.backend->port)}
                                               : frontend;
        if (admits(filter, view && view->name ? &*view->name : nullptr) &&
            admits(filter, key.proto, {client, frontend, backend}))
            table.rows.push_back(row_of(tables, key, entry, clock));
    }
    return table;
}

} // namespace naru::ctl
