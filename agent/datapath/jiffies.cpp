#include "jiffies.hpp"

#include <array>
#include <cstddef>

#include <bpf/bpf.h>
#include <ctime>
#include <linux/bpf.h>

#include "fd.hpp"

namespace naru {

namespace {

constexpr std::uint64_t ns_per_sec = 1'000'000'000;

std::uint64_t nanoseconds(const timespec& time)
{
    return static_cast<std::uint64_t>(time.tv_sec) * ns_per_sec + static_cast<std::uint64_t>(time.tv_nsec);
}

/// The coarse clock steps with the tick, so its resolution is the tick's length.
std::uint64_t tick_ns()
{
    timespec tick{};
    clock_getres(CLOCK_MONOTONIC_COARSE, &tick);
    return nanoseconds(tick) ? nanoseconds(tick) : ns_per_sec / 250;
}

} // namespace

std::uint32_t ticks_per_second()
{
    auto tick = tick_ns();
    return static_cast<std::uint32_t>((ns_per_sec + tick / 2) / tick);
}

std::uint64_t approximate_jiffies()
{
    // The kernel starts to count five minutes below the wrap of 32 bits, to let bugs with it show early.
    auto start = static_cast<std::uint64_t>(UINT32_MAX - 300 * ticks_per_second() + 1);
    timespec now{};
    clock_gettime(CLOCK_MONOTONIC, &now);
    return start + nanoseconds(now) / tick_ns();
}

std::uint64_t jiffies_near(std::uint64_t estimate, std::uint32_t low)
{
    auto ahead = static_cast<std::int32_t>(low - static_cast<std::uint32_t>(estimate));
    return estimate + static_cast<std::uint64_t>(static_cast<std::int64_t>(ahead));
}

Result<std::uint64_t> now_jiffies()
{
    // A socket filter, because it is the one kind of program that asks for no network right.
    constexpr std::array<bpf_insn, 2> code{{
        {.code = BPF_JMP | BPF_CALL, .dst_reg = 0, .src_reg = 0, .off = 0, .imm = BPF_FUNC_jiffies64},
        {.code = BPF_JMP | BPF_EXIT, .dst_reg = 0, .src_reg = 0, .off = 0, .imm = 0},
    }};
    int loaded = bpf_prog_load(BPF_PROG_TYPE_SOCKET_FILTER, "naru_jiffies", "Dual BSD/GPL", code.data(),
                               code.size(), nullptr);
    if (loaded < 0)
        return sys_error("load the program that reads the tick counter", -loaded);
    UniqueFd program{loaded};

    std::array<std::byte, 64> packet{};
    LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = packet.data(), .data_size_in = packet.size(), .repeat = 1);
    if (int failed = bpf_prog_test_run_opts(program.get(), &run); failed < 0)
        return sys_error("run the program that reads the tick counter", -failed);
    return jiffies_near(approximate_jiffies(), run.retval);
}

} // namespace naru
