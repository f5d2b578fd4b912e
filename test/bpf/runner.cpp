#include "runner.hpp"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/pkt_cls.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <map>
#include <numeric>
#include <ostream>
#include <stdexcept>
#include <system_error>
#include <vector>

#include "checksum.hpp"
#include "tc.skel.h"
#include "xdp.skel.h"

namespace naru::test {

namespace {

std::set<lb_reason> reasons_reached;

[[noreturn]] void fail(const std::string& what)
{
    throw std::system_error{errno, std::system_category(), what};
}

/// A program that returns one half of the tick counter: the high one when the mark is set.
int load_clock()
{
    const bpf_insn program[] = {
        {.code = BPF_LDX | BPF_MEM | BPF_W,
         .dst_reg = BPF_REG_6,
         .src_reg = BPF_REG_1,
         .off = offsetof(__sk_buff, mark),
         .imm = 0},
        {.code = BPF_JMP | BPF_CALL, .dst_reg = 0, .src_reg = 0, .off = 0, .imm = BPF_FUNC_jiffies64},
        {.code = BPF_JMP | BPF_JEQ | BPF_K, .dst_reg = BPF_REG_6, .src_reg = 0, .off = 1, .imm = 0},
        {.code = BPF_ALU64 | BPF_RSH | BPF_K, .dst_reg = BPF_REG_0, .src_reg = 0, .off = 0, .imm = 32},
        {.code = BPF_JMP | BPF_EXIT, .dst_reg = 0, .src_reg = 0, .off = 0, .imm = 0},
    };
    int fd = bpf_prog_load(BPF_PROG_TYPE_SCHED_CLS, "clock", "GPL", program, std::size(program), nullptr);
    if (fd < 0)
        fail("load the clock program");
    return fd;
}

std::uint64_t half_of_clock(int program, unsigned mark)
{
    std::uint8_t frame[64]{};
    __sk_buff context{};
    context.mark = mark;
    LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame, .data_size_in = sizeof frame, .ctx_in = &context,
                .ctx_size_in = sizeof context, .repeat = 1);
    if (bpf_prog_test_run_opts(program, &opts))
        fail("run the clock program");
    return opts.retval;
}

} // namespace

std::uint32_t ticks_per_second()
{
    timespec resolution{};
    ::clock_getres(CLOCK_MONOTONIC_COARSE, &resolution);
    return static_cast<std::uint32_t>(1'000'000'000 / resolution.tv_nsec);
}

std::uint64_t now_jiffies()
{
    static const int program = load_clock();
    static const std::uint64_t high = half_of_clock(program, 1); // changes every 198 days
    return high << 32 | half_of_clock(program, 0);
}

Packet Outcome::packet() const
{
    auto packet = read(frame);
    if (!packet)
        throw std::runtime_error{"what came out is no longer a packet"};
    if (auto wrong = checksum_errors(frame); !wrong.empty())
        throw std::runtime_error{"what came out has a wrong checksum: " + wrong};
    return *packet;
}

std::string_view name(lb_reason reason)
{
    static constexpr std::string_view names[] = {
#define X(symbol, key, meaning) key,
        LB_REASONS(X)
#undef X
    };
    return names[reason];
}

std::ostream& operator<<(std::ostream& out, Verdict verdict)
{
    switch (verdict) {
    case Verdict::to_stack:
        return out << "to the stack";
    case Verdict::drop:
        return out << "drop";
    case Verdict::redirect:
        return out << "redirect";
    }
    return out << "verdict " << static_cast<int>(verdict);
}

Runner& Runner::with(const Settings& settings)
{
    static std::map<Settings, std::unique_ptr<Runner>> loaded;
    auto& runner = loaded[settings];
    if (!runner)
        runner.reset(new Runner{settings});
    return *runner;
}

Runner::Runner(const Settings& settings) : skeleton_{tc_bpf::open()}
{
    if (!skeleton_)
        fail("open the tc skeleton");
    lb_config config{};
    config.hz = ticks_per_second();
    config.seed = LB_DEFAULT_SEED;
    config.arena_bytes = arena_bytes;
    config.reject_per_sec = settings.reject_per_sec;
    config.new_flow_per_sec = settings.new_flow_per_sec;
    config.snat_low[0] = settings.snat_first.first;
    config.snat_high[0] = settings.snat_first.second;
    config.snat_low[1] = settings.snat_second.first;
    config.snat_high[1] = settings.snat_second.second;
    config.fib_src = settings.fib_src;
    config.host_packets = settings.host_packets;
    config.xdp_frags = true;
    config.tcp_unreplied_sec = tcp_unreplied_sec;
    config.tcp_established_sec = tcp_established_sec;
    config.tcp_closing_sec = tcp_closing_sec;
    config.udp_sec = udp_sec;
    config.udp_unreplied_sec = udp_unreplied_sec;
    std::memcpy(const_cast<lb_config*>(&skeleton_->rodata->cfg), &config, sizeof config);

    bpf_map__set_value_size(skeleton_->maps.lb_arena, arena_bytes);
    for (auto* map : {skeleton_->maps.lb_ct_tcp, skeleton_->maps.lb_ct_any, skeleton_->maps.lb_snat,
                      skeleton_->maps.lb_affinity, skeleton_->maps.lb_fragments})
        bpf_map__set_max_entries(map, 32768);
    if (tc_bpf::load(skeleton_))
        fail("load the tc programs");

    void* arena = ::mmap(nullptr, arena_bytes, PROT_READ | PROT_WRITE, MAP_SHARED,
                         bpf_map__fd(skeleton_->maps.lb_arena), 0);
    if (arena == MAP_FAILED)
        fail("map the arena");
    arena_ = static_cast<std::byte*>(arena);
    load_xdp(config);
}

/// On the maps of the tc programs.
void Runner::load_xdp(const lb_config& config)
{
    xdp_ = xdp_bpf::open();
    if (!xdp_)
        fail("open the xdp skeleton");
    std::memcpy(const_cast<lb_config*>(&xdp_->rodata->cfg), &config, sizeof config);
    bpf_map* map = nullptr;
    bpf_object__for_each_map(map, xdp_->obj)
    {
        const auto* shared = bpf_object__find_map_by_name(skeleton_->obj, bpf_map__name(map));
        if (!bpf_map__is_internal(map) && shared && bpf_map__reuse_fd(map, bpf_map__fd(shared)))
            fail(std::string{"share the map "} + bpf_map__name(map));
    }
    bpf_program__set_autoload(xdp_->progs.xdp, true);
    bpf_program__set_flags(xdp_->progs.xdp, BPF_F_XDP_HAS_FRAGS);
    if (xdp_bpf::load(xdp_))
        fail("load the xdp program");
}

Runner::~Runner()
{
    if (arena_)
        ::munmap(arena_, arena_bytes);
    xdp_bpf::destroy(xdp_);
    tc_bpf::destroy(skeleton_);
}

std::optional<lb_reason> Runner::counted(lb_hook hook)
{
    std::vector<lb_counter> cpus(static_cast<std::size_t>(libbpf_num_possible_cpus()));
    int found = -1;
    for (std::uint32_t index = 0; index < seen_.size(); ++index) {
        if (index % LB_METRIC_STRIDE >= LB_REASON_COUNT)
            continue;
        if (bpf_map_lookup_elem(bpf_map__fd(skeleton_->maps.lb_metrics), &index, cpus.data()))
            fail("read lb_metrics");
        auto total =
            std::accumulate(cpus.begin(), cpus.end(), std::uint64_t{0},
                            [](std::uint64_t sum, const lb_counter& one) { return sum + one.packets; });
        if (total == seen_[index])
            continue;
        if (total != seen_[index] + 1 || found >= 0 ||
            index / LB_METRIC_STRIDE != static_cast<unsigned>(hook))
            throw std::runtime_error{"one packet moved more than one counter of its hook by one"};
        seen_[index] = total;
        found = static_cast<int>(index % LB_METRIC_STRIDE);
    }
    return found < 0 ? std::nullopt : std::optional{static_cast<lb_reason>(found)};
}

Outcome Runner::run(lb_hook hook, const Bytes& frame, unsigned ifindex, unsigned gso_size)
{
    auto* program = hook == LB_HOOK_TC_INGRESS ? skeleton_->progs.tc_ingress : skeleton_->progs.tc_egress;
    Outcome outcome{.frame = Bytes(frame.size() + 256)};
    __sk_buff context{};
    context.ifindex = ifindex;
    context.gso_size = gso_size;
    LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame.data(), .data_out = outcome.frame.data(),
                .data_size_in = static_cast<__u32>(frame.size()),
                .data_size_out = static_cast<__u32>(outcome.frame.size()), .ctx_in = &context,
                .ctx_size_in = sizeof context, .repeat = 1);
    if (bpf_prog_test_run_opts(bpf_program__fd(program), &opts))
        fail("BPF_PROG_TEST_RUN with " + std::to_string(frame.size()) + " bytes");
    outcome.frame.resize(opts.data_size_out);
    outcome.verdict = static_cast<Verdict>(static_cast<int>(opts.retval));
    const auto reason = counted(hook);
    if (!reason)
        throw std::runtime_error{"a packet left without being counted"};
    outcome.reason = *reason;
    reasons_reached.insert(outcome.reason);
    return outcome;
}

XdpOutcome Runner::xdp(const Bytes& frame, unsigned ifindex)
{
    XdpOutcome outcome{.frame = Bytes(frame.size() + 256)};
    xdp_md context{};
    context.data_end = static_cast<__u32>(frame.size());
    context.ingress_ifindex = ifindex;
    LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame.data(), .data_out = outcome.frame.data(),
                .data_size_in = static_cast<__u32>(frame.size()),
                .data_size_out = static_cast<__u32>(outcome.frame.size()), .ctx_in = &context,
                .ctx_size_in = sizeof context, .repeat = 1);
    if (bpf_prog_test_run_opts(bpf_program__fd(xdp_->progs.xdp), &opts))
        fail("BPF_PROG_TEST_RUN of xdp with " + std::to_string(frame.size()) + " bytes");
    outcome.frame.resize(opts.data_size_out);
    outcome.sent = opts.retval == XDP_TX;
    if (!outcome.sent && opts.retval != XDP_PASS)
        throw std::runtime_error{"XDP gave the verdict " + std::to_string(opts.retval)};
    const auto reason = counted(LB_HOOK_XDP);
    if (reason.has_value() != outcome.sent)
        throw std::runtime_error{"XDP counts exactly what it sends"};
    outcome.reason = reason.value_or(LB_PASS);
    return outcome;
}

const std::set<lb_reason>& Runner::reached() { return reasons_reached; }

} // namespace naru::test
