// Per-CPU counters become one row a hook and reason.
#include <catch2/catch.hpp>

#include <bpf/libbpf.h>

#include <algorithm>

#include "datapath/counters.hpp"
#include "lb/reason.h"
#include "small_maps.hpp"

using namespace naru;
using namespace naru::test;

TEST_CASE("counters of all CPUs are summed under the names of reason.h", "[counters]")
{
    auto maps = small_maps();
    std::vector<lb_counter> per_cpu(static_cast<std::size_t>(libbpf_num_possible_cpus()),
                                    {.packets = 3, .bytes = 100});
    auto index = std::uint32_t{LB_HOOK_TC_INGRESS * LB_METRIC_STRIDE + LB_NO_BACKEND};
    REQUIRE(bpf_map_update_elem(maps.metrics.get(), &index, per_cpu.data(), BPF_ANY) == 0);

    auto counts = read_counters(maps);
    REQUIRE(counts);
    CHECK(counts->size() == std::size_t{LB_HOOK_COUNT} * LB_REASON_COUNT);
    auto cpus = per_cpu.size();
    for (const auto& each : *counts) {
        bool written = each.hook == "tc_ingress" && each.reason == "no_backend";
        CHECK(each.packets == (written ? 3 * cpus : 0));
        CHECK(each.bytes == (written ? 100 * cpus : 0));
        CHECK_FALSE(each.meaning.empty());
    }
}
