// Tables of the bench's own, and the least that filling them can cost.
#pragma once

#include <vector>

#include "datapath/mapping.hpp"
#include "model/layout.hpp"
#include "object.hpp"
#include "skeletons.hpp"
#include "synthetic.hpp"

namespace naru::bench {

inline constexpr unsigned backends = 10; ///< of a Service

using TableObject = Object<bench_sock_bpf>;

Result<TableObject> fresh_tables();
Result<Mapping> arena_of(const TableObject& object);

/// Keeps the compiler from leaving out what nobody reads.
inline void keep(const void* p) { asm volatile("" : : "g"(p) : "memory"); }

/// ns for one call of `work`.
template <class Work>
double each(unsigned times, Work work)
{
    double before = thread_ns();
    for (unsigned i = 0; i < times; ++i)
        work(i);
    return (thread_ns() - before) / times;
}

/// Numbers `first` and up.
std::vector<Weighted> maglev_backends(unsigned count, unsigned first = 0);

/// Endpoint number `turn % backends` is replaced by one that was not there before.
ServiceRow rolled(unsigned turn);

/// The slots of a Service built and its block copied.
double least_publish_us(std::byte* arena, unsigned times);

/// That for every Service, and all rows of maps in batches.
Result<double> least_start_ms(unsigned services);

} // namespace naru::bench
