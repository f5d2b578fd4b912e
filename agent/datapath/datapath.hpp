// Loads, pins, adopts and attaches the programs. They outlive this process: nothing here detaches, but for
// cleanup().
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "devices.hpp"
#include "lb/abi.h"
#include "maps.hpp"
#include "options.hpp"
#include "programs.hpp"

namespace naru {

/// What `devices` of set_devices() are.
enum class DeviceSet {
    whole,
    partial, ///< the Node object, whose addresses name uplinks too, is not known yet
};

/// A program on a hook, for status and logs.
struct Attachment {
    std::string hook;   ///< "connect4", "tc_ingress", ...
    std::string device; ///< empty for cgroup hooks
    std::string mode;   ///< "cgroup", "tcx", "clsact"; of "xdp": "native", "generic"
};

/// An uplink that XDP should serve and cannot: tc does.
struct WithoutXdp {
    std::string device, why;
    bool asked_for = false; ///< by --xdp native or generic

    friend bool operator==(const WithoutXdp&, const WithoutXdp&) = default;
};

class Datapath {
public:
    /// Takes the lock of bpf_path, mounts bpffs if it is missing and allowed, checks what the kernel can do,
    /// and adopts or creates the maps. The programs of an earlier run go on as they are. An Error is one line
    /// that names what is missing and the remedy.
    static Result<Datapath> prepare(const DatapathOptions& options);

    /// Loads the programs, which takes the kernel's verifier a while. It needs nothing of this object, so it
    /// may be called in another thread.
    std::function<Result<Programs>()> loader() const;

    /// What loader() gave becomes what is attached from now on: pins the programs and replaces earlier ones
    /// in adopted links.
    Result<> take(Programs programs);

    /// All three, one after the other.
    static Result<Datapath> open(const DatapathOptions& options);

    Datapath(Datapath&&) noexcept;
    Datapath& operator=(Datapath&&) noexcept;
    ~Datapath(); ///< releases the lock; the programs stay

    Result<Maps> maps() const; ///< fresh read-write descriptors

    const lb_config& config() const; ///< the constants of the programs; sweep() needs their lifetimes

    bool serves() const; ///< a program of ours is on a hook

    // After take():

    /// Attaches the socket programs below cgroup_path, or replaces them in their pinned links. With
    /// SocketLb::off they are removed.
    Result<> attach_sockets();

    /// Makes the tc and XDP programs and lb_devices match `devices`: attaches to new ones, replaces in adopted
    /// links, forgets vanished ones, detaches from those no longer selected. Repeats nothing that holds. Errors
    /// of single devices are collected; the others are served. A partial set adds devices and takes none
    /// for another thing than an earlier run did.
    std::vector<Error> set_devices(const std::map<std::uint32_t, Device>& devices,
                                   DeviceSet set = DeviceSet::whole);

    /// By what the last set_devices() met.
    std::vector<WithoutXdp> without_xdp() const;

    std::vector<Attachment> attachments() const;

    /// Removes all that any version ever pinned below bpf_path and detaches it. Idempotent.
    static Result<> cleanup(const std::filesystem::path& bpf_path);

private:
    struct State;
    explicit Datapath(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

} // namespace naru
