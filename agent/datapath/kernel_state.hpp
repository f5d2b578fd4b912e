// What Kernel knows and does, for its own files.
#pragma once

#include <deque>
#include <functional>

#include "adopt.hpp"
#include "kernel.hpp"
#include "lazy_mapping.hpp"
#include "mapping.hpp"
#include "table.hpp"

namespace naru {

/// What nobody can find any more, and may still be in use until the ticket has passed.
struct Retired {
    std::uint64_t ticket = 0;
    std::uint32_t offset = 0;
    std::size_t bytes = 0;
    std::uint32_t number = 0; ///< 0: the service lives on
};

struct Kernel::State {
    Maps maps;
    std::uint32_t seed;
    std::uint32_t ranges_max;
    LazyMapping arena;
    Mapping services_mapping;
    Records records;
    Table<lb_frontend_key, lb_frontend> frontends{maps.frontends.get(), "lb_frontends"};
    Table<std::uint32_t, lb_service_name> names{maps.names.get(), "lb_names"};
    Table<lb_range_key, std::uint32_t> ranges{maps.ranges.get(), "lb_ranges"};
    Table<std::uint32_t, lb_node> node{maps.node.get(), "lb_node"};
    Contents contents;
    std::deque<Retired> retired;
    GracePeriod grace;

    State(Maps opened, std::uint32_t hash_seed, std::uint32_t most_ranges, LazyMapping blocks,
          Mapping services, Records numbers, Contents adopted, GracePeriod::Wait wait)
        : maps{std::move(opened)}, seed{hash_seed}, ranges_max{most_ranges}, arena{std::move(blocks)},
          services_mapping{std::move(services)}, records{numbers}, contents{std::move(adopted)},
          grace{std::move(wait)}
    {
    }

    // Changes of one kind, no two of one row.
    Progress apply(std::span<const Change> changes);
    Progress put_services(std::span<const Change> changes);
    Progress put_frontends(std::span<const Change> changes);
    Result<> apply(const EraseFrontend& erase);
    Result<> apply(const EraseService& erase);

    /// A service on its way into the tables.
    struct Staged;
    Result<Staged> stage(const PutService& put, std::span<const Staged> before, Generations& generations);
    Progress write_names(std::vector<Staged>& staged);
    Result<> publish(Staged& staged);
    void take_back(const Staged& staged);
    std::optional<Block> sibling_of(const ServiceId& id, std::span<const Staged> before);
    std::optional<Block> block_of(const Held& held); ///< none when it is not what was written

    Result<std::uint32_t> take_number(const ServiceId& id);
    Result<std::uint32_t> take_space(const ServiceId& id, std::size_t bytes);
    Result<> admit(Staged& staged);
    Result<> stop_admitting(std::uint32_t number, std::vector<Cidr>& admitted,
                            const std::vector<Cidr>& stale);
    Result<> keep_generations(const Generations& next);
    Result<> write_node(const std::function<void(lb_node&)>& edit);
    void retire(const Held& held, bool number_too);
    void reclaim();
    Held* find(const std::optional<ServiceId>& id);
    Result<lb_frontend> resolved(const PutFrontend& put);
    void count_sides(const FrontendRow& row, bool up);
};

} // namespace naru
