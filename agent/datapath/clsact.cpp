#include "clsact.hpp"

#include <cstdio>
#include <optional>

#include <bpf/libbpf.h>
#include <fmt/format.h>

#include "object_info.hpp"
#include "pins.hpp"

namespace naru::clsact {

namespace fs = std::filesystem;

namespace {

/// Before most others, so that they see translated packets; any number does, as long as it stays the same.
constexpr std::uint32_t filter_priority = 10;
constexpr std::uint32_t filter_handle = 0x6e61;

bpf_tc_hook hook_of(std::uint32_t ifindex, bool ingress)
{
    return {.sz = sizeof(bpf_tc_hook),
            .ifindex = static_cast<int>(ifindex),
            .attach_point = ingress ? BPF_TC_INGRESS : BPF_TC_EGRESS,
            .parent = 0};
}

bpf_tc_opts filter()
{
    bpf_tc_opts opts{};
    opts.sz = sizeof opts;
    opts.handle = filter_handle;
    opts.priority = filter_priority;
    return opts;
}

/// The program in our place; nullopt: none, nor a device or a qdisc where it could be.
std::optional<std::uint32_t> program_in_place(const bpf_tc_hook& hook)
{
    auto found = filter();
    if (bpf_tc_query(&hook, &found) != 0)
        return std::nullopt;
    return found.prog_id;
}

std::optional<std::uint32_t> pinned_program(const fs::path& path)
{
    auto fd = open_pin(path);
    if (!fd || kind_of(fd->get()) != ObjectKind::program)
        return std::nullopt;
    auto info = object_info<bpf_prog_info>(fd->get());
    if (!info)
        return std::nullopt;
    return info->id;
}

bool is_ours(std::uint32_t program, const fs::path& marker)
{
    return program == pinned_program(marker) || program == pinned_program(next_pin(marker));
}

} // namespace

Result<> put(const fs::path& marker, std::uint32_t ifindex, bool ingress, int program)
{
    auto wanted = object_info<bpf_prog_info>(program);
    if (!wanted)
        return std::unexpected{wanted.error()};
    auto hook = hook_of(ifindex, ingress);
    if (int failed = bpf_tc_hook_create(&hook); failed && failed != -EEXIST)
        return sys_error("add the clsact qdisc", -failed);

    auto present = program_in_place(hook);
    if (present == wanted->id && present == pinned_program(marker))
        return {};
    if (present && !is_ours(*present, marker))
        return error(
            fmt::format("the clsact filter with priority {} and handle {:#x} runs a program that is not "
                        "naru's: remove it (tc filter del)",
                        filter_priority, filter_handle));

    // At every moment a pin names the program in the filter, so that a crash leaves a filter known as ours.
    auto next = next_pin(marker);
    if (present && present == pinned_program(next)) {
        if (::rename(next.c_str(), marker.c_str()) != 0)
            return sys_error("pin " + marker.string());
    } else if (auto gone = unpin(next); !gone) {
        return gone;
    }
    if (int failed = bpf_obj_pin(program, next.c_str()))
        return sys_error("pin " + next.string(), -failed);
    auto attach = filter();
    attach.prog_fd = program;
    attach.flags = BPF_TC_F_REPLACE;
    if (int failed = bpf_tc_attach(&hook, &attach))
        return sys_error("attach a clsact filter", -failed);
    if (::rename(next.c_str(), marker.c_str()) != 0)
        return sys_error("pin " + marker.string());
    return {};
}

Result<> remove(const fs::path& marker, std::uint32_t ifindex, bool ingress)
{
    auto hook = hook_of(ifindex, ingress);
    if (auto present = program_in_place(hook); present && is_ours(*present, marker)) {
        auto ours = filter();
        if (int failed = bpf_tc_detach(&hook, &ours); failed && failed != -ENOENT && failed != -ENODEV)
            return sys_error("remove a clsact filter", -failed);
    }
    if (auto gone = unpin(next_pin(marker)); !gone)
        return gone;
    return unpin(marker);
}

bool alive(const fs::path& marker, std::uint32_t ifindex, bool ingress)
{
    auto present = program_in_place(hook_of(ifindex, ingress));
    return present && is_ours(*present, marker);
}

} // namespace naru::clsact
