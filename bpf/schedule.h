/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* The algorithms that need to know what became of earlier flows, after ipvsadm(8): rr and wrr by turns, lc, wlc, sed
 * and nq by load. The agent writes the slots for them: each backend once, by address; for wrr a round of turns.
 * Backends of weight 0 have none. */
#ifndef LB_SCHEDULE_H
#define LB_SCHEDULE_H

#include <lb/hash.h>
#include "load.h"

static __always_inline bool takes_turns(__u8 algorithm)
{
	return algorithm == LB_ALGORITHM_RR || algorithm == LB_ALGORITHM_WRR;
}

static __always_inline bool is_scheduled(__u8 algorithm)
{
	return takes_turns(algorithm) || compares_loads(algorithm);
}

/* Position of the backend whose turn it is. All CPUs share the turn, so the order is exact. A service that has changed
 * goes on with the slot it has come to. (Like the next one a function of its own, verified once. Neither calls another
 * or takes more than 32 bytes of stack: the function for common packets leaves no more.) */
__noinline int take_turn(__u64 word, __u32 service)
{
	struct lb_turn *turn = bpf_map_lookup_elem(&lb_turns, &service);
	struct lb_service record = record_of(word);
	__u32 slot;

	if (!turn)
		return LB_MAX_ROWS;
	bpf_spin_lock(&turn->lock);
	slot = turn->slot < record.slots ? turn->slot : 0;
	turn->slot = slot + 1;
	bpf_spin_unlock(&turn->lock);
	return position_at(&record, slot);
}

/* How an algorithm makes a load of connections and weight, in numbers rather than branches: the verifier would follow
 * each branch through the whole loop below. */
#define LB_RULE_IDLE_PLUS (1 << 0) /* to none, one is added: the connection to come */
#define LB_RULE_BUSY_PLUS (1 << 1) /* to some, one is added */
#define LB_RULE_WEIGHT_SHIFT 16	   /* this mask says which bits of the weight, less one, count */

static __always_inline __u64 load_rule(__u8 algorithm)
{
	const __u64 weighted = (__u64)0xffff << LB_RULE_WEIGHT_SHIFT;

	switch (algorithm) {
	case LB_ALGORITHM_LC:
		return 0;
	case LB_ALGORITHM_WLC:
		return weighted;
	case LB_ALGORITHM_SED:
		return weighted | LB_RULE_IDLE_PLUS | LB_RULE_BUSY_PLUS;
	default:
		return weighted | LB_RULE_BUSY_PLUS; /* NQ: an idle one has no load, whatever its weight */
	}
}

/* Position of the backend with the least load among the slots from one on that chance names; of equals the first.
 * LB_MAX_ROWS: the block is broken. A load is a fraction, so two are compared crosswise: connections, weight and
 * position of the least one are in one word, from the highest bits down.
 *
 * What goes round the loop is made unknown to the verifier by a 0 that it does not know, so that it follows one way
 * through each round rather than all that lead there. The first slot travels above the rule, and that 0 above both. */
static __always_inline __u16 least_by_rule(__u64 word, __u64 rule)
{
	__u64 least = 1ULL << 32 | LB_MAX_ROWS; /* for a weight of 0: more than any load */

#pragma unroll
	for (__u32 i = 0; i < LB_COMPARED_SLOTS; i++) {
		const struct lb_backend *row;
		struct lb_service record;
		__u64 jobs, candidate;
		__u16 position;
		__u32 slot;

		asm volatile("" : "+r"(word), "+r"(rule));
		record = record_of(word);
		if (i >= record.slots)
			break;
		slot = (__u32)(rule >> 32) + i;
		if (slot >= record.slots)
			slot -= record.slots;
		slot ^= -(rule >> 63);
		row = row_in_slot(&record, slot, &position);
		if (!row)
			return LB_MAX_ROWS;
		candidate = (1 + ((row->weight - 1) & (rule >> LB_RULE_WEIGHT_SHIFT & 0xffff))) << 16 | position;
		jobs = open_connections(row->generation);
		jobs += (jobs ? rule / LB_RULE_BUSY_PLUS : rule) & 1;
		if (jobs * (least >> 16 & 0xffff) < (least >> 32) * (candidate >> 16))
			least = jobs << 32 | candidate;
		least ^= -(rule >> 63);
	}
	return least;
}

__noinline int least_loaded(__u64 word, __u32 algorithm, __u32 dice)
{
	struct lb_service record = record_of(word);
	__u64 nothing = -(__u64)(algorithm >> 31);

	dice = record.slots > LB_COMPARED_SLOTS ? lb_slot(dice, record.slots) : 0;
	return least_by_rule(word, (load_rule(algorithm) | (__u64)dice << 32) ^ nothing);
}

#endif
