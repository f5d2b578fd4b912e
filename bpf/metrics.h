/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Every exit has a reason and every reason a per-CPU counter. */
#ifndef LB_METRICS_H
#define LB_METRICS_H

#include <lb/reason.h>
#include "config.h"
#include "maps.h"

_Static_assert(LB_REASON_COUNT <= LB_METRIC_STRIDE, "lb_metrics has room for every reason");

static __always_inline void count(enum lb_hook hook, enum lb_reason why, __u64 bytes)
{
	__u32 index = hook * LB_METRIC_STRIDE + why;
	struct lb_counter *counter = bpf_map_lookup_elem(&lb_metrics, &index);

	if (counter) {
		counter->packets++;
		counter->bytes += bytes;
	}
}

/* Token bucket of this CPU: at most `per_sec`, in bursts of at most one second's worth. */
static __always_inline bool within_limit(enum lb_limit which, __u32 per_sec, __u64 now)
{
	__u32 index = which;
	struct lb_bucket *bucket = bpf_map_lookup_elem(&lb_buckets, &index);
	__u64 passed, earned;

	if (!bucket)
		return false;
	passed = now - bucket->filled;
	earned = passed >= cfg.hz ? per_sec : passed * per_sec / cfg.hz;
	if (earned) { /* not before: a slow bucket must not lose the ticks that make up a token */
		__u64 tokens = bucket->tokens + earned;

		bucket->tokens = tokens > per_sec ? per_sec : tokens;
		bucket->filled = now;
	}
	if (!bucket->tokens)
		return false;
	bucket->tokens--;
	return true;
}

#endif
