// The tc programs in the kernel, fed one frame at a time by BPF_PROG_TEST_RUN.
#pragma once

#include <compare>
#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "lb/abi.h"
#include "lb/reason.h"
#include "packet.hpp"

struct tc_bpf;
struct xdp_bpf;

namespace naru::test {

/// What the loader would choose. Lifetimes are those of datapath.md.
struct Settings {
    std::pair<std::uint16_t, std::uint16_t> snat_first{1024, 29999};
    std::pair<std::uint16_t, std::uint16_t> snat_second{61000, 65535};
    std::uint32_t reject_per_sec = 1'000'000;
    std::uint32_t new_flow_per_sec = 1'000'000;
    bool fib_src = true;
    bool host_packets = false; ///< --socket-lb off

    friend auto operator<=>(const Settings&, const Settings&) = default;
};

constexpr std::uint32_t tcp_unreplied_sec = 20, tcp_established_sec = 8000, tcp_closing_sec = 10;
constexpr std::uint32_t udp_sec = 60, udp_unreplied_sec = 30;
constexpr std::uint32_t arena_bytes = 4u << 20;

/// The programs' clock.
std::uint32_t ticks_per_second();
std::uint64_t now_jiffies();

/// Final verdicts of tc; everything else goes to the stack.
enum class Verdict { to_stack = -1, drop = 2, redirect = 7 };

/// What became of a frame.
struct Outcome {
    Verdict verdict = Verdict::to_stack;
    lb_reason reason = LB_PASS;
    Bytes frame;

    /// Read back; a frame that no longer is one, or has a wrong checksum, throws and says so.
    Packet packet() const;
};

/// XDP counts what it sends and nothing else.
struct XdpOutcome {
    bool sent = false; ///< out of the device it came in on; false: it goes on to the stack
    lb_reason reason = LB_PASS;
    Bytes frame;
};

std::string_view name(lb_reason reason);
std::ostream& operator<<(std::ostream& out, Verdict verdict);

/// One load of the programs, with maps of its own.
class Runner {
public:
    /// Loaded once for each settings and kept: maps are as the last user left them.
    static Runner& with(const Settings& settings);
    ~Runner();

    /// Runs one frame as if it came in by, or was about to leave by, the device. Throws when the kernel
    /// refuses the run, or when not exactly one counter moved by one.
    Outcome run(lb_hook hook, const Bytes& frame, unsigned ifindex, unsigned gso_size = 0);

    /// Runs one frame as if the device had received it. `frame` is what is sent or goes on.
    XdpOutcome xdp(const Bytes& frame, unsigned ifindex);

    tc_bpf& maps() { return *skeleton_; }
    std::byte* arena() { return arena_; }

    /// Every reason any run of this process gave.
    static const std::set<lb_reason>& reached();

private:
    explicit Runner(const Settings& settings);
    std::optional<lb_reason> counted(lb_hook hook);
    void load_xdp(const lb_config& config);

    tc_bpf* skeleton_ = nullptr;
    xdp_bpf* xdp_ = nullptr;
    std::byte* arena_ = nullptr;
    std::array<std::uint64_t, LB_HOOK_COUNT * LB_METRIC_STRIDE> seen_{};
};

} // namespace naru::test
