/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* A new flow's backend: affinity if the service has it, else a slot. Time and chance are arguments. */
#ifndef LB_SELECT_H
#define LB_SELECT_H

#include <lb/hash.h>
#include <lb/reason.h>
#include "service.h"

/* A backend as a flow remembers it. */
struct lb_pick {
	struct lb_addr addr;
	__be16 port;
	__u16 flags; /* LB_BACKEND_* */
	__u16 position;
	__u16 pad;
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

/* LB_PASS: `pick` is filled. `hash` names the slot; under affinity the client does, and chance after an expiry,
 * because upstream expects that an expired client can land elsewhere. */
static __always_inline enum lb_reason select_backend(__u32 service, const struct lb_affinity_key *client,
						     const struct lb_frontend_key *frontend, __u32 hash, __u32 dice,
						     __u64 now, struct lb_pick *pick)
{
	const struct lb_backend *row;
	const struct lb_block *block;
	struct lb_service record;
	__u32 timeout_sec, epoch;
	__u16 position;

	if (!service_record(service, &record))
		return LB_BAD_STATE;
	block = block_of(&record);
	if (!block)
		return LB_BAD_STATE;
	if (!record.slots)
		return block->flags & LB_SERVICE_DROP_IF_EMPTY ? LB_NO_LOCAL_ENDPOINTS : LB_NO_BACKEND;

	timeout_sec = block->affinity_timeout_sec;
	epoch = block->affinity_epoch;
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
	}

	position = position_at(&record, lb_slot(hash, record.slots));
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
