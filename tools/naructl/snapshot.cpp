#include "snapshot.hpp"

#include <algorithm>
#include <bit>

#include <bpf/bpf.h>
#include <fmt/format.h>

#include "dump.hpp"
#include "lb/shadowed.h"
#include "model/algorithm.hpp"
#include "pins.hpp"
#include "words.hpp"

namespace naru::ctl {

namespace {

using Records = std::map<std::uint32_t, lb_service>;

std::pair<SocketAddress, std::uint8_t> place_of(const lb_frontend_key& key)
{
    return {{Address::from(key.addr), Port::from(key.port)}, key.proto};
}

lb_service record_of(int services, std::uint32_t number)
{
    std::uint64_t word = 0;
    if (bpf_map_lookup_elem(services, &number, &word) < 0)
        return {}; // a number beyond the map: no such service
    return std::bit_cast<lb_service>(word);
}

bool same(const lb_service& a, const lb_service& b)
{
    return std::bit_cast<std::uint64_t>(a) == std::bit_cast<std::uint64_t>(b);
}

std::optional<Block> block_at(std::span<const std::byte> arena, std::uint32_t number, lb_service record)
{
    if (record.block == 0 || record.block % LB_BLOCK_ALIGN != 0 || record.block >= arena.size())
        return std::nullopt;
    return decode(arena.subspan(record.block), number, record);
}

Result<> read_blocks(const Maps& maps, Snapshot& out)
{
    Arena arena{maps};
    Records pending;
    for (const auto& [number, _] : out.services)
        if (auto record = record_of(maps.services.get(), number); record.block)
            pending[number] = record;

    constexpr int tries = 4;
    for (int i = 0; i < tries && !pending.empty(); ++i) {
        auto bytes = arena.refresh();
        if (!bytes)
            return std::unexpected{std::move(bytes.error())};
        Records changed;
        for (const auto& [number, record] : pending) {
            auto block = block_at(*bytes, number, record);
            auto now = record_of(maps.services.get(), number);
            if (!same(record, now)) {
                if (now.block)
                    changed[number] = now;
                continue;
            }
            if (!block)
                out.remarks.push_back(fmt::format("service {} ({}) has a block that contradicts its record",
                                                  number, out.label(number)));
            out.services[number].block = std::move(block);
        }
        pending = std::move(changed);
    }
    for (const auto& [number, _] : pending)
        out.remarks.push_back(
            fmt::format("service {} ({}) changed while it was read: left out", number, out.label(number)));
    return {};
}

template <class Key, class Value>
Result<std::vector<std::pair<Key, Value>>> rows(int map, std::string_view name, Snapshot& out)
{
    auto read = dump<Key, Value>(map, name);
    if (!read)
        return std::unexpected{std::move(read.error())};
    if (read->partial)
        out.remarks.push_back(fmt::format("{} changed while it was read: rows may be missing", name));
    return std::move(read->rows);
}

Result<> read_waiting(const Maps& maps, Snapshot& out)
{
    if (!maps.shadowed) // an earlier agent's pins
        return {};
    auto read = rows<lb_shadowed_key, lb_shadowed>(maps.shadowed.get(), "lb_shadowed", out);
    if (!read)
        return std::unexpected{std::move(read.error())};
    for (const auto& [key, row] : *read)
        out.waiting[place_of(key.frontend)][key.rank] = fixed(row.ns) + '/' + fixed(row.name);
    return {};
}

Result<> read_connections(const Maps& maps, Snapshot& out)
{
    const auto compares = [](const auto& service) {
        return service.second.block && compares_loads(service.second.block->algorithm);
    };
    if (!maps.loads || std::ranges::none_of(out.services, compares))
        return {};
    auto read = rows<std::uint32_t, lb_load>(maps.loads.get(), "lb_loads", out);
    if (!read)
        return std::unexpected{std::move(read.error())};
    for (const auto& [generation, load] : *read)
        if (load.opened > load.closed)
            out.connections[generation] = load.opened - load.closed;
    return {};
}

} // namespace

std::string ServiceName::text() const
{
    return port_name.empty() ? fmt::format("{}/{}", ns, name) : fmt::format("{}/{}:{}", ns, name, port_name);
}

ServiceName ServiceName::from(const lb_service_name& raw)
{
    return {fixed(raw.ns), fixed(raw.name), fixed(raw.port_name), raw.proto, raw.family, raw.scope, raw.type};
}

std::string Snapshot::label(std::uint32_t service) const
{
    if (service == 0)
        return "";
    const auto* view = find(service);
    return view && view->name ? view->name->text() : fmt::format("#{}", service);
}

const ServiceView* Snapshot::find(std::uint32_t service) const
{
    auto at = services.find(service);
    return at == services.end() ? nullptr : &at->second;
}

const Block* Snapshot::block(std::uint32_t service) const
{
    const auto* view = find(service);
    return view && view->block ? &*view->block : nullptr;
}

std::uint64_t Snapshot::connections_of(const lb_backend& backend) const
{
    auto at = connections.find(backend.generation);
    return at == connections.end() ? 0 : at->second;
}

std::vector<std::string> Snapshot::waiting_for(const lb_frontend_key& frontend) const
{
    std::vector<std::string> found;
    if (auto at = waiting.find(place_of(frontend)); at != waiting.end())
        for (const auto& [_, service] : at->second)
            found.push_back(service);
    return found;
}

Result<Snapshot> read_snapshot(const Maps& maps)
{
    Snapshot out;
    auto names = rows<std::uint32_t, lb_service_name>(maps.names.get(), "lb_names", out);
    if (!names)
        return std::unexpected{std::move(names.error())};
    auto frontends = rows<lb_frontend_key, lb_frontend>(maps.frontends.get(), "lb_frontends", out);
    if (!frontends)
        return std::unexpected{std::move(frontends.error())};
    auto ranges = rows<lb_range_key, std::uint32_t>(maps.ranges.get(), "lb_ranges", out);
    if (!ranges)
        return std::unexpected{std::move(ranges.error())};

    if (auto read = read_waiting(maps, out); !read)
        return std::unexpected{std::move(read.error())};

    for (const auto& [number, raw] : *names)
        out.services[number].name = ServiceName::from(raw);
    for (const auto& [_, frontend] : *frontends)
        for (auto number : {frontend.inside, frontend.outside})
            if (number)
                out.services.try_emplace(number);
    out.frontends = std::move(*frontends);
    for (const auto& [key, _] : *ranges)
        out.ranges.push_back(key);
    if (auto read = read_blocks(maps, out); !read)
        return std::unexpected{std::move(read.error())};
    if (auto read = read_connections(maps, out); !read)
        return std::unexpected{std::move(read.error())};
    return out;
}

BackendCount count_backends(const Block& block)
{
    BackendCount count;
    for (const auto& row : block.rows) {
        if (is_vacant(row))
            continue;
        ++count.total;
        count.chosen += (row.flags & LB_BACKEND_CHOSEN) != 0;
    }
    return count;
}

} // namespace naru::ctl
