#include "loader.hpp"

#include <fcntl.h>

#include <algorithm>
#include <future>
#include <iterator>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <spdlog/spdlog.h>

#include "embedded.hpp"

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

std::vector<std::string> program_names(const bpf_object* object)
{
    std::vector<std::string> names;
    bpf_program* program = nullptr;
    bpf_object__for_each_program(program, object) names.emplace_back(bpf_program__name(program));
    return names;
}

void load_only(bpf_object* object, std::span<const std::string> names)
{
    bpf_program* program = nullptr;
    bpf_object__for_each_program(program, object) bpf_program__set_autoload(
        program, std::ranges::find(names, bpf_program__name(program)) != names.end());
}

Result<> make_maps_of(const Embedded& embedded, const fs::path& folder, const lb_config& config)
{
    auto opened = embedded.open(config);
    if (!opened)
        return std::unexpected{opened.error()};
    auto reused = reuse_pinned(opened->object, folder);
    if (!reused)
        return std::unexpected{reused.error()};
    load_only(opened->object, {});
    if (int failed = bpf_object__load(opened->object))
        return sys_error(std::string{"make the maps of the "} + embedded.name + " programs", -failed);
    bpf_map* map = nullptr;
    bpf_object__for_each_map(map, opened->object)
    {
        if (bpf_map__is_internal(map) || reused->contains(bpf_map__name(map)))
            continue;
        if (auto pinned = pin(bpf_map__fd(map), folder / bpf_map__name(map)); !pinned)
            return pinned;
    }
    return {};
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

/// Programs of one object that are loaded together.
struct Batch {
    Embedded embedded;
    std::vector<std::string> names;
};

Result<std::vector<Batch>> batches_of(SocketLb socket_lb, XdpMode xdp, const lb_config& config)
{
    std::vector<Batch> batches;
    for (const auto& embedded : embedded_objects(socket_lb, xdp)) {
        auto opened = embedded.open(config);
        if (!opened)
            return std::unexpected{opened.error()};
        auto names = program_names(opened->object);
        if (embedded.heavy)
            for (auto& name : names)
                batches.push_back({embedded, {std::move(name)}});
        else
            batches.push_back({embedded, std::move(names)});
    }
    return batches;
}

Result<Programs> load_batch(const Batch& batch, const fs::path& maps, const lb_config& config)
{
    auto opened = batch.embedded.open(config);
    if (!opened)
        return std::unexpected{opened.error()};
    if (auto reused = reuse_pinned(opened->object, maps); !reused)
        return std::unexpected{reused.error()};
    load_only(opened->object, batch.names);
    if (int failed = bpf_object__load(opened->object))
        return sys_error(std::string{"load the "} + batch.embedded.name + " programs", -failed);
    Programs programs;
    for (const auto& name : batch.names) {
        auto* program = bpf_object__find_program_by_name(opened->object, name.c_str());
        UniqueFd own{::fcntl(bpf_program__fd(program), F_DUPFD_CLOEXEC, 3)};
        if (!own)
            return sys_error("keep program " + name);
        programs.emplace(name, std::move(own));
    }
    return programs;
}

} // namespace

Result<> make_maps(const Pins& pins, const DatapathOptions& options, const lb_config& config)
{
    libbpf_set_print(log_libbpf);
    for (const auto& embedded : embedded_objects(options.socket_lb, options.xdp))
        if (auto made = make_maps_of(embedded, pins.maps(), config); !made)
            return made;
    return mark_layout(pins, config.arena_bytes);
}

Result<Programs> load_programs(const fs::path& maps, SocketLb socket_lb, XdpMode xdp, const lb_config& config)
{
    const auto batches = batches_of(socket_lb, xdp, config);
    if (!batches)
        return std::unexpected{batches.error()};
    std::vector<std::future<Result<Programs>>> loading;
    for (const auto& batch : *batches)
        loading.push_back(std::async(std::launch::async, [&] { return load_batch(batch, maps, config); }));
    Programs programs;
    std::optional<Error> refused;
    for (auto& each : loading) {
        auto loaded = each.get();
        if (loaded)
            programs.merge(*loaded);
        else if (!refused)
            refused = loaded.error();
    }
    if (refused)
        return std::unexpected{std::move(*refused)};
    return programs;
}

Result<> pin_programs(const Pins& pins, const Programs& programs)
{
    for (const auto& [name, program] : programs)
        if (auto pinned = pin(program.get(), pins.progs() / name); !pinned)
            return pinned;
    return {};
}

} // namespace naru
