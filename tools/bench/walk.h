/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* The next flow of a run. The kernel runs a program again and again on one packet, so what varies must vary in here;
 * a flow costs one sequential read, which the floor pays as well. */
#ifndef BENCH_WALK_H
#define BENCH_WALK_H

#include <bpf/bpf_endian.h>
#include "flow.h"

struct bench_state bench;
struct bench_flow flows[BENCH_FLOWS];

/* Where fresh clients live: 11/8, or the same low word of their IPv6 prefix. */
#define BENCH_FRESH_BASE 0x0b000000
#define BENCH_FRESH_BITS 24
#define BENCH_FIRST_PORT 1024

static __always_inline void next_flow(struct bench_flow *flow)
{
	__u64 run = bench.run++;

	*flow = flows[run & bench.mask & (BENCH_FLOWS - 1)];
	if (bench.fresh) {
		flow->src.w32[3] = bpf_htonl(BENCH_FRESH_BASE | (run & ((1u << BENCH_FRESH_BITS) - 1)));
		flow->sport = bpf_htons(BENCH_FIRST_PORT + (run >> BENCH_FRESH_BITS));
	}
}

#endif
