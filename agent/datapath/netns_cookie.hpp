// Which network namespace this process runs in, by the number that socket programs see.
#pragma once

#include <cstdint>
#include <filesystem>

#include "model/result.hpp"

namespace naru {

/// By SO_NETNS_COOKIE; std::errc::no_protocol_option: this kernel does not tell (before Linux 5.14).
Result<std::uint64_t> netns_cookie();

/// By a program that looks at one socket of this process, which must run below `cgroup`.
Result<std::uint64_t> netns_cookie_below(const std::filesystem::path& cgroup);

} // namespace naru
