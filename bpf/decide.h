/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* The policy for packets. Takes a parsed packet, the side it came from, the time and a random number; returns a
 * reason and a rewrite. Never sees the context, so it is the same for every hook. */
#ifndef LB_DECIDE_H
#define LB_DECIDE_H

#include "ct.h"
#include "frontend.h"
#include "metrics.h"
#include "select.h"
#include "snat.h"

enum lb_side {
	LB_SIDE_INSIDE,	 /* a pod */
	LB_SIDE_OUTSIDE, /* another machine */
	LB_SIDE_HOST,	 /* a process of this node */
};

static __always_inline enum lb_side side_of(const struct lb_device *device)
{
	return device->flags & LB_DEVICE_WORKLOAD ? LB_SIDE_INSIDE : LB_SIDE_OUTSIDE;
}

/* How a translated packet goes on. */
enum lb_way {
	LB_WAY_STACK = 0, /* to the stack, which routes it as the CNI wants */
	LB_WAY_ROUTE,	  /* past the stack, to the neighbour the route names */
	LB_WAY_BACK,	  /* out of the device it came in on */
	LB_WAY_HOST,	  /* to a process of this node */
	LB_WAY_TUNNEL,	  /* past the stack as it is, in a header of its own: `src` and `dst` are that one's */
};

struct lb_rewrite {
	struct lb_addr src;
	struct lb_addr dst;
	__be16 sport;
	__be16 dport;
	__u8 way;
	__u16 mtu; /* of the next hop, when the packet is too big for it; 0: not known */
};

static __always_inline enum lb_reason rewrite_forward(const struct lb_ct *entry, struct lb_rewrite *rw)
{
	rw->src = entry->via;
	rw->sport = entry->via_port;
	rw->dst = entry->to;
	rw->dport = entry->to_port;
	if (entry->flags & LB_CT_DSR) {
		rw->way = LB_WAY_TUNNEL;
		return LB_ENCAPSULATED;
	}
	if (!(entry->flags & LB_CT_SNAT)) {
		rw->way = LB_WAY_STACK;
		return LB_FORWARD_LOCAL;
	}
	rw->way = entry->flags & LB_CT_HAIRPIN ? LB_WAY_BACK : LB_WAY_ROUTE;
	return entry->flags & LB_CT_HAIRPIN ? LB_HAIRPIN : LB_FORWARD_REMOTE;
}

/* A reply found under `t`: LB_PASS when it belongs to no flow of ours. */
static __always_inline enum lb_reason reply(const struct lb_packet *p, bool snat, __u64 now, struct lb_rewrite *rw)
{
	struct lb_tuple key = p->tuple;
	struct lb_ct *entry;

	key.direction = LB_DIR_REPLY;
	entry = reply_lookup(snat, &key);
	if (!entry || ct_expired(entry, key.proto, now))
		return LB_PASS;
	if (ct_is_stale_reply(entry, p)) {
		if (!snat)
			ct_forget(&key); /* or else it would take the packets that follow this SYN */
		return LB_PASS;
	}

	rw->src = entry->via;
	rw->sport = entry->via_port;
	rw->dst = entry->to;
	rw->dport = entry->to_port;
	rw->way = LB_WAY_STACK;
	if (snat)
		rw->way = entry->flags & LB_CT_HAIRPIN ? LB_WAY_BACK : LB_WAY_ROUTE;
	if (cfg.host_packets && (entry->flags & LB_CT_HOST))
		rw->way = LB_WAY_HOST;
	ct_advance(entry, &key, p->tcp_flags, now);
	return snat ? LB_REPLY_SNAT : LB_REPLY;
}

/* No frontend for this port: ours only if the address belongs to frontends. */
static __always_inline enum lb_reason unserved(const struct lb_packet *p)
{
	if (!frontend_address(&p->tuple.dst))
		return LB_PASS;
	if (has_impossible_source(&p->tuple))
		return LB_MALFORMED;
	switch (p->l4_kind) {
	case LB_L4_PORTS:
		if (!starts_flow(p))
			return LB_NO_FLOW;
		return LB_PORT_UNSERVED;
	case LB_L4_BROKEN:
		return LB_MALFORMED;
	case LB_L4_ICMP:
		if (p->icmp_type == (p->family == 4 ? LB_ICMP_ECHO : LB_ICMP6_ECHO))
			return LB_ECHO;
		if (p->family == 6 && p->icmp_type >= LB_ICMP6_ND_FIRST && p->icmp_type <= LB_ICMP6_ND_LAST)
			return LB_PASS; /* neighbour discovery is the stack's */
		return LB_PROTO_UNSERVED;
	default:
		return LB_PROTO_UNSERVED;
	}
}

/* What a client's packet to a frontend needs. LB_FORWARD_LOCAL and friends: an entry exists and `rw` is complete.
 * LB_TRANSLATED: a new flow, `pick` is its backend, and track() must follow. */
static __always_inline enum lb_reason forward(const struct lb_packet *p, enum lb_side side, __u64 now, __u32 dice,
					      struct lb_pick *pick, struct lb_rewrite *rw)
{
	struct lb_frontend_key key = {.addr = p->tuple.dst, .port = p->tuple.dport, .proto = p->tuple.proto};
	struct lb_affinity_key client = {
		.client = p->tuple.src,
		.frontend = key.addr,
		.port = key.port,
		.proto = key.proto,
	};
	const struct lb_arrival flow = {
		.tuple = &p->tuple,
		.outside = side == LB_SIDE_OUTSIDE,
		.starts = starts_flow(p),
	};
	const struct lb_frontend *frontend;
	struct lb_ct *entry;
	enum lb_reason why;
	__u32 service;

	if (p->l4_kind != LB_L4_PORTS)
		return unserved(p);
	frontend = frontend_exact(&key);
	if (!frontend || (side != LB_SIDE_HOST && (frontend->flags & LB_FRONTEND_HOST_ONLY)))
		return unserved(p);
	if ((frontend->flags & LB_FRONTEND_TOMBSTONE) && !lb_has_connections(key.proto))
		return unserved(p);

	if (side != LB_SIDE_HOST && has_impossible_source(&p->tuple))
		return LB_MALFORMED;
	entry = ct_lookup(&p->tuple);
	if (entry && ct_is_own(entry) && !ct_expired(entry, key.proto, now))
		return LB_PASS; /* what comes in keeps nothing alive: only what this node sends does */
	if (entry && ct_follows(entry, frontend, p, now)) {
		ct_advance(entry, &p->tuple, p->tcp_flags, now);
		return rewrite_forward(entry, rw);
	}
	if (entry && starts_flow(p)) {
		ct_abandon(entry);
		ct_forget(&p->tuple); /* wherever this one goes, its packets must not follow the last one's */
	}
	if (frontend->flags & LB_FRONTEND_TOMBSTONE)
		return unserved(p);
	if (!starts_flow(p)) {
		if (frontend->flags & LB_FRONTEND_NODE_ADDRESS)
			return LB_PASS; /* a flow of another proxy's conntrack, or of the host itself */
		if (side != LB_SIDE_OUTSIDE || !goes_on(p))
			return LB_NO_FLOW; /* inside the pick mostly is a matter of chance: it cannot be repeated */
	}
	if ((frontend->flags & LB_FRONTEND_RANGES) &&
	    !(side == LB_SIDE_HOST && (frontend->flags & LB_FRONTEND_ADMITS_NODE)) &&
	    !in_source_ranges(frontend->inside, &p->tuple.src))
		return LB_SOURCE_RANGE;

	service = side == LB_SIDE_OUTSIDE ? frontend->outside : frontend->inside;
	why = select_backend(service, &client, &key, &flow, dice, now, pick);
	if (why == LB_NO_BACKEND && !starts_flow(p))
		return LB_NO_FLOW;
	pick->kind = frontend->kind;
	return why == LB_PASS ? LB_TRANSLATED : why;
}

/* Does the backend of a new flow see an address of this node, or does its node get the packets as they are? A pod that
 * reached itself would answer itself; a backend on another node would answer past this one; the answer to a process of
 * the host must be told from those to connections that it made past the frontend. */
static __always_inline __u8 source_flags(const struct lb_packet *p, enum lb_side side, const struct lb_pick *pick)
{
	if (side == LB_SIDE_HOST)
		return LB_CT_SNAT | LB_CT_HOST;
	if (lb_addr_equal(&pick->addr, &p->tuple.src))
		return LB_CT_SNAT | LB_CT_HAIRPIN;
	if (side == LB_SIDE_OUTSIDE && !(pick->flags & LB_BACKEND_LOCAL))
		return pick->dsr ? LB_CT_DSR | LB_CT_REPLIED : LB_CT_SNAT;
	return 0;
}

/* Enters both directions of a new flow. `source`: the address the backend shall see, or its node in the outer header;
 * then the answers pass elsewhere and need no entry. */
static __always_inline enum lb_reason track(const struct lb_packet *p, const struct lb_pick *pick,
					    const struct lb_addr *source, __u8 flags, __u64 now, __u32 dice,
					    struct lb_rewrite *rw)
{
	struct lb_ct entry = {
		.to = p->tuple.src,
		.via = p->tuple.dst,
		.to_port = p->tuple.sport,
		.via_port = p->tuple.dport,
		.state = LB_CT_OPEN,
		.flags = flags,
		.position = pick->position,
		.service = pick->service,
		.generation = pick->generation,
		.last_seen = now,
	};
	struct lb_tuple back = {
		.src = pick->addr,
		.dst = *source,
		.sport = pick->port,
		.dport = p->tuple.sport,
		.proto = p->tuple.proto,
		.direction = LB_DIR_REPLY,
	};

	if (!within_limit(LB_LIMIT_NEW_FLOW, cfg.new_flow_per_sec, now))
		return LB_NEW_FLOW_LIMIT;
	if (flags & LB_CT_DSR) {
		if (!lb_has_connections(p->tuple.proto))
			entry.state = LB_CT_ESTABLISHED;
	} else if (!reserve(&back, &entry, now, dice)) {
		return LB_NO_PORT;
	}

	entry.to = back.src;
	entry.via = back.dst;
	entry.to_port = back.sport;
	entry.via_port = back.dport;
	if (ct_update(&p->tuple, &entry, BPF_ANY))
		return LB_NO_PORT;
	load_opened(pick->service, pick->generation);
	return rewrite_forward(&entry, rw);
}

#endif
