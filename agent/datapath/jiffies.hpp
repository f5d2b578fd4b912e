// The kernel's tick counter as bpf_jiffies64() reads it: the clock of every `last_seen` in the maps.
#pragma once

#include <cstdint>

#include "model/result.hpp"

namespace naru {

/// Ticks in a second (CONFIG_HZ): what lb_config.hz holds.
std::uint32_t ticks_per_second();

/// The counter itself, asked of the kernel by a two-instruction program. Needs CAP_BPF, or a kernel that lets
/// everybody load socket filters with helpers; without it an error with EPERM.
Result<std::uint64_t> now_jiffies();

/// The counter computed from the monotonic clock, without any right. Ahead by the time between the start of
/// that clock and the first tick: constant until the next boot, typically well below a second. Fit for
/// showing ages, not for deciding what has expired.
std::uint64_t approximate_jiffies();

/// The value closest to `estimate` whose low half is `low`: a program's return value has 32 bits only.
std::uint64_t jiffies_near(std::uint64_t estimate, std::uint32_t low);

} // namespace naru
