#include "embedded.hpp"

#include <bpf/libbpf.h>
#include <fmt/format.h>

#include "object_info.hpp"
#include "pins.hpp"
#include "sock.skel.h"
#include "tc.skel.h"
#include "xdp.skel.h"

namespace naru {

namespace fs = std::filesystem;

namespace {

template <class Skeleton>
Result<OpenObject> open_skeleton(const lb_config& config)
{
    const std::shared_ptr<Skeleton> skeleton{Skeleton::open(nullptr), [](Skeleton* opened) {
                                                 if (opened)
                                                     Skeleton::destroy(opened);
                                             }};
    if (!skeleton)
        return sys_error("open the embedded programs");
    skeleton->rodata->cfg = config;
    if (int failed = bpf_map__set_value_size(skeleton->maps.lb_arena, config.arena_bytes))
        return sys_error("set the size of lb_arena", -failed);
    return OpenObject{skeleton, skeleton->obj};
}

Result<OpenObject> open_xdp(const lb_config& config)
{
    auto opened = open_skeleton<xdp_bpf>(config);
    if (opened && config.xdp_frags)
        declare_frags(opened->object);
    return opened;
}

Result<> check_shape(const fs::path& path, int fd, const bpf_map* map)
{
    auto info = object_info<bpf_map_info>(fd);
    if (!info)
        return std::unexpected{info.error()};
    auto differs = [&](const char* what, std::uint32_t is, std::uint32_t wanted) {
        return error(
            fmt::format("the pinned map {} has {} {}, this naru-agent wants {}: run it with the sizes it was "
                        "made with, or remove everything with naru-agent --cleanup",
                        path.string(), what, is, wanted));
    };
    if (info->type != static_cast<std::uint32_t>(bpf_map__type(map)))
        return differs("type", info->type, bpf_map__type(map));
    if (info->key_size != bpf_map__key_size(map))
        return differs("key size", info->key_size, bpf_map__key_size(map));
    if (info->value_size != bpf_map__value_size(map))
        return differs("value size", info->value_size, bpf_map__value_size(map));
    if (info->max_entries != bpf_map__max_entries(map))
        return differs("size", info->max_entries, bpf_map__max_entries(map));
    if (info->map_flags != bpf_map__map_flags(map))
        return differs("flags", info->map_flags, bpf_map__map_flags(map));
    return {};
}

} // namespace

std::vector<Embedded> embedded_objects(SocketLb socket_lb, XdpMode xdp)
{
    std::vector<Embedded> objects{{.name = "tc", .heavy = true, .open = open_skeleton<tc_bpf>}};
    if (socket_lb != SocketLb::off)
        objects.push_back({.name = "socket", .heavy = false, .open = open_skeleton<sock_bpf>});
    if (xdp != XdpMode::off)
        objects.push_back({.name = "xdp", .heavy = true, .open = open_xdp});
    return objects;
}

void declare_frags(bpf_object* object)
{
    if (auto* program = bpf_object__find_program_by_name(object, "xdp"))
        bpf_program__set_flags(program, bpf_program__flags(program) | BPF_F_XDP_HAS_FRAGS);
}

Result<std::set<std::string>> reuse_pinned(bpf_object* object, const fs::path& folder)
{
    std::set<std::string> reused;
    bpf_map* map = nullptr;
    bpf_object__for_each_map(map, object)
    {
        if (bpf_map__is_internal(map))
            continue;
        auto path = folder / bpf_map__name(map);
        auto fd = open_pin(path);
        if (!fd && fd.error().code == std::errc::no_such_file_or_directory)
            continue;
        if (!fd)
            return std::unexpected{fd.error()};
        if (auto fits = check_shape(path, fd->get(), map); !fits)
            return std::unexpected{fits.error()};
        if (int failed = bpf_map__reuse_fd(map, fd->get()))
            return sys_error("use pinned map " + path.string(), -failed);
        reused.insert(bpf_map__name(map));
    }
    return reused;
}

} // namespace naru
