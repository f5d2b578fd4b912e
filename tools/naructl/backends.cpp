#include <algorithm>

#include "filter.hpp"
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
            {"", "chosen"},
            {"", "serving"},
            {"", "terminating"},
            {"", "local"}};
}

Row row_of(const Snapshot& tables, std::uint32_t id, const ServiceName* name, std::size_t position,
           const lb_backend& backend)
{
    auto has = [&](unsigned flag) { return (backend.flags & flag) != 0; };
    auto of_name = [&](auto member) -> Value { return name ? Value{(*name).*member} : Value{}; };
    return {{std::uint64_t{id}, tables.label(id), of_name(&ServiceName::ns), of_name(&ServiceName::name),
             of_name(&ServiceName::port_name), name ? Value{protocol_word(name->proto)} : Value{},
             name ? Value{scope_word(name->scope)} : Value{}, std::uint64_t{position},
             socket_text(backend.addr, backend.port), backend_states(backend.flags),
             std::uint64_t{backend.generation}, std::uint64_t{backend.weight}, has(LB_BACKEND_CHOSEN),
             has(LB_BACKEND_SERVING), has(LB_BACKEND_TERMINATING), has(LB_BACKEND_LOCAL)}};
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
                table.rows.push_back(row_of(tables, id, name, position, backend));
        }
    }
    return table;
}

} // namespace naru::ctl
