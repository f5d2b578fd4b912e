/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* What one function finds out about an encapsulated packet, or one to be, for the next: each is verified by itself, and
 * for none is what the others know worth a look. */
#ifndef LB_TUNNEL_H
#define LB_TUNNEL_H

#include "decide.h"

struct lb_tunnel_job {
	/* On the way out the outer header's, where no destination means a new flow, see `pick`; else the inner packet's. */
	struct lb_rewrite rw;
	struct lb_pick pick;
	struct lb_packet outer, inner; /* in: as they came */
};

/* Written and read again within one run of a program, which nothing else interrupts on its CPU. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct lb_tunnel_job);
} lb_tunnel_job SEC(".maps");

static __always_inline struct lb_tunnel_job *tunnel_job(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&lb_tunnel_job, &zero);
}

/* A new flow is entered where it is sent, too: what only looks at packets enters nothing. */
static __noinline enum lb_reason tunnel_new(const struct lb_pick *pick, struct lb_rewrite *rw)
{
	struct lb_tunnel_job *job = tunnel_job();

	if (!job)
		return LB_BAD_STATE;
	job->pick = *pick;
	rw->dst = (struct lb_addr){};
	return LB_ENCAPSULATED;
}

static __noinline void tunnel_known(const struct lb_rewrite *rw)
{
	struct lb_tunnel_job *job = tunnel_job();

	if (job)
		job->rw = *rw;
}

#endif
