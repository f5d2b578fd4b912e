// The pinned maps by name, opened and checked: type, sizes and layout version are those of include/lb/abi.h.
#pragma once

#include <filesystem>

#include "fd.hpp"
#include "model/result.hpp"

namespace naru {

enum class Access { read_only, read_write };

struct Maps {
    UniqueFd frontends, services, arena, ranges, devices, node, names;
    UniqueFd ct_tcp, ct_any, snat, affinity, sock, sock_udp;
    UniqueFd udp_gone, shadowed, fragments,
        loads; ///< absent while the pins are those of an agent that knew them not
    UniqueFd metrics;
    std::uint32_t arena_bytes = 0;

    /// Opens `<bpf_path>/current/maps/*`. errno ENOENT: no pins there; EACCES or EPERM: no right to read
    /// them; no errno: the layout is unknown, and `what` says how it differs.
    static Result<Maps> open(const std::filesystem::path& bpf_path, Access access);
};

} // namespace naru
