#include "loader.hpp"

#include <algorithm>
#include <cstring>
#include <memory>
#include <set>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "object_info.hpp"
#include "sock.skel.h"
#include "tc.skel.h"

namespace naru {

namespace fs = std::filesystem;

namespace {

int log_libbpf(libbpf_print_level level, const char* format, va_list arguments)
{
    // Its warnings are details of errors that are returned; what went wrong is said once, where it is
    // handled.
    if (level == LIBBPF_DEBUG || !spdlog::should_log(spdlog::level::debug))
        return 0;
    std::string line(1024, '\0');
    auto length = std::vsnprintf(line.data(), line.size(), format, arguments);
    line.resize(std::clamp<std::size_t>(length < 0 ? 0 : static_cast<std::size_t>(length), 0, line.size()));
    while (!line.empty() && (line.back() == '\n' || line.back() == '\0'))
        line.pop_back();
    spdlog::debug("{}", line);
    return 0;
}

template <class Skeleton>
struct Destroy {
    void operator()(Skeleton* skeleton) const { Skeleton::destroy(skeleton); }
};

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

/// Names of the maps that were taken from pins.
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

Result<> pin_new(bpf_object* object, const fs::path& folder, const std::set<std::string>& reused)
{
    bpf_map* map = nullptr;
    bpf_object__for_each_map(map, object)
    {
        if (bpf_map__is_internal(map) || reused.contains(bpf_map__name(map)))
            continue;
        if (auto pinned = pin(bpf_map__fd(map), folder / bpf_map__name(map)); !pinned)
            return pinned;
    }
    return {};
}

Result<> take_programs(bpf_object* object, Programs& programs)
{
    bpf_program* program = nullptr;
    bpf_object__for_each_program(program, object)
    {
        UniqueFd own{::fcntl(bpf_program__fd(program), F_DUPFD_CLOEXEC, 3)};
        if (!own)
            return sys_error(std::string{"keep program "} + bpf_program__name(program));
        programs.insert_or_assign(bpf_program__name(program), std::move(own));
    }
    return {};
}

template <class Skeleton>
Result<> load_object(const char* name, const Pins& pins, const lb_config& config, Programs& programs)
{
    std::unique_ptr<Skeleton, Destroy<Skeleton>> skeleton{Skeleton::open(nullptr)};
    if (!skeleton)
        return sys_error(std::string{"open the embedded "} + name + " programs");
    skeleton->rodata->cfg = config;
    if (int failed = bpf_map__set_value_size(skeleton->maps.lb_arena, config.arena_bytes))
        return sys_error("set the size of lb_arena", -failed);
    auto reused = reuse_pinned(skeleton->obj, pins.maps());
    if (!reused)
        return std::unexpected{reused.error()};
    if (int failed = Skeleton::load(skeleton.get()))
        return sys_error(std::string{"load the "} + name + " programs", -failed);
    if (auto pinned = pin_new(skeleton->obj, pins.maps(), *reused); !pinned)
        return pinned;
    return take_programs(skeleton->obj, programs);
}

/// The maps are new: says by whose layout they are, so that everybody else can tell.
Result<> mark_layout(const Pins& pins, std::uint32_t arena_bytes)
{
    auto map = open_pin(pins.maps() / "lb_node");
    if (!map)
        return std::unexpected{map.error()};
    std::uint32_t only = 0;
    lb_node node{};
    if (int failed = bpf_map_lookup_elem(map->get(), &only, &node))
        return sys_error("read map lb_node", -failed);
    if (node.abi_version != 0)
        return {};
    node.abi_version = LB_ABI_VERSION;
    node.next_generation = 1;
    node.arena_bytes = arena_bytes;
    if (int failed = bpf_map_update_elem(map->get(), &only, &node, BPF_ANY))
        return sys_error("write map lb_node", -failed);
    return {};
}

} // namespace

Result<Programs> load(const Pins& pins, const DatapathOptions& options, const lb_config& config)
{
    libbpf_set_print(log_libbpf);
    Programs programs;
    if (auto loaded = load_object<tc_bpf>("tc", pins, config, programs); !loaded)
        return std::unexpected{loaded.error()};
    if (options.socket_lb != SocketLb::off)
        if (auto loaded = load_object<sock_bpf>("socket", pins, config, programs); !loaded)
            return std::unexpected{loaded.error()};
    if (auto marked = mark_layout(pins, options.arena_bytes); !marked)
        return std::unexpected{marked.error()};
    for (const auto& [name, program] : programs)
        if (auto pinned = pin(program.get(), pins.progs() / name); !pinned)
            return std::unexpected{pinned.error()};
    return programs;
}

} // namespace naru
