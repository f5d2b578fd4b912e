#include "attach.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <charconv>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fmt/format.h>
#include <linux/if_link.h>

#include "clsact.hpp"
#include "object_info.hpp"
#include "pins.hpp"
#include "tcx.hpp"

namespace naru {

namespace fs = std::filesystem;

const std::vector<std::string_view> socket_hooks{"sock_release", "getpeername4", "getpeername6",
                                                 "recvmsg4",     "recvmsg6",     "sendmsg4",
                                                 "sendmsg6",     "connect4",     "connect6"};
const std::vector<std::string_view> device_hooks{"tc_ingress", "tc_egress"};
const std::vector<std::string_view> egress_hooks{"tc_egress"};

namespace {

constexpr std::string_view xdp_hook = "xdp";

constexpr std::array<std::pair<std::string_view, bpf_attach_type>, 12> attach_types{{
    {"sock_release", BPF_CGROUP_INET_SOCK_RELEASE},
    {"getpeername4", BPF_CGROUP_INET4_GETPEERNAME},
    {"getpeername6", BPF_CGROUP_INET6_GETPEERNAME},
    {"recvmsg4", BPF_CGROUP_UDP4_RECVMSG},
    {"recvmsg6", BPF_CGROUP_UDP6_RECVMSG},
    {"sendmsg4", BPF_CGROUP_UDP4_SENDMSG},
    {"sendmsg6", BPF_CGROUP_UDP6_SENDMSG},
    {"connect4", BPF_CGROUP_INET4_CONNECT},
    {"connect6", BPF_CGROUP_INET6_CONNECT},
    {"tc_ingress", tcx_ingress},
    {"tc_egress", tcx_egress},
    {"xdp", BPF_XDP},
}};

std::optional<bpf_attach_type> attach_type(std::string_view hook)
{
    const auto* found = std::ranges::find(attach_types, hook, &decltype(attach_types)::value_type::first);
    if (found == attach_types.end())
        return std::nullopt;
    return found->second;
}

bool is_device_hook(std::string_view hook)
{
    return hook == xdp_hook || std::ranges::find(device_hooks, hook) != device_hooks.end();
}

bool is_ingress(const HookPin& pin) { return pin.hook == "tc_ingress"; }

/// Where a link is attached: cgroup or device number; 0: its target is gone.
std::uint64_t target_of(const bpf_link_info& info)
{
    if (info.type == BPF_LINK_TYPE_CGROUP)
        return info.cgroup.cgroup_id;
    return info.type == BPF_LINK_TYPE_XDP ? info.xdp.ifindex : tcx_ifindex(info);
}

struct Pinned {
    UniqueFd fd;
    ObjectKind kind = ObjectKind::other; ///< other: nothing is pinned
    bpf_link_info link{};                ///< of a link
};

Result<Pinned> look(const fs::path& path)
{
    auto fd = open_pin(path);
    if (!fd && fd.error().code == std::errc::no_such_file_or_directory)
        return Pinned{};
    if (!fd)
        return std::unexpected{fd.error()};
    Pinned pinned{.fd = std::move(*fd)};
    pinned.kind = kind_of(pinned.fd.get());
    if (pinned.kind != ObjectKind::link)
        return pinned;
    auto info = object_info<bpf_link_info>(pinned.fd.get());
    if (!info)
        return std::unexpected{info.error()};
    pinned.link = *info;
    return pinned;
}

/// False: the link is dead, its target gone.
Result<bool> replace_in_link(const Pinned& pinned, int program)
{
    auto wanted = object_info<bpf_prog_info>(program);
    if (!wanted)
        return std::unexpected{wanted.error()};
    if (pinned.link.prog_id == wanted->id)
        return true;
    int failed = bpf_link_update(pinned.fd.get(), program, nullptr);
    if (failed == -ENOLINK)
        return false;
    if (failed)
        return sys_error("replace the program in a link", -failed);
    return true;
}

Result<UniqueFd> create_link(bpf_attach_type type, int program, int target, std::uint32_t flags)
{
    LIBBPF_OPTS(bpf_link_create_opts, options, .flags = flags);
    int link = bpf_link_create(program, target, type, &options);
    if (link < 0)
        return sys_error("attach", -link);
    return UniqueFd{link};
}

/// The link at `path` on `target` with `program`: replaced in place, or attached anew where there is none or
/// it leads elsewhere. The new one is there before an old one elsewhere goes.
Result<> put_link(const fs::path& path, bpf_attach_type type, int program, int target,
                  std::uint64_t target_id, std::uint32_t flags)
{
    auto pinned = look(path);
    if (!pinned)
        return std::unexpected{pinned.error()};
    if (pinned->kind == ObjectKind::link && target_of(pinned->link) == target_id) {
        auto replaced = replace_in_link(*pinned, program);
        if (!replaced)
            return std::unexpected{replaced.error()};
        if (*replaced)
            return {};
    }
    auto link = create_link(type, program, target, flags);
    if (!link)
        return std::unexpected{link.error()};
    if (pinned->kind != ObjectKind::other)
        if (auto gone = detach_pin(path); !gone)
            return gone;
    return pin(link->get(), path);
}

std::string_view xdp_mode(std::uint32_t ifindex)
{
    LIBBPF_OPTS(bpf_xdp_query_opts, query);
    if (bpf_xdp_query(static_cast<int>(ifindex), 0, &query) != 0)
        return "";
    return query.attach_mode == XDP_ATTACHED_SKB ? "generic" : "native";
}

Result<> naming(Result<> result, std::string_view doing, const HookPin& pin)
{
    if (!result)
        result.error().what = fmt::format("{} {}: {}", doing, pin.name(), result.error().what);
    return result;
}

} // namespace

std::optional<HookPin> HookPin::parse(std::string_view name)
{
    auto dash = name.find('-');
    HookPin pin{.hook = std::string{name.substr(0, dash)}};
    if (!attach_type(pin.hook) || is_device_hook(pin.hook) != (dash != name.npos))
        return std::nullopt;
    if (dash == name.npos)
        return pin;
    auto digits = name.substr(dash + 1);
    auto [end, failed] = std::from_chars(digits.data(), digits.data() + digits.size(), pin.ifindex);
    if (failed != std::errc{} || end != digits.data() + digits.size() || pin.ifindex == 0)
        return std::nullopt;
    return pin;
}

std::string HookPin::name() const { return ifindex ? fmt::format("{}-{}", hook, ifindex) : hook; }

Result<> Hooks::put_on_cgroup(std::string_view hook, int program, int cgroup) const
{
    HookPin pin{.hook = std::string{hook}};
    struct stat status{};
    if (::fstat(cgroup, &status) != 0)
        return naming(sys_error("look at the cgroup"), "attach", pin);
    // The number of a cgroup's folder is its id.
    return naming(put_link(path(pin), *attach_type(hook), program, cgroup, status.st_ino, 0), "attach", pin);
}

Result<> Hooks::put_on_device(std::string_view hook, int program, std::uint32_t ifindex) const
{
    HookPin pin{.hook = std::string{hook}, .ifindex = ifindex};
    return naming(mode_ == TcMode::tcx ? put_tcx(pin, program) : put_clsact(pin, program), "attach", pin);
}

Result<> Hooks::put_tcx(const HookPin& pin, int program) const
{
    // Ahead of others: a program that ends the chain must not hide packets from this one, while this one lets
    // all packets that go on to the stack go on to the others too.
    return put_link(path(pin), *attach_type(pin.hook), program, static_cast<int>(pin.ifindex), pin.ifindex,
                    tcx_before);
}

Result<> Hooks::put_xdp(int program, std::uint32_t ifindex, bool generic) const
{
    HookPin pin{.hook = std::string{xdp_hook}, .ifindex = ifindex};
    auto mode = mode_of(pin);
    if (!mode.empty() && mode != (generic ? "generic" : "native"))
        if (auto gone = remove(pin); !gone)
            return gone;
    return naming(put_link(path(pin), BPF_XDP, program, static_cast<int>(ifindex), ifindex,
                           generic ? XDP_FLAGS_SKB_MODE : XDP_FLAGS_DRV_MODE),
                  "attach", pin);
}

Result<> Hooks::put_clsact(const HookPin& pin, int program) const
{
    auto pinned = look(path(pin));
    if (!pinned)
        return std::unexpected{pinned.error()};
    if (pinned->kind == ObjectKind::link)
        if (auto gone = detach_pin(path(pin)); !gone)
            return gone;
    return clsact::put(path(pin), pin.ifindex, is_ingress(pin), program);
}

Result<> Hooks::replace(const HookPin& pin, int program) const
{
    auto pinned = look(path(pin));
    if (!pinned)
        return naming(std::unexpected{pinned.error()}, "replace", pin);
    if (pinned->kind == ObjectKind::other)
        return {};
    bool alive = true;
    if (pinned->kind == ObjectKind::link) {
        alive = target_of(pinned->link) != 0 && (pin.ifindex == 0 || target_of(pinned->link) == pin.ifindex);
        if (alive) {
            auto replaced = replace_in_link(*pinned, program);
            if (!replaced)
                return naming(std::unexpected{replaced.error()}, "replace", pin);
            alive = *replaced;
        }
    } else {
        alive = clsact::alive(path(pin), pin.ifindex, is_ingress(pin));
        if (alive)
            return naming(clsact::put(path(pin), pin.ifindex, is_ingress(pin), program), "replace", pin);
    }
    return alive ? Result<>{} : remove(pin);
}

Result<> Hooks::remove(const HookPin& pin) const { return naming(detach_pin(path(pin)), "detach", pin); }

std::vector<HookPin> Hooks::pinned() const
{
    std::vector<HookPin> pins;
    for (const auto& name : pin_names(links_))
        if (auto pin = HookPin::parse(name))
            pins.push_back(std::move(*pin));
    return pins;
}

std::string_view Hooks::mode_of(const HookPin& pin) const
{
    auto pinned = look(path(pin));
    if (!pinned || pinned->kind == ObjectKind::other)
        return "";
    if (pinned->kind == ObjectKind::program)
        return clsact::alive(path(pin), pin.ifindex, is_ingress(pin)) ? "clsact" : "";
    if (target_of(pinned->link) == 0)
        return "";
    if (pin.hook == xdp_hook)
        return xdp_mode(pin.ifindex);
    return pin.ifindex ? "tcx" : "cgroup";
}

Result<> detach_pin(const fs::path& path)
{
    auto pinned = look(path);
    if (!pinned)
        return std::unexpected{pinned.error()};
    auto pin = HookPin::parse(path.filename().string());
    if (pinned->kind == ObjectKind::program && pin)
        return clsact::remove(path, pin->ifindex, is_ingress(*pin));
    // Taken off explicitly, because others may hold the link open. A dead one cannot be, nor need be.
    if (pinned->kind == ObjectKind::link)
        bpf_link_detach(pinned->fd.get());
    return unpin(path);
}

} // namespace naru
