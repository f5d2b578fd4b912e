#include "pins.hpp"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include <algorithm>
#include <array>
#include <ranges>

#include <bpf/bpf.h>
#include <fmt/format.h>

#include "lb/abi.h"

namespace naru {

namespace fs = std::filesystem;

namespace {

constexpr const char* usual_mount = "/sys/fs/bpf";
constexpr std::string_view next_suffix = "-next";

bool on_bpffs(const fs::path& path)
{
    struct statfs status{};
    return ::statfs(path.c_str(), &status) == 0 && static_cast<long>(status.f_type) == BPF_FS_MAGIC;
}

bool is_below(const fs::path& path, const fs::path& folder)
{
    auto [at, unused] = std::mismatch(folder.begin(), folder.end(), path.begin(), path.end());
    return at == folder.end();
}

fs::path deepest_existing(fs::path path)
{
    std::error_code ignored;
    while (!fs::exists(path, ignored) && path.has_relative_path())
        path = path.parent_path();
    return path;
}

/// Afterwards some existing folder on the way to `path` is on bpffs.
Result<> need_bpffs(const fs::path& path)
{
    if (on_bpffs(deepest_existing(path)))
        return {};
    if (!is_below(path, usual_mount))
        return error(fmt::format(
            "--bpf-path {} is not on a bpf filesystem: mount one there (mount -t bpf bpf FOLDER), "
            "or choose a path below {}",
            path.string(), usual_mount));
    if (::mount("bpf", usual_mount, "bpf", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0755") != 0)
        return sys_error(
            fmt::format("no bpf filesystem at {0}, and it could not be mounted; as root: mount -t bpf bpf "
                        "{0}",
                        usual_mount));
    return {};
}

/// Only its owner can have put things there.
Result<> check_owner(const fs::path& path, const struct stat& status)
{
    if (status.st_uid != ::geteuid())
        return error(
            fmt::format("{} belongs to user {}, not to this process: remove it, or choose another --bpf-path",
                        path.string(), status.st_uid));
    if (status.st_mode & (S_IWGRP | S_IWOTH))
        return error(
            fmt::format("{} can be written by others (mode {:04o}): chmod go-w it, or choose another "
                        "--bpf-path",
                        path.string(), status.st_mode & 07777));
    return {};
}

Result<> check_folder(const fs::path& path)
{
    struct stat status{};
    if (::lstat(path.c_str(), &status) != 0)
        return sys_error("look at " + path.string());
    if (!S_ISDIR(status.st_mode))
        return error(
            fmt::format("{} is not a folder: remove it, or choose another --bpf-path", path.string()));
    return check_owner(path, status);
}

Result<> make_folder(const fs::path& path)
{
    if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST)
        return sys_error("make folder " + path.string());
    return check_folder(path);
}

/// `path` and what is missing above it.
Result<> make_folders(const fs::path& path)
{
    std::vector<fs::path> missing;
    std::error_code ignored;
    for (auto at = path; !fs::exists(at, ignored) && at.has_relative_path(); at = at.parent_path())
        missing.push_back(at);
    for (const auto& each : missing)
        if (each.filename().string().contains('.'))
            return error(
                fmt::format("--bpf-path {} holds a name with a dot, which the bpf filesystem refuses: choose "
                            "one without",
                            path.string()));
    for (const auto& each : std::ranges::reverse_view(missing))
        if (auto made = make_folder(each); !made)
            return made;
    return check_folder(path);
}

std::string version_name() { return fmt::format("v{}", LB_ABI_VERSION); }

bool is_version(std::string_view name)
{
    return name.size() > 1 && name[0] == 'v' &&
           std::ranges::all_of(name.substr(1), [](char c) { return c >= '0' && c <= '9'; });
}

/// Their links carry programs that this version cannot replace: attaching beside them would balance twice.
Result<> refuse_other_versions(const fs::path& bpf_path)
{
    for (const auto& folder : version_folders(bpf_path))
        if (folder.filename() != version_name())
            return error(
                fmt::format("{} holds pins of another layout, this naru-agent knows {}: run the version that "
                            "made them, or remove them with naru-agent --cleanup",
                            folder.string(), version_name()));
    return {};
}

} // namespace

Result<UniqueFd> lock_pins(const fs::path& bpf_path)
{
    UniqueFd folder{::open(bpf_path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW)};
    if (!folder)
        return sys_error("open " + bpf_path.string());
    if (::flock(folder.get(), LOCK_EX | LOCK_NB) != 0) {
        if (errno == EWOULDBLOCK)
            return error(
                fmt::format("another naru-agent uses --bpf-path {}: stop it, or give this one a path of its "
                            "own",
                            bpf_path.string()));
        return sys_error("lock " + bpf_path.string());
    }
    return folder;
}

std::vector<fs::path> version_folders(const fs::path& bpf_path)
{
    std::vector<fs::path> found;
    std::error_code failed;
    for (fs::directory_iterator at{bpf_path, failed}, end; !failed && at != end; at.increment(failed))
        if (is_version(at->path().filename().string()))
            found.push_back(at->path());
    std::ranges::sort(found);
    return found;
}

Result<Pins> Pins::open(const fs::path& bpf_path)
{
    if (!bpf_path.is_absolute())
        return error(fmt::format("--bpf-path {} is not an absolute path", bpf_path.string()));
    if (auto mounted = need_bpffs(bpf_path); !mounted)
        return std::unexpected{mounted.error()};
    if (auto made = make_folders(bpf_path); !made)
        return std::unexpected{made.error()};
    auto lock = lock_pins(bpf_path);
    if (!lock)
        return std::unexpected{lock.error()};
    if (auto alone = refuse_other_versions(bpf_path); !alone)
        return std::unexpected{alone.error()};

    Pins pins{std::move(*lock), bpf_path / version_name()};
    for (const auto& folder : {pins.version_, pins.maps(), pins.progs(), pins.links()})
        if (auto made = make_folder(folder); !made)
            return std::unexpected{made.error()};
    return pins;
}

Result<> Pins::make_current() const
{
    auto current = version_.parent_path() / "current";
    std::array<char, 16> target{};
    auto length = ::readlink(current.c_str(), target.data(), target.size());
    if (length > 0 && std::string_view{target.data(), static_cast<std::size_t>(length)} == version_name())
        return {};
    auto next = next_pin(current);
    ::unlink(next.c_str());
    if (::symlink(version_name().c_str(), next.c_str()) != 0 || ::rename(next.c_str(), current.c_str()) != 0)
        return sys_error("make " + current.string() + " lead to " + version_name());
    return {};
}

fs::path next_pin(const fs::path& path) { return path.string().append(next_suffix); }

Result<UniqueFd> open_pin(const fs::path& path)
{
    struct stat status{};
    if (::lstat(path.c_str(), &status) != 0)
        return sys_error("open pin " + path.string());
    if (!S_ISREG(status.st_mode))
        return error(fmt::format("{} is not a pin: remove it", path.string()));
    if (auto ours = check_owner(path, status); !ours)
        return std::unexpected{ours.error()};
    int fd = bpf_obj_get(path.c_str());
    if (fd < 0)
        return sys_error("open pin " + path.string(), -fd);
    return UniqueFd{fd};
}

Result<> pin(int object, const fs::path& path)
{
    auto next = next_pin(path);
    ::unlink(next.c_str());
    if (int failed = bpf_obj_pin(object, next.c_str()))
        return sys_error("pin " + path.string(), -failed);
    if (::rename(next.c_str(), path.c_str()) != 0) {
        auto refused = sys_error("pin " + path.string());
        ::unlink(next.c_str());
        return refused;
    }
    return {};
}

Result<> unpin(const fs::path& path)
{
    if (::unlink(path.c_str()) != 0 && errno != ENOENT)
        return sys_error("remove pin " + path.string());
    return {};
}

std::vector<std::string> pin_names(const fs::path& folder)
{
    std::vector<std::string> names;
    std::error_code failed;
    for (fs::directory_iterator at{folder, failed}, end; !failed && at != end; at.increment(failed))
        if (auto name = at->path().filename().string(); !name.ends_with(next_suffix))
            names.push_back(std::move(name));
    std::ranges::sort(names);
    return names;
}

} // namespace naru
