#include "workspace.hpp"

#include <signal.h>

#include <array>
#include <charconv>
#include <chrono>
#include <set>
#include <string>
#include <thread>

#include "datapath/datapath.hpp"
#include "datapath/probe.hpp"

namespace naru::bench {

namespace fs = std::filesystem;

namespace {

constexpr std::string_view prefix = "naru-bench-";
const fs::path bpffs = "/sys/fs/bpf";

/// A cgroup is empty a moment after its last process has ended.
Result<> remove_cgroup(const fs::path& folder)
{
    std::error_code failed;
    auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds{5};
    for (const auto& child : {folder / "plain", folder / "naru", folder})
        while (fs::exists(child, failed) && !fs::remove(child, failed)) {
            if (failed != std::errc::device_or_resource_busy || std::chrono::steady_clock::now() > deadline)
                return std::unexpected{Error{failed, "remove the cgroup " + child.string()}};
            std::this_thread::sleep_for(std::chrono::milliseconds{5});
        }
    return {};
}

fs::path cgroup_root()
{
    auto root = find_cgroup({});
    return root ? *root : fs::path{};
}

std::set<pid_t> owners_in(const fs::path& folder)
{
    std::set<pid_t> owners;
    std::error_code failed;
    for (const auto& entry : fs::directory_iterator{folder, failed}) {
        auto name = entry.path().filename().string();
        pid_t owner = 0;
        if (name.starts_with(prefix) &&
            std::from_chars(name.data() + prefix.size(), name.data() + name.size(), owner).ptr ==
                name.data() + name.size())
            owners.insert(owner);
    }
    return owners;
}

} // namespace

Workspace Workspace::of(pid_t owner)
{
    auto name = std::string{prefix} + std::to_string(owner);
    auto root = cgroup_root();
    return {.cgroup = root.empty() ? fs::path{} : root / name, .pins = bpffs / name};
}

Result<> Workspace::remove() const
{
    std::error_code failed;
    if (fs::exists(pins, failed))
        if (auto gone = Datapath::cleanup(pins); !gone)
            return gone;
    return cgroup.empty() ? Result<>{} : remove_cgroup(cgroup);
}

void remove_abandoned()
{
    auto owners = owners_in(bpffs);
    if (auto root = cgroup_root(); !root.empty())
        owners.merge(owners_in(root));
    for (pid_t owner : owners)
        if (::kill(owner, 0) && errno == ESRCH)
            (void)Workspace::of(owner).remove(); // best effort: its names are never used again
}

} // namespace naru::bench
