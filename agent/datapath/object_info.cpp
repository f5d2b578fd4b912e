#include "object_info.hpp"

#include <unistd.h>

#include <array>
#include <string>

namespace naru {

ObjectKind kind_of(int fd)
{
    std::array<char, 64> target{};
    auto path = "/proc/self/fd/" + std::to_string(fd);
    auto length = ::readlink(path.c_str(), target.data(), target.size());
    std::string_view text{target.data(), length > 0 ? static_cast<std::size_t>(length) : 0};
    // The kernel has spelled these with '-' and with '_' over time.
    if (text.ends_with("bpf-map") || text.ends_with("bpf_map"))
        return ObjectKind::map;
    if (text.ends_with("bpf-prog") || text.ends_with("bpf_prog"))
        return ObjectKind::program;
    if (text.ends_with("bpf-link") || text.ends_with("bpf_link"))
        return ObjectKind::link;
    return ObjectKind::other;
}

} // namespace naru
