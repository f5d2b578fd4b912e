// What the datapath needs to know before it loads anything.
#pragma once

#include <cstdint>
#include <filesystem>

#include "lb/abi.h"

namespace naru {

enum class SocketLb : std::uint8_t { all, host, off };

struct DatapathOptions {
    std::filesystem::path bpf_path = "/sys/fs/bpf/naru";
    std::filesystem::path cgroup_path; ///< empty: the cgroup v2 mount of this system
    SocketLb socket_lb = SocketLb::all;
    std::uint32_t seed = LB_DEFAULT_SEED;
    std::uint32_t arena_bytes = LB_ARENA_BYTES;
};

} // namespace naru
