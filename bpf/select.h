/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* A new flow's backend: affinity if the service has it, else the slot that its algorithm names (schedule.h: by turns or
 * by load). Time and chance are
 * arguments. */
#ifndef LB_SELECT_H
#define LB_SELECT_H

#include <lb/hash.h>
#include <lb/reason.h>
#include "schedule.h"
#include "service.h"

/* A backend as a flow remembers it. */
struct lb_pick {
	struct lb_addr addr;
	__be16 port;
	__u16 flags; /* LB_BACKEND_* */
	__u16 position;
	__u8 dsr;  /* what goes to another node goes encapsulated... */
	__u8 kind; /* ...and for a NodePort with the frontend's address as source */
	__u32 service;
	__u32 generation;
};

static __always_inline void pick_row(struct lb_pick *pick, __u32 service, __u16 position,
				     const struct lb_backend *row)
{
	pick->addr = row->addr;
	pick->port = row->port;
	pick->flags = row->flags;
	pick->position = position;
	pick->service = service;
	pick->generation = row->generation;
}

/* Sticky for [last_seen, last_seen + timeout): the bound itself is outside. */
static __always_inline bool affinity_expired(const struct lb_affinity *a, __u32 timeout_sec, __u64 now)
{
	return now - a->last_seen >= (__u64)timeout_sec * cfg.hz;
}

/* What is known of a new flow besides client and frontend. */
struct lb_arrival {
	const struct lb_tuple *tuple; /* NULL: a socket, which has no port yet */
	bool outside;
	bool starts; /* false: in its middle, for which a flow that chance placed elsewhere has no second pick */
};

static __always_inline bool picks_by_chance(__u8 algorithm, const struct lb_arrival *flow)
{
	if (algorithm == LB_ALGORITHM_DEFAULT)
		return !flow->outside;
	return algorithm == LB_ALGORITHM_RANDOM || (algorithm == LB_ALGORITHM_MAGLEV && !flow->tuple);
}

static __always_inline __u32 hash_by(__u8 algorithm, const struct lb_affinity_key *client,
				     const struct lb_frontend_key *frontend, const struct lb_tuple *tuple)
{
	if (algorithm == LB_ALGORITHM_SH)
		return lb_hash_address(&client->client, cfg.seed);
	if (algorithm == LB_ALGORITHM_DH || !tuple)
		return lb_hash_address(&frontend->addr, cfg.seed);
	return lb_hash_tuple(tuple, cfg.seed);
}

/* LB_PASS: `pick` is filled. Under affinity the client names the slot, and chance after an expiry, because upstream
 * expects that an expired client can land elsewhere; unless the service takes turns or compares loads: then it does so
 * for clients. */
static __always_inline enum lb_reason select_backend(__u32 service, const struct lb_affinity_key *client,
						     const struct lb_frontend_key *frontend,
						     const struct lb_arrival *flow, __u32 dice, __u64 now,
						     struct lb_pick *pick)
{
	const struct lb_backend *row;
	const struct lb_block *block;
	struct lb_service record;
	__u32 timeout_sec, epoch, hash = 0;
	__u16 position;
	__u8 algorithm;

	if (!service_record(service, &record))
		return LB_BAD_STATE;
	block = block_of(&record);
	if (!block)
		return LB_BAD_STATE;
	if (!record.slots)
		return block->flags & LB_SERVICE_DROP_IF_EMPTY ? LB_NO_LOCAL_ENDPOINTS : LB_NO_BACKEND;

	pick->dsr = !!(block->flags & LB_SERVICE_DSR);
	timeout_sec = block->affinity_timeout_sec;
	epoch = block->affinity_epoch;
	algorithm = block->algorithm;
	if (timeout_sec) {
		struct lb_affinity *sticky = bpf_map_lookup_elem(&lb_affinity, client);

		hash = lb_hash_client(&client->client, frontend, cfg.seed);
		if (sticky && sticky->service == service && sticky->epoch == epoch) {
			if (affinity_expired(sticky, timeout_sec, now)) {
				hash = dice;
			} else {
				row = row_of(&record, sticky->position);
				if (row && row->generation == sticky->generation && (row->flags & LB_BACKEND_CHOSEN)) {
					sticky->last_seen = now;
					pick_row(pick, service, sticky->position, row);
					return LB_PASS;
				}
			}
		}
	} else if (picks_by_chance(algorithm, flow)) {
		if (!flow->starts)
			return LB_NO_FLOW;
		hash = dice;
	} else if (!is_scheduled(algorithm)) {
		hash = hash_by(algorithm, client, frontend, flow->tuple);
	}

	if (is_scheduled(algorithm)) {
		if (!flow->starts)
			return LB_NO_FLOW;
		position = takes_turns(algorithm) ? take_turn(record_word(&record), service)
						  : least_loaded(record_word(&record), algorithm, dice);
	} else {
		position = position_at(&record, lb_slot(hash, record.slots));
	}
	row = row_of(&record, position);
	if (!row || !(row->flags & LB_BACKEND_CHOSEN))
		return LB_BAD_STATE;
	pick_row(pick, service, position, row);

	if (timeout_sec) {
		struct lb_affinity fresh = {
			.last_seen = now,
			.service = service,
			.generation = row->generation,
			.epoch = epoch,
			.position = position,
		};

		bpf_map_update_elem(&lb_affinity, client, &fresh, BPF_ANY);
	}
	return LB_PASS;
}

#endif
