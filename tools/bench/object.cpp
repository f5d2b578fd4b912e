#include "object.hpp"

#include <array>
#include <string_view>

#include "datapath/knobs.hpp"
#include "datapath/probe.hpp"

namespace naru::bench {

Result<lb_config> config(std::uint32_t arena_bytes)
{
    auto features = probe_kernel(SocketLb::off);
    if (!features)
        return std::unexpected{features.error()};
    features->set_retval = false; // a helper of socket programs only
    DatapathOptions options;
    options.arena_bytes = arena_bytes;
    auto made = knobs(options, *features);
    if (made) {
        made->new_flow_per_sec = 1'000'000'000;
        made->host_netns_cookie = 0;
    }
    return made;
}

Result<double> run(const bpf_program* program, std::span<const std::byte> packet, unsigned times)
{
    bpf_test_run_opts options{};
    options.sz = sizeof(options);
    options.data_in = packet.data();
    options.data_size_in = static_cast<std::uint32_t>(packet.size());
    options.repeat = static_cast<int>(times);
    double before = thread_ns();
    int failed = bpf_prog_test_run_opts(bpf_program__fd(program), &options);
    double after = thread_ns();
    if (failed)
        return sys_error(std::string{"run "} + bpf_program__name(program), -failed);
    return (after - before) / times;
}

namespace {

struct Named {
    const char* name;
    UniqueFd Maps::* member;
};
constexpr std::array named_maps{
    Named{"lb_frontends", &Maps::frontends}, Named{"lb_services", &Maps::services},
    Named{"lb_arena", &Maps::arena},         Named{"lb_ranges", &Maps::ranges},
    Named{"lb_devices", &Maps::devices},     Named{"lb_node", &Maps::node},
    Named{"lb_names", &Maps::names},         Named{"lb_ct_tcp", &Maps::ct_tcp},
    Named{"lb_ct_any", &Maps::ct_any},       Named{"lb_snat", &Maps::snat},
    Named{"lb_affinity", &Maps::affinity},   Named{"lb_sock", &Maps::sock},
    Named{"lb_sock_udp", &Maps::sock_udp},   Named{"lb_metrics", &Maps::metrics},
};

constexpr std::array flow_maps{"lb_ct_tcp", "lb_ct_any", "lb_snat", "lb_affinity", "lb_sock", "lb_sock_udp"};

} // namespace

Result<Maps> maps_of(const bpf_object* object, std::uint32_t arena_bytes)
{
    Maps maps;
    maps.arena_bytes = arena_bytes;
    for (const auto& [name, member] : named_maps) {
        int fd = ::fcntl(bpf_object__find_map_fd_by_name(object, name), F_DUPFD_CLOEXEC, 0);
        if (fd < 0)
            return sys_error(std::string{"map "} + name + " of the bench's BPF object");
        maps.*member = UniqueFd{fd};
    }
    return maps;
}

Result<> prepare(bpf_object* object, const ObjectOptions& options)
{
    bpf_program* program = nullptr;
    bpf_object__for_each_program(program, object) bpf_program__set_autoload(
        program, std::string_view{bpf_program__name(program)}.starts_with("bench_"));
    if (int failed =
            bpf_map__set_value_size(bpf_object__find_map_by_name(object, "lb_arena"), options.arena_bytes))
        return sys_error("set the size of the arena", -failed);
    if (options.flow_entries)
        for (const char* name : flow_maps)
            if (int failed = bpf_map__set_max_entries(bpf_object__find_map_by_name(object, name),
                                                      options.flow_entries))
                return sys_error(std::string{"set the size of "} + name, -failed);
    return {};
}

Result<> first_values(const Maps& maps)
{
    constexpr std::uint32_t only = 0, loopback = 1;
    lb_node node{};
    node.abi_version = LB_ABI_VERSION;
    node.next_generation = 1;
    node.arena_bytes = maps.arena_bytes;
    if (int failed = bpf_map_update_elem(maps.node.get(), &only, &node, BPF_ANY))
        return sys_error("write map lb_node", -failed);
    lb_device device{};
    device.flags = LB_DEVICE_WORKLOAD;
    if (int failed = bpf_map_update_elem(maps.devices.get(), &loopback, &device, BPF_ANY))
        return sys_error("write map lb_devices", -failed);
    return {};
}

} // namespace naru::bench
