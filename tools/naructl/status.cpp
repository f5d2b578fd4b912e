#include <fmt/format.h>

#include "verbs.hpp"
#include "words.hpp"

namespace naru::ctl {

namespace {

Row fact(std::string item, std::string name, std::string value)
{
    return {{std::move(item), std::move(name), std::move(value), {}, {}}};
}

Row use(std::string item, const MapUse& map, std::string_view unit)
{
    auto share = map.capacity ? 100 * static_cast<double>(map.used) / static_cast<double>(map.capacity) : 0.0;
    return {{std::move(item), map.name,
             fmt::format("{} of {}{} ({:.1f}%)", map.used, map.capacity, unit, share), map.used,
             map.capacity}};
}

std::string address_or_none(const lb_addr& raw)
{
    auto address = Address::from(raw);
    return address == Address{} ? "none" : address.text();
}

} // namespace

Table status(const Status& status)
{
    Table table{{{"ITEM", "item"}, {"NAME", "name"}, {"VALUE", "value"}, {"", "used"}, {"", "capacity"}}, {}};
    auto& rows = table.rows;
    rows.push_back(fact("version", "naructl", NARU_VERSION));
    rows.push_back(fact("version", "abi", fmt::format("{}", status.node.abi_version)));
    rows.push_back(fact("pins", "", status.pins.string()));
    rows.push_back(fact("node", "primary_ipv4", address_or_none(status.node.primary4)));
    rows.push_back(fact("node", "primary_ipv6", address_or_none(status.node.primary6)));
    rows.push_back(fact("node", "next_generation", std::to_string(status.node.next_generation)));
    rows.push_back(use("arena", {"lb_arena", status.arena_used, status.node.arena_bytes}, " bytes"));
    for (const auto& map : status.maps)
        rows.push_back(use("map", map, ""));
    for (const auto& program : status.programs)
        rows.push_back(fact("program", program.hook, program.device.empty() ? "cgroup" : program.device));
    return table;
}

} // namespace naru::ctl
