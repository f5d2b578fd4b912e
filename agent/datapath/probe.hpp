// What this process may do and what this kernel can. Everything that is missing and needed is an Error of one
// line that names it and the remedy.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "model/result.hpp"
#include "netns_cookie.hpp"
#include "options.hpp"

namespace naru {

struct KernelFeatures {
    bool set_retval = false;                      ///< a refused socket call can be given its own errno
    bool fib_source = false;                      ///< a route lookup names the preferred source (Linux 6.7)
    bool tcx = false;                             ///< Linux 6.6
    std::uint32_t largest_value = LB_ARENA_BYTES; ///< of a map that is one value; 4 MiB before Linux 6.0
    bool xdp_frags = false;                       ///< XDP takes frames of several buffers (Linux 5.18)
    std::vector<std::string> advice; ///< works, but slower or less safe than it could; for the log
};

/// CAP_BPF, CAP_PERFMON, CAP_NET_ADMIN, or what stands for them.
Result<> check_capabilities();

/// Must-haves first. Loads a few tiny programs.
Result<KernelFeatures> probe_kernel(SocketLb socket_lb);

/// `wanted`, checked; empty: the cgroup v2 mount of this system.
Result<std::filesystem::path> find_cgroup(const std::filesystem::path& wanted);

/// The mount point of cgroup v2 in the text of /proc/self/mountinfo; empty: none. Prefers one that shows the
/// whole hierarchy.
std::filesystem::path cgroup_mount(const std::string& mountinfo);

} // namespace naru
