// The BPF objects inside this executable, with their constants set and the maps that are pinned already.
#pragma once

#include <filesystem>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "lb/abi.h"
#include "model/result.hpp"
#include "options.hpp"

struct bpf_object;

namespace naru {

/// Opened, not loaded: no map of it exists and no program.
struct OpenObject {
    std::shared_ptr<void> owner; ///< closes `object`
    bpf_object* object = nullptr;
};

/// One of the objects inside.
struct Embedded {
    const char* name;
    bool heavy; ///< a program of it takes the verifier so long that each is worth a thread
    Result<OpenObject> (*open)(const lb_config& config);
};

/// Those that the options call for.
std::vector<Embedded> embedded_objects(SocketLb socket_lb, XdpMode xdp);

/// The program "xdp" of `object`, if there is one, will be loaded as one that takes frames of several buffers.
void declare_frags(bpf_object* object);

/// Has `object` use the maps pinned in `folder` instead of new ones. Their names; a pinned map of another
/// shape is refused.
Result<std::set<std::string>> reuse_pinned(bpf_object* object, const std::filesystem::path& folder);

} // namespace naru
