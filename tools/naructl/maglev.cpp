#include <algorithm>
#include <charconv>
#include <cmath>

#include <fmt/format.h>

#include "escape.hpp"
#include "filter.hpp"
#include "nearest.hpp"
#include "verbs.hpp"
#include "words.hpp"

namespace naru::ctl {

namespace {

bool is_meant(std::uint32_t id, const ServiceView& view, std::string_view wanted)
{
    if (wanted == std::to_string(id))
        return true;
    return view.name && (wanted == view.name->text() || wanted == view.name->ns + '/' + view.name->name);
}

Error unknown_service(const Snapshot& tables, std::string_view wanted)
{
    std::vector<std::string> known;
    for (const auto& [_, view] : tables.services)
        if (view.name)
            known.insert(known.end(), {view.name->text(), view.name->ns + '/' + view.name->name});
    auto meant = nearest(wanted, known);
    auto hint = meant ? fmt::format("; did you mean {}?", escape(*meant)) : "; `naructl services` lists them";
    return {{}, fmt::format("no Service {} here{}", truncate(escape(wanted), 128), hint)};
}

std::vector<std::uint64_t> slots_by_position(const Block& block)
{
    std::vector<std::uint64_t> slots(block.rows.size());
    for (auto position : block.slots)
        ++slots.at(position);
    return slots;
}

double rounded(double share) { return std::round(share * 1e4) / 1e4; }

void append(Table& table, const Snapshot& tables, std::uint32_t id, const ServiceView& view)
{
    const auto& block = *view.block;
    auto slots = slots_by_position(block);
    const auto* name = view.name ? &*view.name : nullptr;
    auto of_name = [&](auto member) -> Value { return name ? Value{(*name).*member} : Value{}; };
    for (std::size_t position = 0; position < block.rows.size(); ++position) {
        const auto& backend = block.rows[position];
        if (is_vacant(backend))
            continue;
        auto share = block.slots.empty()
                         ? 0.0
                         : static_cast<double>(slots[position]) / static_cast<double>(block.slots.size());
        table.rows.push_back(
            {{std::uint64_t{id}, tables.label(id), of_name(&ServiceName::ns), of_name(&ServiceName::name),
              of_name(&ServiceName::port_name), name ? Value{protocol_word(name->proto)} : Value{},
              name ? Value{scope_word(name->scope)} : Value{}, std::uint64_t{position},
              socket_text(backend.addr, backend.port), backend_states(backend.flags),
              std::uint64_t{backend.weight}, slots[position], std::uint64_t{block.slots.size()},
              fmt::format("{:.1f}%", share * 100), rounded(share)}});
    }
}

} // namespace

Result<Table> maglev(const Snapshot& tables, std::string_view service, const Filter& filter)
{
    Table table{{{"ID", "id"},
                 {"SERVICE", ""},
                 {"", "namespace"},
                 {"", "name"},
                 {"", "port_name"},
                 {"PROTO", "protocol"},
                 {"SCOPE", "scope"},
                 {"POSITION", "position"},
                 {"BACKEND", "backend"},
                 {"STATE", "state"},
                 {"WEIGHT", "weight", true},
                 {"SLOTS", "slots"},
                 {"OF", "table_slots"},
                 {"SHARE", ""},
                 {"", "share"}},
                {}};
    bool found = false;
    for (const auto& [id, view] : tables.services) {
        if (!is_meant(id, view, service) || !admits(filter, view.name ? &*view.name : nullptr))
            continue;
        found = true;
        if (view.block)
            append(table, tables, id, view);
    }
    if (!found)
        return std::unexpected{unknown_service(tables, service)};
    return table;
}

} // namespace naru::ctl
