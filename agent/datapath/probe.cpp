#include "probe.hpp"

#include <linux/bpf.h>
#include <linux/capability.h>
#include <linux/magic.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <array>
#include <fstream>
#include <iterator>
#include <sstream>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fmt/format.h>

#include "fd.hpp"
#include "tcx.hpp"

namespace naru {

namespace fs = std::filesystem;

namespace {

std::string kernel_release()
{
    utsname names{};
    ::uname(&names);
    return names.release;
}

std::string slurp(const char* path)
{
    std::ifstream file{path};
    return {std::istreambuf_iterator<char>{file}, {}};
}

/// BPF_FIB_LOOKUP_SRC, Linux 6.7: an older kernel refuses the unknown flag before it looks at anything else.
bool fib_names_source()
{
    constexpr int unknown_flag = -EINVAL;
    constexpr std::uint8_t family_inet = AF_INET;
    constexpr auto size = static_cast<std::int32_t>(sizeof(bpf_fib_lookup));
    static_assert(size == 64);
    std::vector<bpf_insn> code;
    auto emit = [&](std::uint8_t op, std::uint8_t dst, std::uint8_t src, std::int16_t off, std::int32_t imm) {
        code.push_back({.code = op,
                        .dst_reg = static_cast<std::uint8_t>(dst & 0xf),
                        .src_reg = static_cast<std::uint8_t>(src & 0xf),
                        .off = off,
                        .imm = imm});
    };
    for (int at = 0; at < size; at += 8)
        emit(BPF_ST | BPF_MEM | BPF_DW, BPF_REG_10, 0, static_cast<std::int16_t>(at - size), 0);
    emit(BPF_ST | BPF_MEM | BPF_B, BPF_REG_10, 0, -size, family_inet);
    emit(BPF_ALU64 | BPF_MOV | BPF_X, BPF_REG_2, BPF_REG_10, 0, 0);
    emit(BPF_ALU64 | BPF_ADD | BPF_K, BPF_REG_2, 0, 0, -size);
    emit(BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_3, 0, 0, size);
    emit(BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_4, 0, 0, 1 << 4);
    emit(BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_fib_lookup);
    emit(BPF_JMP | BPF_EXIT, 0, 0, 0, 0);

    UniqueFd program{bpf_prog_load(BPF_PROG_TYPE_SCHED_CLS, "naru_probe_fib", "Dual BSD/GPL", code.data(),
                                   code.size(), nullptr)};
    if (!program)
        return false;
    std::array<std::byte, 64> packet{};
    LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = packet.data(), .data_size_in = packet.size(), .repeat = 1);
    return bpf_prog_test_run_opts(program.get(), &run) == 0 && static_cast<int>(run.retval) != unknown_flag;
}

bool has_helper(bpf_prog_type type, bpf_func_id helper)
{
    return libbpf_probe_bpf_helper(type, helper, nullptr) == 1;
}

/// lo is there in every network namespace and is always number 1.
bool has_tcx()
{
    std::uint32_t count = 0;
    int failed = bpf_prog_query(1, tcx_ingress, 0, nullptr, nullptr, &count);
    return failed == 0 || failed == -ENOENT;
}

/// How large the only value of an array may be. Before Linux 6.0 kmalloc's limit is the answer, and E2BIG the
/// error. Of this many such values no kernel has room, so where they are allowed nothing is allocated.
std::uint32_t largest_value(std::uint32_t wanted)
{
    constexpr std::uint32_t too_many = 1u << 31;
    auto size = wanted;
    for (auto entries = too_many; size > 1; size /= 2, entries = 1) {
        LIBBPF_OPTS(bpf_map_create_opts, options, .map_flags = BPF_F_MMAPABLE);
        const UniqueFd map{bpf_map_create(BPF_MAP_TYPE_ARRAY, "naru_probe", 4, size, entries, &options)};
        if (map || errno != E2BIG)
            break;
    }
    return size;
}

bool has_xdp_frags()
{
    const std::array<bpf_insn, 2> code{{
        {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .src_reg = 0, .off = 0, .imm = XDP_PASS},
        {.code = BPF_JMP | BPF_EXIT, .dst_reg = 0, .src_reg = 0, .off = 0, .imm = 0},
    }};
    LIBBPF_OPTS(bpf_prog_load_opts, options, .prog_flags = BPF_F_XDP_HAS_FRAGS);
    const UniqueFd program{bpf_prog_load(BPF_PROG_TYPE_XDP, "naru_probe_xdp", "Dual BSD/GPL", code.data(),
                                         code.size(), &options)};
    return static_cast<bool>(program);
}

std::vector<std::string> advice()
{
    std::vector<std::string> lines;
    if (slurp("/proc/sys/net/core/bpf_jit_enable").starts_with('0'))
        lines.emplace_back("net.core.bpf_jit_enable is 0, so programs are interpreted: set it to 1");
    if (slurp("/proc/sys/kernel/unprivileged_bpf_disabled").starts_with('0'))
        lines.emplace_back(
            "kernel.unprivileged_bpf_disabled is 0, so every user may load programs: set it to 2");
    return lines;
}

bool is_cgroup2(const fs::path& path)
{
    struct statfs status{};
    return ::statfs(path.c_str(), &status) == 0 && static_cast<long>(status.f_type) == CGROUP2_SUPER_MAGIC;
}

} // namespace

Result<> check_capabilities()
{
    __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
    std::array<__user_cap_data_struct, _LINUX_CAPABILITY_U32S_3> sets{};
    if (::syscall(SYS_capget, &header, sets.data()) != 0)
        return sys_error("read the capabilities of this process");
    auto has = [&](unsigned cap) { return (sets[cap / 32].effective >> (cap % 32)) & 1; };

    std::string missing;
    auto need = [&](unsigned cap, const char* name, bool stands_in) {
        if (!has(cap) && !stands_in)
            missing.append(missing.empty() ? "" : ", ").append(name);
    };
    need(CAP_BPF, "CAP_BPF", has(CAP_SYS_ADMIN));
    need(CAP_PERFMON, "CAP_PERFMON", has(CAP_SYS_ADMIN));
    need(CAP_NET_ADMIN, "CAP_NET_ADMIN", false);
    if (!missing.empty())
        return error(fmt::format("naru-agent lacks {}: run it as root, or give it CAP_BPF, CAP_PERFMON and "
                                 "CAP_NET_ADMIN (in Kubernetes: securityContext.capabilities.add)",
                                 missing));
    return {};
}

Result<KernelFeatures> probe_kernel(SocketLb socket_lb)
{
    if (!has_helper(BPF_PROG_TYPE_SCHED_CLS, BPF_FUNC_redirect_neigh))
        return error(
            fmt::format("this kernel ({}) lacks bpf_redirect_neigh for tc programs: naru needs Linux 5.10 or "
                        "newer with CONFIG_BPF_SYSCALL and CONFIG_NET_CLS_BPF",
                        kernel_release()));
    if (socket_lb != SocketLb::off && !has_helper(BPF_PROG_TYPE_CGROUP_SOCK_ADDR, BPF_FUNC_get_netns_cookie))
        return error(
            fmt::format("this kernel ({}) lacks bpf_get_netns_cookie for socket programs: run a kernel with "
                        "CONFIG_CGROUP_BPF, or naru-agent with --socket-lb off",
                        kernel_release()));
    return KernelFeatures{.set_retval = has_helper(BPF_PROG_TYPE_CGROUP_SOCK_ADDR, BPF_FUNC_set_retval),
                          .fib_source = fib_names_source(),
                          .tcx = has_tcx(),
                          .largest_value = largest_value(LB_ARENA_BYTES),
                          .xdp_frags = has_xdp_frags(),
                          .advice = advice()};
}

fs::path cgroup_mount(const std::string& mountinfo)
{
    fs::path found;
    std::istringstream lines{mountinfo};
    for (std::string line; std::getline(lines, line);) {
        // id parent major:minor root mount-point options [tags...] - type source options
        auto rest = line.find(" - ");
        if (rest == std::string::npos || !line.substr(rest).starts_with(" - cgroup2 "))
            continue;
        std::istringstream words{line};
        std::string id, parent, device, root, point;
        words >> id >> parent >> device >> root >> point;
        if (found.empty() || root == "/")
            found = point;
        if (root == "/")
            break;
    }
    return found;
}

Result<fs::path> find_cgroup(const fs::path& wanted)
{
    if (!wanted.empty()) {
        if (!is_cgroup2(wanted))
            return error(
                fmt::format("--cgroup-path {} is not a folder of a cgroup v2 mount: name one that is, or run "
                            "with --socket-lb off",
                            wanted.string()));
        return wanted;
    }
    auto found = cgroup_mount(slurp("/proc/self/mountinfo"));
    if (found.empty())
        return error(
            "no cgroup v2 is mounted: mount -t cgroup2 none FOLDER, name the folder with --cgroup-path, or "
            "run with --socket-lb off");
    return found;
}

} // namespace naru
