// How much the kernel's verifier has to look at before it admits each program of some objects, configured as the agent
// would on this kernel. One line a program: OBJECT PROGRAM INSTRUCTIONS. Nothing is attached.
//
// verifier_work OBJECT.bpf.o...
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "datapath/embedded.hpp"
#include "datapath/knobs.hpp"
#include "datapath/probe.hpp"

namespace {

using namespace naru;

constexpr std::uint32_t log_statistics = 4; // BPF_LOG_STATS, the last lines of a log
constexpr std::uint32_t log_everything = 1; // BPF_LOG_LEVEL1
constexpr std::size_t told_bytes = 12000;
constexpr std::uint32_t few_flows = 1024; // the verifier does not care

using Object = std::unique_ptr<bpf_object, decltype(&bpf_object__close)>;

Result<Object> open_object(const std::string& path)
{
    Object object{bpf_object__open_file(path.c_str(), nullptr), &bpf_object__close};
    if (!object)
        return sys_error("open " + path);
    return object;
}

/// Where `cfg` lies in its section, by the object's own type information.
Result<std::size_t> config_offset(const bpf_object* object)
{
    const auto* types = bpf_object__btf(object);
    const auto section = btf__find_by_name_kind(types, ".rodata", BTF_KIND_DATASEC);
    if (section < 0)
        return error("there is no .rodata");
    const auto* type = btf__type_by_id(types, static_cast<__u32>(section));
    const auto* variable = btf_var_secinfos(type);
    for (int i = 0; i < btf_vlen(type); ++i, ++variable) {
        std::string_view name = btf__name_by_offset(types, btf__type_by_id(types, variable->type)->name_off);
        if (name == "cfg" && variable->size == sizeof(lb_config))
            return variable->offset;
    }
    return error("there is no cfg of the agent's shape");
}

Result<> configure(bpf_object* object, const lb_config& config)
{
    auto offset = config_offset(object);
    if (!offset)
        return std::unexpected{offset.error()};
    if (config.xdp_frags)
        declare_frags(object);
    bpf_map* map = nullptr;
    bpf_object__for_each_map(map, object)
    {
        if (bpf_map__is_internal(map)) {
            std::size_t size = 0;
            auto* bytes = static_cast<std::byte*>(const_cast<void*>(bpf_map__initial_value(map, &size)));
            if (std::string_view{bpf_map__name(map)}.ends_with(".rodata") && *offset + sizeof config <= size)
                std::memcpy(bytes + *offset, &config, sizeof config);
        } else if (bpf_map__type(map) == BPF_MAP_TYPE_LRU_HASH) {
            bpf_map__set_max_entries(map, few_flows);
        } else if (std::string_view{bpf_map__name(map)} == "lb_arena") {
            bpf_map__set_value_size(map, config.arena_bytes);
        }
    }
    return {};
}

/// "processed N insns (limit 1000000) ..."
std::uint64_t processed(std::string_view log)
{
    constexpr std::string_view word = "processed ";
    auto at = log.rfind(word);
    return at == log.npos ? 0 : std::strtoull(log.data() + at + word.size(), nullptr, 10);
}

struct Verified {
    std::string name;
    std::string log;
    bool loaded = false;
};

/// Loads the object and drops it again: what the verifier said of each program.
Result<std::vector<Verified>> verify(const std::string& path, const lb_config& config, std::uint32_t level,
                                     std::size_t log_bytes)
{
    auto object = open_object(path);
    if (!object)
        return std::unexpected{object.error()};
    if (auto ready = configure(object->get(), config); !ready)
        return std::unexpected{ready.error()};

    std::vector<std::pair<bpf_program*, std::vector<char>>> logs;
    bpf_program* program = nullptr;
    bpf_object__for_each_program(program, object->get())
    {
        bpf_program__set_autoload(program, true);
        bpf_program__set_log_level(program, level);
        logs.emplace_back(program, std::vector<char>(log_bytes));
        bpf_program__set_log_buf(program, logs.back().second.data(), log_bytes);
    }
    const int failed = bpf_object__load(object->get());
    std::vector<Verified> all;
    for (const auto& [one, log] : logs)
        all.push_back({.name = bpf_program__name(one), .log = log.data(), .loaded = !failed});
    if (failed && std::ranges::all_of(all, [](const Verified& one) { return one.log.empty(); }))
        return sys_error("load " + path, -failed);
    return all;
}

/// The end of what the verifier says of a program it refuses.
Result<> explain(const std::string& path, const lb_config& config)
{
    auto verified = verify(path, config, log_everything, 16 << 20);
    if (!verified)
        return std::unexpected{verified.error()};
    for (const auto& [name, log, loaded] : *verified)
        if (!loaded && !log.empty())
            fmt::print(stderr, "{}:\n{}\n", name, log.substr(log.size() - std::min(log.size(), told_bytes)));
    return error("the kernel refuses programs of " + path);
}

Result<> measure(const std::string& path, const lb_config& config)
{
    auto verified = verify(path, config, log_statistics, 1 << 20);
    if (!verified)
        return std::unexpected{verified.error()};
    const auto file = std::filesystem::path{path}.filename().string();
    for (const auto& [name, log, loaded] : *verified) {
        if (!loaded)
            return explain(path, config);
        fmt::print("{} {} {}\n", file.substr(0, file.find('.')), name, processed(log));
    }
    return {};
}

Result<> measure_all(int count, char** paths)
{
    auto features = probe_kernel(SocketLb::all);
    if (!features)
        return std::unexpected{features.error()};
    DatapathOptions options;
    options.socket_lb = SocketLb::off;
    options.arena_bytes = 4 << 20;
    auto config = knobs(options, *features);
    if (!config)
        return std::unexpected{config.error()};
    for (int i = 0; i < count; ++i)
        if (auto done = measure(paths[i], *config); !done)
            return done;
    return {};
}

} // namespace

int main(int argc, char** argv)
{
    if (argc < 2) {
        fmt::print(stderr, "usage: verifier_work OBJECT.bpf.o...\n");
        return 2;
    }
    if (auto done = measure_all(argc - 1, argv + 1); !done) {
        fmt::print(stderr, "verifier_work: {}\n", done.error().message());
        return 1;
    }
    return 0;
}
