#include "counters.hpp"

#include <array>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "lb/abi.h"
#include "lb/reason.h"

namespace naru {

namespace {

struct Word {
    std::string_view key;
    std::string_view meaning;
};

constexpr std::array<Word, LB_REASON_COUNT> reasons{{
#define X(symbol, key, meaning) {key, meaning},
    LB_REASONS(X)
#undef X
}};

constexpr std::array<std::string_view, LB_HOOK_COUNT> hooks{"sock", "tc_ingress", "tc_egress", "xdp"};

} // namespace

Result<std::vector<ReasonCount>> read_counters(const Maps& maps)
{
    int cpus = libbpf_num_possible_cpus();
    if (cpus < 0)
        return sys_error("count the CPUs", -cpus);
    std::vector<lb_counter> per_cpu(static_cast<std::size_t>(cpus));
    std::vector<ReasonCount> counts;
    counts.reserve(hooks.size() * reasons.size());
    for (std::uint32_t hook = 0; hook < hooks.size(); ++hook) {
        for (std::uint32_t reason = 0; reason < reasons.size(); ++reason) {
            std::uint32_t index = hook * LB_METRIC_STRIDE + reason;
            if (int failed = bpf_map_lookup_elem(maps.metrics.get(), &index, per_cpu.data()))
                return sys_error("read map lb_metrics", -failed);
            ReasonCount sum{hooks[hook], reasons[reason].key, reasons[reason].meaning};
            for (const auto& one : per_cpu) {
                sum.packets += one.packets;
                sum.bytes += one.bytes;
            }
            counts.push_back(sum);
        }
    }
    return counts;
}

} // namespace naru
