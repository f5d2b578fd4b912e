/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* What becomes of a packet that comes in, for the tc and the xdp shell alike. The context is only for routes. */
#ifndef LB_ARRIVAL_H
#define LB_ARRIVAL_H

#include "decide.h"
#include "fib.h"
#include "fragment.h"
#include "later.h"
#include "tunnel.h"

static __always_inline enum lb_reason start_flow(void *ctx, const struct lb_packet *p, __u32 ifindex, enum lb_side side,
						 const struct lb_pick *pick, __u64 now, __u32 dice,
						 struct lb_rewrite *rw)
{
	struct lb_addr source = p->tuple.src;
	__u8 flags = source_flags(p, side, pick);

	if (flags & LB_CT_DSR)
		return tunnel_new(pick, rw);
	if (cfg.host_packets && side == LB_SIDE_HOST && own_device(&pick->addr)) {
		source = pick->addr; /* as the kernel would choose for a connection to it */
	} else if (flags & LB_CT_SNAT) {
		enum lb_reason why = node_source(ctx, p, ifindex, &pick->addr, &source, &rw->mtu);

		if (why != LB_PASS)
			return why;
	}
	return track(p, pick, &source, flags, now, dice, rw);
}

/* Asked twice about one packet, first by xdp and then by tc, it gives the same answer: what the first one entered, the
 * second one finds. */
static __always_inline enum lb_reason arrival(void *ctx, const struct lb_packet *p, __u32 ifindex, enum lb_side side,
					      __u64 now, struct lb_rewrite *rw)
{
	__u32 dice = bpf_get_prandom_u32();
	struct lb_pick pick = {};
	enum lb_reason why;

	if (lb_addr_is_loopback(&p->tuple.dst))
		return LB_LOOPBACK;
	if (is_icmp_error(p) && !is_first_piece(p))
		return LB_RELATED;
	if (is_icmp_error(p)) /* in pieces it is too strange to be honest */
		return frontend_address(&p->tuple.dst) ? LB_FRAGMENT : LB_PASS;
	if (p->l4_kind == LB_L4_PORTS && in_snat_range(p->tuple.dport)) {
		why = reply(p, true, now, rw);
		if (why != LB_PASS)
			return why;
	}

	why = forward(p, side, now, dice, &pick, rw);
	return why == LB_TRANSLATED ? start_flow(ctx, p, ifindex, side, &pick, now, dice, rw) : why;
}

#endif
