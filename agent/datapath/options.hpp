// What the datapath needs to know before it loads anything.
#pragma once

#include <cstdint>
#include <filesystem>

#include "lb/abi.h"

namespace naru {

enum class SocketLb : std::uint8_t { all, host, off };

enum class XdpMode : std::uint8_t {
    automatic, ///< native on physical uplinks whose driver can
    native,    ///< on every uplink whose driver can, asked for: one that cannot is worth a warning
    generic,
    off,
};

struct DatapathOptions {
    std::filesystem::path bpf_path = "/sys/fs/bpf/naru";
    std::filesystem::path cgroup_path; ///< empty: the cgroup v2 mount of this system
    SocketLb socket_lb = SocketLb::all;
    XdpMode xdp = XdpMode::automatic;
    std::uint32_t seed = LB_DEFAULT_SEED;
    std::uint32_t arena_bytes = LB_ARENA_BYTES;
};

} // namespace naru
