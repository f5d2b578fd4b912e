// Real maps of the shapes of bpf/maps.h, small and unpinned: what the agent writes, without programs beside
// it.
#pragma once

#include <catch2/catch.hpp>

#include <bpf/bpf.h>
#include <fcntl.h>

#include <cstdint>
#include <optional>
#include <vector>

#include "datapath/maps.hpp"
#include "lb/abi.h"
#include "lb/shadowed.h"

namespace naru::test {

struct Sizes {
    std::uint32_t arena_bytes = 1u << 16;
    std::uint32_t frontends = 64;
    std::uint32_t services = 64;
    std::uint32_t ranges = 16;
    std::uint32_t flows = 1024;
    std::uint32_t udp_gone = 16;
    std::uint32_t shadowed = 4;
};

inline UniqueFd make_map(bpf_map_type type, const char* name, std::size_t key, std::size_t value,
                         std::uint32_t rows, std::uint32_t flags)
{
    LIBBPF_OPTS(bpf_map_create_opts, options, .map_flags = flags);
    UniqueFd map{bpf_map_create(type, name, static_cast<std::uint32_t>(key),
                                static_cast<std::uint32_t>(value), rows, &options)};
    INFO("map " << name);
    REQUIRE(map);
    return map;
}

inline Maps small_maps(const Sizes& sizes = {})
{
    constexpr auto hash = BPF_MAP_TYPE_HASH, lru = BPF_MAP_TYPE_LRU_HASH, array = BPF_MAP_TYPE_ARRAY;
    Maps maps;
    maps.arena_bytes = sizes.arena_bytes;
    maps.frontends = make_map(hash, "lb_frontends", sizeof(lb_frontend_key), sizeof(lb_frontend),
                              sizes.frontends, BPF_F_NO_PREALLOC);
    maps.services = make_map(array, "lb_services", 4, sizeof(lb_service), sizes.services, BPF_F_MMAPABLE);
    maps.arena = make_map(array, "lb_arena", 4, sizes.arena_bytes, 1, BPF_F_MMAPABLE);
    maps.ranges = make_map(BPF_MAP_TYPE_LPM_TRIE, "lb_ranges", sizeof(lb_range_key), 4, sizes.ranges,
                           BPF_F_NO_PREALLOC);
    maps.devices = make_map(hash, "lb_devices", 4, sizeof(lb_device), 64, BPF_F_NO_PREALLOC);
    maps.node = make_map(array, "lb_node", 4, sizeof(lb_node), 1, 0);
    maps.names = make_map(hash, "lb_names", 4, sizeof(lb_service_name), sizes.services, BPF_F_NO_PREALLOC);
    maps.ct_tcp = make_map(lru, "lb_ct_tcp", sizeof(lb_tuple), sizeof(lb_ct), sizes.flows, 0);
    maps.ct_any = make_map(lru, "lb_ct_any", sizeof(lb_tuple), sizeof(lb_ct), sizes.flows, 0);
    maps.snat = make_map(lru, "lb_snat", sizeof(lb_tuple), sizeof(lb_ct), sizes.flows, 0);
    maps.affinity =
        make_map(lru, "lb_affinity", sizeof(lb_affinity_key), sizeof(lb_affinity), sizes.flows, 0);
    maps.sock = make_map(lru, "lb_sock", 8, sizeof(lb_sock), sizes.flows, 0);
    maps.sock_udp =
        make_map(lru, "lb_sock_udp", sizeof(lb_sock_udp_key), sizeof(lb_sock_udp), sizes.flows, 0);
    maps.udp_gone = make_map(hash, "lb_udp_gone", sizeof(lb_udp_gone_key), sizeof(lb_udp_gone),
                             sizes.udp_gone, BPF_F_NO_PREALLOC);
    maps.shadowed = make_map(hash, "lb_shadowed", sizeof(lb_shadowed_key), sizeof(lb_shadowed),
                             sizes.shadowed, BPF_F_NO_PREALLOC);
    maps.fragments =
        make_map(lru, "lb_fragments", sizeof(lb_fragment_key), sizeof(lb_fragment), sizes.flows, 0);
    maps.loads = make_map(hash, "lb_loads", 4, sizeof(lb_load), sizes.flows, BPF_F_NO_PREALLOC);
    maps.metrics = make_map(BPF_MAP_TYPE_PERCPU_ARRAY, "lb_metrics", 4, sizeof(lb_counter),
                            LB_HOOK_COUNT * LB_METRIC_STRIDE, 0);
    return maps;
}

inline UniqueFd again(const UniqueFd& fd) { return UniqueFd{::fcntl(fd.get(), F_DUPFD_CLOEXEC, 3)}; }

/// The same maps, as another process would open them.
inline Maps again(const Maps& maps)
{
    Maps copy;
    copy.arena_bytes = maps.arena_bytes;
    for (auto member :
         {&Maps::frontends, &Maps::services, &Maps::arena, &Maps::ranges, &Maps::devices, &Maps::node,
          &Maps::names, &Maps::ct_tcp, &Maps::ct_any, &Maps::snat, &Maps::affinity, &Maps::sock,
          &Maps::sock_udp, &Maps::udp_gone, &Maps::shadowed, &Maps::fragments, &Maps::loads, &Maps::metrics})
        copy.*member = again(maps.*member);
    return copy;
}

template <class Key>
std::vector<Key> keys(const UniqueFd& map)
{
    std::vector<Key> all;
    Key last{}, next{};
    while (bpf_map_get_next_key(map.get(), all.empty() ? nullptr : &last, &next) == 0) {
        all.push_back(next);
        last = next;
    }
    return all;
}

template <class Value, class Key>
std::optional<Value> read(const UniqueFd& map, const Key& key)
{
    Value value{};
    if (bpf_map_lookup_elem(map.get(), &key, &value) != 0)
        return std::nullopt;
    return value;
}

template <class Key, class Value>
void write(const UniqueFd& map, const Key& key, const Value& value)
{
    REQUIRE(bpf_map_update_elem(map.get(), &key, &value, BPF_ANY) == 0);
}

} // namespace naru::test
