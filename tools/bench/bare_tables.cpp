#include "bare_tables.hpp"

#include <algorithm>
#include <cstring>

#include "datapath/rows.hpp"
#include "datapath/table.hpp"

namespace naru::bench {

Result<TableObject> fresh_tables()
{
    return TableObject::load({.arena_bytes = LB_ARENA_BYTES, .flow_entries = 1024}, {});
}

Result<Mapping> arena_of(const TableObject& object)
{
    return Mapping::open(object.maps().arena.get(), LB_ARENA_BYTES, PROT_READ | PROT_WRITE, "lb_arena");
}

std::vector<Weighted> maglev_backends(unsigned count, unsigned first)
{
    std::vector<Weighted> all;
    for (unsigned i = 0; i < count; ++i)
        all.push_back(
            {.at = backend(Family::v4, first + i), .weight = 1, .position = static_cast<std::uint16_t>(i)});
    return all;
}

ServiceRow rolled(unsigned turn)
{
    auto at = backends_of(Family::v4, {.backends = backends}, 0);
    at[turn % backends] = backend(Family::v4, 1'000'000 + turn);
    std::ranges::sort(at);
    return service_row(at);
}

double least_publish_us(std::byte* arena, unsigned times)
{
    auto slots = maglev_slots(backends);
    Generations generations{1};
    auto block = place(nullptr, rolled(0), generations, LB_DEFAULT_SEED);
    auto bytes = encode(*block, 1);
    return each(times,
                [&](unsigned i) {
                    keep(
                        maglev_table(maglev_backends(backends, i * backends), slots, LB_DEFAULT_SEED).data());
                    std::memcpy(arena + std::size_t{i + 1} * 1024, bytes.data(), bytes.size());
                }) /
           1000;
}

Result<double> least_start_ms(unsigned services)
{
    auto object = fresh_tables();
    if (!object)
        return std::unexpected{object.error()};
    auto arena = arena_of(*object);
    if (!arena)
        return std::unexpected{arena.error()};
    std::vector<lb_frontend_key> keys;
    std::vector<lb_frontend> values;
    std::vector<std::uint32_t> numbers;
    std::vector<lb_service_name> names;
    for (unsigned i = 0; i < services; ++i) {
        auto at = frontend(Family::v4, i);
        keys.push_back(to_raw(FrontendKey{at.address, at.port, Protocol::tcp}));
        values.push_back(to_raw(FrontendRow{}, i + 1, i + 1));
        keys.push_back(to_raw(FrontendKey{at.address, {}, {}}));
        values.push_back({});
        numbers.push_back(i + 1);
        names.push_back(*to_raw(service_id(Family::v4, Protocol::tcp, i), LB_TYPE_CLUSTER_IP));
    }
    Table<lb_frontend_key, lb_frontend> frontend_map{object->maps().frontends.get(), "lb_frontends"};
    Table<std::uint32_t, lb_service_name> name_map{object->maps().names.get(), "lb_names"};

    double blocks_ms = least_publish_us(arena->data(), services) * services / 1000;
    double before = thread_ns();
    auto written = frontend_map.put(keys, values);
    if (!written.error)
        written = name_map.put(numbers, names);
    if (written.error)
        return std::unexpected{*written.error};
    return blocks_ms + (thread_ns() - before) / 1e6;
}

} // namespace naru::bench
