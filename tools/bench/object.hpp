// A bench object in the kernel: its programs with maps of its own, which vanish with it. Filled by the
// agent's code.
#pragma once

#include <algorithm>
#include <cstring>
#include <fcntl.h>
#include <memory>
#include <span>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "datapath/kernel.hpp"
#include "flow.h"
#include "machine.hpp"

namespace naru::bench {

/// lb_config as the agent makes it, but without a limit on new flows: the limit would be measured instead.
Result<lb_config> config(std::uint32_t arena_bytes);

struct ObjectOptions {
    std::uint32_t arena_bytes = 16u << 20;
    std::uint32_t flow_entries = 0; ///< size of the flow tables; 0: as shipped
};

/// Runs `program` `times` on `packet`; the thread's time for one run, ns.
Result<double> run(const bpf_program* program, std::span<const std::byte> packet, unsigned times);

/// Duplicates of an object's maps, as the agent has them from its pins.
Result<Maps> maps_of(const bpf_object* object, std::uint32_t arena_bytes);

/// What must happen between opening and loading an object of the bench.
Result<> prepare(bpf_object* object, const ObjectOptions& options);

/// Gives lb_node its first value and makes the loopback device, on which test packets arrive, a workload's.
Result<> first_values(const Maps& maps);

template <class Skeleton>
class Object {
public:
    static Result<Object> load(const ObjectOptions& options, const bench_flow& fixed)
    {
        Object object;
        object.skeleton_.reset(Skeleton::open());
        if (!object.skeleton_)
            return sys_error("open the bench's BPF object");
        auto constants = config(options.arena_bytes);
        if (!constants)
            return std::unexpected{constants.error()};
        object.skeleton_->rodata->cfg = *constants;
        std::memcpy(&object.skeleton_->rodata->fixed, &fixed, sizeof(fixed));
        if (auto ready = prepare(object.skeleton_->obj, options); !ready)
            return std::unexpected{ready.error()};
        if (int failed = Skeleton::load(object.skeleton_.get()))
            return sys_error("load the bench's BPF object", -failed);
        auto maps = maps_of(object.skeleton_->obj, options.arena_bytes);
        if (!maps)
            return std::unexpected{maps.error()};
        if (auto written = first_values(*maps); !written)
            return std::unexpected{written.error()};
        object.maps_ = std::move(*maps);
        return object;
    }

    /// Opens the tables a second time, to be filled.
    Result<Kernel> kernel() const
    {
        auto maps = maps_of(skeleton_->obj, maps_.arena_bytes);
        if (!maps)
            return std::unexpected{maps.error()};
        std::vector<std::string> findings;
        auto kernel = Kernel::open(std::move(*maps), skeleton_->rodata->cfg.seed, findings);
        if (kernel && !findings.empty())
            return error("fresh tables are not empty: " + findings.front());
        return kernel;
    }

    /// The next runs walk through `flows` (a power of two of them) in turn.
    void walk(std::span<const bench_flow> flows, std::uint8_t tcp_flags, bool fresh)
    {
        auto& bss = *skeleton_->bss;
        std::ranges::copy(flows, bss.flows);
        bss.bench.mask = static_cast<std::uint32_t>(flows.size() - 1);
        bss.bench.tcp_flags = tcp_flags;
        bss.bench.fresh = fresh;
    }

    const auto& programs() const { return skeleton_->progs; }
    const Maps& maps() const { return maps_; }

private:
    std::unique_ptr<Skeleton, decltype([](Skeleton* skeleton) { Skeleton::destroy(skeleton); })> skeleton_;
    Maps maps_;
};

} // namespace naru::bench
