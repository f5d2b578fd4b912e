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

/* All CPUs share the turn, so the order is exact. A service that has changed goes on with the slot it has come to. */
static __always_inline __u16 take_turn(__u32 service, __u16 slots)
{
	struct lb_turn *turn = bpf_map_lookup_elem(&lb_turns, &service);
	__u32 slot;

	if (!turn)
		return 0;
	bpf_spin_lock(&turn->lock);
	slot = turn->slot < slots ? turn->slot : 0;
	turn->slot = slot + 1;
	bpf_spin_unlock(&turn->lock);
	return slot;
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

/* What the rule makes of a slot's backend: connections (at most 2^32 - 1), weight and position, from the highest bits
 * down. ~0: the block is broken. A function of its own: the verifier looks into it once, not in every round of the loop
 * below. */
__noinline __u64 slot_load(__u64 word, __u32 slot, __u64 rule)
{
	struct lb_service record = record_of(word);
	__u16 position = position_at(&record, slot < record.slots ? slot : slot - record.slots);
	const struct lb_backend *row = row_of(&record, position);
	__u64 jobs, weight;

	if (!row)
		return ~0ULL;
	weight = 1 + ((row->weight - 1) & (rule >> LB_RULE_WEIGHT_SHIFT));
	jobs = open_connections(row->generation);
	jobs += (jobs ? rule / LB_RULE_BUSY_PLUS : rule) & 1;
	if (jobs > 0xffffffff)
		jobs = 0xffffffff;
	return jobs << 32 | weight << 16 | position;
}

/* Position of the backend with the least load among the slots from `first` on; of equals the first. LB_MAX_ROWS: the
 * block is broken. A load is a fraction, so two are compared crosswise.
 *
 * `nothing` is 0, which the verifier does not know: what goes round the loop is made unknown to it, so that it follows
 * one way through each round rather than all that lead there. */
static __always_inline __u16 least_loaded(__u64 word, __u64 rule, __u32 first, __u64 nothing)
{
	__u64 least = 1ULL << 32 | LB_MAX_ROWS; /* for a weight of 0: more than any load */
	__u32 slots = record_of(word).slots;

	for (__u32 i = 0; i < LB_COMPARED_SLOTS; i++) {
		__u64 load;

		if (i >= slots)
			break;
		load = slot_load(word, first + i, rule);
		if ((load >> 32) * (least >> 16 & 0xffff) < (least >> 32) * (load >> 16 & 0xffff))
			least = load;
		least ^= nothing;
	}
	return least;
}

/* Position of the backend for a new flow of a service with slots; LB_MAX_ROWS: none. A function of its own, verified
 * once. */
__noinline int schedule(__u64 word, __u32 service, __u32 algorithm, __u32 dice)
{
	struct lb_service record = record_of(word);
	__u64 nothing = -(__u64)(service >> 31);

	if (takes_turns(algorithm))
		return position_at(&record, take_turn(service, record.slots));
	dice = record.slots > LB_COMPARED_SLOTS ? lb_slot(dice, record.slots) : 0;
	return least_loaded(word, load_rule(algorithm) ^ nothing, dice ^ nothing, nothing);
}

#endif
