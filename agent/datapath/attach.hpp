// Programs on hooks. A hook's pin is opened before anything is attached: a second attach would silently run a
// second copy. A link dies with its process until it is pinned, so a crash in between leaves nothing behind.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "model/result.hpp"

namespace naru {

/// Socket hooks in the order in which they are attached: a socket is translated only when its name can be
/// translated back.
extern const std::vector<std::string_view> socket_hooks;
extern const std::vector<std::string_view> device_hooks; ///< "tc_ingress", "tc_egress"; "xdp" is apart
extern const std::vector<std::string_view> egress_hooks; ///< of them, where only what leaves matters

enum class TcMode : std::uint8_t { tcx, clsact };

/// The name of a pin: a hook, and for device hooks where.
struct HookPin {
    std::string hook;
    std::uint32_t ifindex = 0; ///< 0: a socket hook

    static std::optional<HookPin> parse(std::string_view name); ///< nullopt: no hook of this version
    std::string name() const;                                   ///< "connect4", "tc_ingress-7"
};

class Hooks {
public:
    /// `links`: the folder of their pins.
    Hooks(std::filesystem::path links, TcMode mode) : links_{std::move(links)}, mode_{mode} {}

    /// Afterwards exactly `program` of ours is on the hook. Replaced in place where it can be; nothing is
    /// done where it is there already. `hook` must be one of the lists above.
    Result<> put_on_cgroup(std::string_view hook, int program, int cgroup) const;
    Result<> put_on_device(std::string_view hook, int program, std::uint32_t ifindex) const;

    /// In the driver or, `generic`, behind it. An Error when the driver cannot, or another XDP program is
    /// there.
    Result<> put_xdp(int program, std::uint32_t ifindex, bool generic) const;

    /// Replaces the program of an existing pin wherever it is attached; a dead pin is removed.
    Result<> replace(const HookPin& pin, int program) const;

    /// Detaches and unpins.
    Result<> remove(const HookPin& pin) const;

    std::vector<HookPin> pinned() const;

    /// "cgroup", "tcx", "clsact", "native" or "generic", by what is pinned; empty: nothing alive.
    std::string_view mode_of(const HookPin& pin) const;

private:
    std::filesystem::path path(const HookPin& pin) const { return links_ / pin.name(); }
    Result<> put_tcx(const HookPin& pin, int program) const;
    Result<> put_clsact(const HookPin& pin, int program) const;

    std::filesystem::path links_;
    TcMode mode_;
};

/// What is pinned at `path` is taken off its hook, and the pin removed: a link of any version, or our filter.
Result<> detach_pin(const std::filesystem::path& path);

} // namespace naru
