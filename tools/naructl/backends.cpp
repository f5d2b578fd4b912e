#include <algorithm>

#include "filter.hpp"
#include "model/algorithm.hpp"
#include "verbs.hpp"
#include "words.hpp"

namespace naru::ctl {

namespace {

std::vector<Column> columns()
{
    return {{"ID", "id"},
            {"SERVICE", ""},
            {"", "namespace"},
            {"", "name"},
            {"", "port_name"},
            {"PROTO", "protocol"},
            {"SCOPE", "scope"},
            {"POSITION", "position"},
            {"BACKEND", "backend"},
            {"STATE", "state"},
            {"GENERATION", "generation"},
            {"WEIGHT", "weight", true},
            {"ACTIVE", "active", true},
            {"", "chosen"},
            {"", "serving"},
            {"", "terminating"},
            {"", "local"}};
}

/// Connections are counted only where the algorithm asks for them.
Value active(const Snapshot& tables, const Block& block, const lb_backend& backend)
{
    return compares_loads(block.algorithm) ? Value{tables.connections_of(backend)} : Value{};
}

Row row_of(const Snapshot& tables, std::uint32_t id, const ServiceView& view, std::size_t position)
{
    const auto* name = view.name ? &*view.name : nullptr;
    const auto& backend = view.block->rows[position];
    auto has = [&](unsigned flag) { return (backend.flags & flag) != 0; };
    auto of_name = [&](auto member) -> Value { return name ? Value{(*name).*member} : Value{}; };
    return {{std::uint64_t{id}, tables.label(id), of_name(&ServiceName::ns), of_name(&ServiceName::name),
             of_name(&ServiceName::port_name), name ? Value{protocol_word(name->proto)} : Value{},
             name ? Value{scope_word(name->scope)} : Value{}, std::uint64_t{position},
             socket_text(backend.addr, backend.port), backend_states(backend.flags),
             std::uint64_t{backend.generation}, std::uint64_t{backend.weight},
             active(tables, *view.block, backend), has(LB_BACKEND_CHOSEN), has(LB_BACKEND_SERVING),
             has(LB_BACKEND_TERMINATING), has(LB_BACKEND_LOCAL)}};
}

} // namespace

Table backends(const Snapshot& tables, const Filter& filter)
{
    Table table{columns(), {}};
    for (const auto& [id, view] : tables.services) {
        const auto* name = view.name ? &*view.name : nullptr;
        if (!view.block || !admits(filter, name))
            continue;
        for (std::size_t position = 0; position < view.block->rows.size(); ++position) {
            const auto& backend = view.block->rows[position];
            SocketAddress at{Address::from(backend.addr), Port::from(backend.port)};
            if (!is_vacant(backend) && admits(filter, name ? name->proto : std::uint8_t{0}, {at}))
                table.rows.push_back(row_of(tables, id, view, position));
        }
    }
    return table;
}

} // namespace naru::ctl
