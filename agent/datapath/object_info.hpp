// What the kernel says about a BPF object, by descriptor. Needs no capability, unlike lookups by id.
#pragma once

#include <bpf/bpf.h>
#include <linux/bpf.h>

#include <cstdint>
#include <string_view>

#include "model/result.hpp"

namespace naru {

enum class ObjectKind : std::uint8_t { map, program, link, other };

ObjectKind kind_of(int fd);

/// `Info`: bpf_map_info, bpf_prog_info or bpf_link_info, as fits the descriptor.
template <class Info>
Result<Info> object_info(int fd)
{
    Info info{};
    std::uint32_t length = sizeof info;
    if (int failed = bpf_obj_get_info_by_fd(fd, &info, &length))
        return sys_error("ask the kernel about a BPF object", -failed);
    return info;
}

} // namespace naru
