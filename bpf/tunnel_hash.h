/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* ICMP errors about answers that passed directly, at a node that did not see the flow: the network may have moved it,
 * or sends errors another way. Every node comes to the same backend by the hash of the flow, where neither chance
 * nor what became of earlier flows has a part. */
#ifndef LB_TUNNEL_HASH_H
#define LB_TUNNEL_HASH_H

#include "icmp_error.h"
#include "select.h"

/* The backend that the algorithm names for the flow. Nothing is remembered: anyone can send an error. */
static __always_inline const struct lb_backend *hashed_backend(__u32 service, const struct lb_tuple *t)
{
	const struct lb_frontend_key frontend = {.addr = t->dst, .port = t->dport, .proto = t->proto};
	const struct lb_affinity_key client = {.client = t->src};
	const struct lb_arrival flow = {.tuple = t, .outside = true};
	const struct lb_backend *row;
	const struct lb_block *block;
	struct lb_service record;
	__u32 hash;

	if (!service_record(service, &record) || !record.slots)
		return NULL;
	block = block_of(&record);
	if (!block || !(block->flags & LB_SERVICE_DSR) || is_scheduled(block->algorithm))
		return NULL;
	if (block->affinity_timeout_sec)
		hash = lb_hash_client(&client.client, &frontend, cfg.seed);
	else if (picks_by_chance(block->algorithm, &flow))
		return NULL;
	else
		hash = hash_by(block->algorithm, &client, &frontend, t);
	row = row_of(&record, position_at(&record, lb_slot(hash, record.slots)));
	return row && (row->flags & LB_BACKEND_CHOSEN) && !(row->flags & LB_BACKEND_LOCAL) ? row : NULL;
}

/* LB_ENCAPSULATED: `rw` is complete. */
static __always_inline enum lb_reason error_by_hash(struct __sk_buff *skb, const struct lb_packet *p,
						    struct lb_rewrite *rw)
{
	struct lb_frontend_key key = {};
	const struct lb_frontend *frontend;
	const struct lb_backend *row;
	struct lb_quote quote = {};
	struct lb_tuple flow = {};

	if (read_quote(skb, p, &quote) != LB_PASS || !lb_addr_equal(&p->tuple.dst, &quote.tuple.src))
		return LB_NO_FLOW;
	key.addr = flow.dst = quote.tuple.src;
	key.port = flow.dport = quote.tuple.sport;
	key.proto = flow.proto = quote.tuple.proto;
	flow.src = quote.tuple.dst;
	flow.sport = quote.tuple.dport;
	frontend = frontend_exact(&key);
	if (!frontend || (frontend->flags & (LB_FRONTEND_HOST_ONLY | LB_FRONTEND_TOMBSTONE)))
		return LB_NO_FLOW;
	row = hashed_backend(frontend->outside, &flow);
	if (!row)
		return LB_NO_FLOW;
	rw->dst = row->addr;
	return node_source(skb, p, skb->ifindex, &rw->dst, &rw->src, &rw->mtu) == LB_PASS ? LB_ENCAPSULATED
											  : LB_NO_FLOW;
}

#endif
