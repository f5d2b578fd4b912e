/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Connection entries: what a flow was given, and what its replies must carry. States follow the flags that were
 * seen, never sequence numbers. Two entries a flow, one for each direction; each names the key of the other. */
#ifndef LB_CT_H
#define LB_CT_H

#include <lb/abi.h>
#include "frontend.h"
#include "load.h"
#include "parse.h"
#include "service.h"

static __always_inline struct lb_ct *ct_lookup(const struct lb_tuple *t)
{
	if (lb_has_connections(t->proto))
		return bpf_map_lookup_elem(&lb_ct_tcp, t);
	return bpf_map_lookup_elem(&lb_ct_any, t);
}

static __always_inline long ct_update(const struct lb_tuple *t, const struct lb_ct *entry, __u64 flags)
{
	if (lb_has_connections(t->proto))
		return bpf_map_update_elem(&lb_ct_tcp, t, entry, flags);
	return bpf_map_update_elem(&lb_ct_any, t, entry, flags);
}

static __always_inline void ct_forget(const struct lb_tuple *t)
{
	if (lb_has_connections(t->proto))
		bpf_map_delete_elem(&lb_ct_tcp, t);
	else
		bpf_map_delete_elem(&lb_ct_any, t);
}

static __always_inline __u32 ct_lifetime_sec(const struct lb_ct *entry, __u8 proto)
{
	if (!lb_has_connections(proto))
		return entry->state == LB_CT_OPEN ? cfg.udp_unreplied_sec : cfg.udp_sec;
	if (entry->state == LB_CT_OPEN)
		return cfg.tcp_unreplied_sec;
	return entry->state == LB_CT_ESTABLISHED ? cfg.tcp_established_sec : cfg.tcp_closing_sec;
}

/* The client's entry is about to be replaced by that of another flow: if its connection was open, it no longer is. */
static __always_inline void ct_abandon(const struct lb_ct *entry)
{
	if (entry->state != LB_CT_CLOSING)
		load_closed(entry->service, entry->generation);
}

/* The agent's sweep deletes such entries; until then they count as absent. */
static __always_inline bool ct_expired(const struct lb_ct *entry, __u8 proto, __u64 now)
{
	return now - entry->last_seen >= (__u64)ct_lifetime_sec(entry, proto) * cfg.hz;
}

/* Of a flow this node began itself (own_flow.h): no Service has number 0. */
static __always_inline bool ct_is_own(const struct lb_ct *entry)
{
	return !entry->service;
}

/* May this packet of the client follow its entry? A connection that was answered does, whatever became of the backend;
 * everything else only while the frontend still is that service's and the backend serves; a SYN only as a
 * retransmission of an open handshake. */
static __always_inline bool ct_follows(const struct lb_ct *entry, const struct lb_frontend *frontend,
				       const struct lb_packet *p, __u64 now)
{
	if (ct_expired(entry, p->tuple.proto, now))
		return false;
	if (lb_has_connections(p->tuple.proto)) {
		if (!starts_flow(p) && (entry->state != LB_CT_OPEN || (entry->flags & LB_CT_REPLIED)))
			return true;
		if (entry->state != LB_CT_OPEN)
			return false;
	}
	return frontend_serves(frontend, entry->position, entry->generation);
}

/* A SYN from a backend that has long said more belongs to a connection dialled past the frontend. */
static __always_inline bool ct_is_stale_reply(const struct lb_ct *entry, const struct lb_packet *p)
{
	return lb_has_connections(p->tuple.proto) && (p->tcp_flags & LB_TCP_SYN) && (entry->flags & LB_CT_SPOKE);
}

static __always_inline struct lb_ct *ct_peer(const struct lb_tuple *t, const struct lb_ct *entry)
{
	struct lb_tuple key = {
		.src = entry->to,
		.dst = entry->via,
		.sport = entry->to_port,
		.dport = entry->via_port,
		.proto = t->proto,
		.direction = !t->direction,
	};

	if (key.direction == LB_DIR_REPLY && (entry->flags & LB_CT_SNAT))
		return bpf_map_lookup_elem(&lb_snat, &key);
	return ct_lookup(&key);
}

/* Notes what this packet says about its connection. The other direction's entry is looked up only when something
 * changes, or once a second to keep both alive. `t` carries the direction. */
static __always_inline void ct_advance(struct lb_ct *entry, const struct lb_tuple *t, __u8 tcp_flags, __u64 now)
{
	bool tcp = lb_has_connections(t->proto), reply = t->direction == LB_DIR_REPLY;
	bool first_reply = reply && !(entry->flags & LB_CT_REPLIED);
	bool fin = tcp && (tcp_flags & LB_TCP_FIN) && !(entry->flags & LB_CT_FIN);
	bool rst = tcp && (tcp_flags & LB_TCP_RST) && entry->state != LB_CT_CLOSING;
	bool alive = tcp && (entry->flags & LB_CT_RESET) && !(tcp_flags & (LB_TCP_RST | LB_TCP_SYN));
	bool settled = tcp && !reply && !(tcp_flags & LB_TCP_SYN) && entry->state == LB_CT_OPEN &&
		       (entry->flags & LB_CT_REPLIED);
	struct lb_ct *peer;
	__u8 was;

	if (tcp && reply && !(tcp_flags & LB_TCP_SYN))
		entry->flags |= LB_CT_SPOKE;
	if (!first_reply && !fin && !rst && !alive && !settled && now - entry->last_seen < cfg.hz)
		return;

	peer = ct_peer(t, entry);
	entry->last_seen = now;
	if (peer)
		peer->last_seen = now;
	if (first_reply) {
		entry->flags |= LB_CT_REPLIED;
		if (!tcp)
			entry->state = LB_CT_ESTABLISHED;
		if (peer) {
			peer->flags |= LB_CT_REPLIED;
			if (!tcp)
				peer->state = LB_CT_ESTABLISHED;
		}
	}
	was = entry->state;
	if (settled || alive) {
		entry->state = LB_CT_ESTABLISHED;
		entry->flags &= ~LB_CT_RESET;
		if (peer) {
			peer->state = LB_CT_ESTABLISHED;
			peer->flags &= ~LB_CT_RESET;
		}
	}
	if (fin)
		entry->flags |= LB_CT_FIN;
	if (rst && entry->state == LB_CT_ESTABLISHED) {
		entry->flags |= LB_CT_RESET;
		if (peer)
			peer->flags |= LB_CT_RESET;
	}
	if (rst || (fin && peer && (peer->flags & LB_CT_FIN))) {
		entry->state = LB_CT_CLOSING;
		if (peer)
			peer->state = LB_CT_CLOSING;
	}
	if (was != LB_CT_CLOSING && entry->state == LB_CT_CLOSING)
		load_closed(entry->service, entry->generation);
	else if (was == LB_CT_CLOSING && entry->state != LB_CT_CLOSING)
		load_opened(entry->service, entry->generation);
}

#endif
