#include "maps.hpp"

#include <array>

#include <bpf/bpf.h>
#include <fmt/format.h>

#include "lb/abi.h"
#include "lb/shadowed.h"
#include "object_info.hpp"

namespace naru {

namespace {

struct Expected {
    const char* name;
    UniqueFd Maps::* member;
    bpf_map_type type;
    std::size_t key_size;
    std::size_t value_size; ///< 0: any
    bool newer = false;     ///< earlier agents of this layout version did not make it
};

constexpr std::array expected_maps{
    Expected{"lb_frontends", &Maps::frontends, BPF_MAP_TYPE_HASH, sizeof(lb_frontend_key),
             sizeof(lb_frontend)},
    Expected{"lb_services", &Maps::services, BPF_MAP_TYPE_ARRAY, 4, sizeof(lb_service)},
    Expected{"lb_arena", &Maps::arena, BPF_MAP_TYPE_ARRAY, 4, 0},
    Expected{"lb_ranges", &Maps::ranges, BPF_MAP_TYPE_LPM_TRIE, sizeof(lb_range_key), 4},
    Expected{"lb_devices", &Maps::devices, BPF_MAP_TYPE_HASH, 4, sizeof(lb_device)},
    Expected{"lb_node", &Maps::node, BPF_MAP_TYPE_ARRAY, 4, sizeof(lb_node)},
    Expected{"lb_names", &Maps::names, BPF_MAP_TYPE_HASH, 4, sizeof(lb_service_name)},
    Expected{"lb_ct_tcp", &Maps::ct_tcp, BPF_MAP_TYPE_LRU_HASH, sizeof(lb_tuple), sizeof(lb_ct)},
    Expected{"lb_ct_any", &Maps::ct_any, BPF_MAP_TYPE_LRU_HASH, sizeof(lb_tuple), sizeof(lb_ct)},
    Expected{"lb_snat", &Maps::snat, BPF_MAP_TYPE_LRU_HASH, sizeof(lb_tuple), sizeof(lb_ct)},
    Expected{"lb_affinity", &Maps::affinity, BPF_MAP_TYPE_LRU_HASH, sizeof(lb_affinity_key),
             sizeof(lb_affinity)},
    Expected{"lb_sock", &Maps::sock, BPF_MAP_TYPE_LRU_HASH, 8, sizeof(lb_sock)},
    Expected{"lb_sock_udp", &Maps::sock_udp, BPF_MAP_TYPE_LRU_HASH, sizeof(lb_sock_udp_key),
             sizeof(lb_sock_udp)},
    Expected{"lb_udp_gone", &Maps::udp_gone, BPF_MAP_TYPE_HASH, sizeof(lb_udp_gone_key), sizeof(lb_udp_gone),
             true},
    Expected{"lb_shadowed", &Maps::shadowed, BPF_MAP_TYPE_HASH, sizeof(lb_shadowed_key), sizeof(lb_shadowed),
             true},
    Expected{"lb_fragments", &Maps::fragments, BPF_MAP_TYPE_LRU_HASH, sizeof(lb_fragment_key),
             sizeof(lb_fragment), true},
    Expected{"lb_loads", &Maps::loads, BPF_MAP_TYPE_HASH, 4, sizeof(lb_load), true},
    Expected{"lb_metrics", &Maps::metrics, BPF_MAP_TYPE_PERCPU_ARRAY, 4, sizeof(lb_counter)},
};

Result<UniqueFd> open_map(const std::filesystem::path& path, Access access)
{
    LIBBPF_OPTS(bpf_obj_get_opts, options,
                .file_flags = access == Access::read_only ? std::uint32_t{BPF_F_RDONLY} : 0);
    int fd = bpf_obj_get_opts(path.c_str(), &options);
    if (fd < 0)
        return sys_error("open pinned map " + path.string(), -fd);
    return UniqueFd{fd};
}

Result<std::uint32_t> layout_version(const Maps& maps)
{
    std::uint32_t only = 0;
    lb_node node{};
    if (int failed = bpf_map_lookup_elem(maps.node.get(), &only, &node))
        return sys_error("read map lb_node", -failed);
    return node.abi_version;
}

} // namespace

Result<Maps> Maps::open(const std::filesystem::path& bpf_path, Access access)
{
    auto folder = bpf_path / "current" / "maps";
    Maps maps;
    for (const auto& expected : expected_maps) {
        auto path = folder / expected.name;
        auto fd = open_map(path, access);
        if (expected.newer && !fd && fd.error().code == std::errc::no_such_file_or_directory)
            continue;
        if (!fd)
            return std::unexpected{fd.error()};
        auto info = object_info<bpf_map_info>(fd->get());
        if (!info)
            return std::unexpected{info.error()};
        bool any_value = expected.value_size == 0;
        if (info->type != static_cast<std::uint32_t>(expected.type) || info->key_size != expected.key_size ||
            (!any_value && info->value_size != expected.value_size))
            return error(
                fmt::format("{} has another layout (type {}, key {}, value {} bytes instead of type {}, "
                            "key {}, value {}): another version of naru made it",
                            path.string(), info->type, info->key_size, info->value_size,
                            static_cast<int>(expected.type), expected.key_size, expected.value_size));
        if (any_value)
            maps.arena_bytes = info->value_size;
        maps.*expected.member = std::move(*fd);
    }
    auto version = layout_version(maps);
    if (!version)
        return std::unexpected{version.error()};
    if (*version != LB_ABI_VERSION)
        return error(
            fmt::format("{} has layout version {}, this program knows {}: another version of naru made it",
                        folder.string(), *version, LB_ABI_VERSION));
    return maps;
}

} // namespace naru
