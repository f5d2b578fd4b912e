#include "pins.hpp"

#include <algorithm>
#include <charconv>

#include <bpf/bpf.h>
#include <fmt/format.h>
#include <grp.h>
#include <pwd.h>
#include <sys/stat.h>

#include "datapath/pins.hpp"

namespace naru::ctl {

namespace fs = std::filesystem;

Arena::Arena(const Maps& maps) : map_{maps.arena.get()}, bytes_{maps.arena_bytes}
{
    if (auto mapped = Mapping::open(map_, bytes_, PROT_READ, "lb_arena"))
        mapped_ = std::move(*mapped);
}

Result<std::span<const std::byte>> Arena::refresh()
{
    if (mapped_)
        return mapped_->bytes();
    copy_.resize(bytes_);
    std::uint32_t only = 0;
    if (int failed = bpf_map_lookup_elem(map_, &only, copy_.data()); failed < 0)
        return sys_error("read map lb_arena", -failed);
    return std::span<const std::byte>{copy_};
}

namespace {

bool is_permission(const Error& error)
{
    return error.code == std::errc::permission_denied || error.code == std::errc::operation_not_permitted;
}

std::string owner(const struct stat& status)
{
    const auto* user = getpwuid(status.st_uid);
    const auto* group = getgrgid(status.st_gid);
    return (user ? user->pw_name : std::to_string(status.st_uid)) + ':' +
           (group ? group->gr_name : std::to_string(status.st_gid));
}

/// The deepest part of `path` that can be looked at: where the way ends for this user.
std::pair<fs::path, struct stat> reachable(fs::path path)
{
    struct stat status{};
    while (stat(path.c_str(), &status) != 0 && path.has_relative_path())
        path = path.parent_path();
    return {path, status};
}

} // namespace

Result<Maps> open_pins(const fs::path& bpf_path, Need need)
{
    if (need == Need::blocks) {
        auto maps = Maps::open(bpf_path, Access::read_write);
        if (maps || !is_permission(maps.error()))
            return maps;
    }
    return Maps::open(bpf_path, Access::read_only);
}

Refusal explain_refusal(const fs::path& bpf_path, const Error& error)
{
    if (is_permission(error)) {
        auto [path, status] = reachable(bpf_path / "current" / "maps");
        return {3,
                fmt::format(
                    "{} ({} is {}, mode {:04o}): run as root, or as a member of its group if that may read",
                    error.message(), path.string(), owner(status), status.st_mode & 07777)};
    }
    if (error.code == std::errc::no_such_file_or_directory)
        return {4,
                fmt::format(
                    "no naru pins below {}: has naru-agent run on this node? --bpf-path names another place",
                    bpf_path.string())};
    return {error.code ? 1 : 4, error.message()};
}

PinnedLink parse_link_name(std::string_view name)
{
    auto dash = name.rfind('-');
    if (dash == std::string_view::npos)
        return {std::string{name}, std::nullopt};
    std::uint32_t ifindex = 0;
    auto digits = name.substr(dash + 1);
    auto [end, failed] = std::from_chars(digits.data(), digits.data() + digits.size(), ifindex);
    if (digits.empty() || failed != std::errc{} || end != digits.data() + digits.size())
        return {std::string{name}, std::nullopt};
    return {std::string{name.substr(0, dash)}, ifindex};
}

std::vector<PinnedLink> pinned_links(const fs::path& bpf_path)
{
    std::vector<PinnedLink> links;
    for (const auto& name : pin_names(bpf_path / "current" / "links"))
        links.push_back(parse_link_name(name));
    std::ranges::sort(links);
    return links;
}

} // namespace naru::ctl
