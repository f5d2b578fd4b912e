/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Datagrams in pieces. Only the first one names the ports: what it was given is kept, and the others get the same. */
#ifndef LB_FRAGMENT_H
#define LB_FRAGMENT_H

#include <lb/pieces.h>
#include "decide.h"
#include "fib.h"

/* How often a piece that came before its first one is queued again. Each time it goes behind what this CPU has received
 * by then: enough for pieces of one burst in any order. */
#define LB_WAIT_ROUNDS 4
/* Their count is kept in skb->tc_index while the packet waits; nothing that leaves the programs carries it. */
#define LB_WAIT_MARK 0x6e60
#define LB_WAIT_MASK 0xfff0

/* Which part of its datagram a packet carries. */
struct lb_piece {
	__u16 first;  /* units of eight bytes, as is `behind` */
	__u16 behind; /* rounded up */
	bool last;
	bool possible; /* else no honest sender made it */
};

static __always_inline bool is_first_piece(const struct lb_packet *p)
{
	if (p->family == 4)
		return (p->fragment & bpf_htons(LB_IP_MF | LB_IP_OFFSET)) == bpf_htons(LB_IP_MF);
	return (p->fragment & bpf_htons(LB_IP6_MF | LB_IP6_OFFSET)) == bpf_htons(LB_IP6_MF);
}

static __always_inline struct lb_piece piece_of(const struct lb_packet *p)
{
	__u32 word = bpf_ntohs(p->fragment), offset, len;
	struct lb_piece piece;

	if (p->family == 4) {
		offset = (word & LB_IP_OFFSET) * 8;
		piece.last = !(word & LB_IP_MF);
	} else {
		offset = word & LB_IP6_OFFSET;
		piece.last = !(word & LB_IP6_MF);
	}
	len = (__u32)p->l3 + p->ip_len - p->l4;
	piece.first = offset / 8;
	piece.behind = (offset + len + 7) / 8;
	piece.possible = len && len <= 65535 && offset + len <= 65535 && (piece.last || !(len % 8));
	return piece;
}

/* Where the pieces of one datagram are seen. A pod must not put pieces under the names of others, and a datagram that
 * leaves by two devices is two. From outside they may come in by any uplink. */
static __always_inline __u16 fragment_place(const struct __sk_buff *skb, enum lb_hook hook)
{
	__u32 ifindex = skb->ifindex;
	const struct lb_device *device;

	if (hook == LB_HOOK_TC_EGRESS)
		return ifindex;
	device = bpf_map_lookup_elem(&lb_devices, &ifindex);
	return device && side_of(device) == LB_SIDE_INSIDE ? ifindex : 0;
}

/* The identification is read again: no rewrite changes it. */
static __always_inline bool fragment_key(struct __sk_buff *skb, const struct lb_packet *p, enum lb_hook hook,
					 struct lb_fragment_key *key)
{
	__builtin_memset(key, 0, sizeof(*key));
	key->src = p->tuple.src;
	key->dst = p->tuple.dst;
	key->hook = hook;
	key->place = fragment_place(skb, hook);
	if (p->family == 6)
		return !bpf_skb_load_bytes(skb, p->fragment_at + offsetof(struct fragment_header, id), &key->id,
					   sizeof(__be32));
	key->proto = p->tuple.proto;
	return !bpf_skb_load_bytes(skb, p->l3 + offsetof(struct iphdr, id), &key->id, sizeof(__be16));
}

static __always_inline bool fragment_lives(const struct lb_fragment *f, __u64 now)
{
	return now - f->since < (__u64)LB_FRAGMENT_SEC * cfg.hz;
}

/* Pieces of it go somewhere, or back. */
static __always_inline bool sends_on(enum lb_reason why)
{
	return (why != LB_PASS && why <= LB_REPLY_SNAT) || why == LB_ECHO || why == LB_ENCAPSULATED;
}

/* An address where replies and requests of ours arrive among packets of the host's own. */
static __always_inline bool is_own_address(__u32 ifindex, const struct lb_addr *a)
{
	const struct lb_device *device = bpf_map_lookup_elem(&lb_devices, &ifindex);
	const struct lb_node *node = this_node();

	return (device && (lb_addr_equal(a, &device->addr4) || lb_addr_equal(a, &device->addr6))) ||
	       (node && (lb_addr_equal(a, &node->primary4) || lb_addr_equal(a, &node->primary6)));
}

static __always_inline bool waits(const struct __sk_buff *skb)
{
	return (skb->tc_index & LB_WAIT_MASK) == LB_WAIT_MARK;
}

static __always_inline bool wait_again(struct __sk_buff *skb)
{
	__u32 rounds = skb->tc_index;

	if (rounds && !waits(skb))
		return false; /* somebody else's */
	rounds &= ~LB_WAIT_MASK;
	if (rounds >= LB_WAIT_ROUNDS)
		return false;
	skb->tc_index = LB_WAIT_MARK | (rounds + 1);
	return true;
}

/* A piece whose datagram is not known, coming in. */
static __always_inline enum lb_reason wait_for_first(struct __sk_buff *skb, const struct lb_packet *p)
{
	bool ours = frontend_address(&p->tuple.dst);

	if (ours && has_impossible_source(&p->tuple))
		return LB_MALFORMED;
	if ((ours || is_own_address(skb->ifindex, &p->tuple.dst)) && wait_again(skb))
		return LB_FRAGMENT_WAIT;
	return ours ? LB_FRAGMENT : LB_PASS;
}

/* Sets the rewrite of a piece that is not the first one to its datagram's. */
static __always_inline enum lb_reason later_piece(struct __sk_buff *skb, const struct lb_packet *p, enum lb_hook hook,
						  __u64 now, struct lb_rewrite *rw)
{
	struct lb_piece piece = piece_of(p);
	struct lb_fragment_key key;
	struct lb_fragment *f;

	if (!fragment_key(skb, p, hook, &key))
		return LB_PASS;
	f = bpf_map_lookup_elem(&lb_fragments, &key);
	if (!f || !fragment_lives(f, now))
		return hook == LB_HOOK_TC_INGRESS ? wait_for_first(skb, p) : LB_PASS;
	if (!sends_on(f->reason))
		return f->reason;
	if (!piece.possible)
		return LB_MALFORMED;
	rw->src = f->src;
	rw->dst = f->dst;
	rw->way = f->way;
	switch (lb_take_piece(f, piece.first, piece.behind, piece.last)) {
	case LB_TAKEN_NEW:
		return f->reason;
	case LB_TAKEN_NO_ROOM:
		return LB_FRAGMENT;
	case LB_TAKEN_OVERLAPS:
		f->reason = LB_FRAGMENT_OVERLAP; /* the rest of the datagram shares its fate (RFC 5722) */
		return LB_FRAGMENT_OVERLAP;
	default:
		return LB_FRAGMENT_OVERLAP;
	}
}

/* The checksum of SCTP covers the pieces that are not here: how long they are decides what other ports do to it. */
static __always_inline bool needs_the_rest(const struct lb_packet *p, const struct lb_rewrite *rw)
{
	return p->tuple.proto == IPPROTO_SCTP && (rw->sport != p->tuple.sport || rw->dport != p->tuple.dport);
}

/* Keeps what the first piece was given, for the others. What is not ours is kept only where pieces without their first
 * one would have to wait. Returns the reason, or why the piece may not go. */
static __always_inline enum lb_reason first_piece(struct __sk_buff *skb, const struct lb_packet *p, enum lb_hook hook,
						  enum lb_reason why, __u64 now, const struct lb_rewrite *rw)
{
	struct lb_piece piece = piece_of(p);
	struct lb_fragment fresh = {
		.src = rw->src,
		.dst = rw->dst,
		.since = now,
		.reason = why,
		.way = rw->way,
	};
	struct lb_fragment_key key;
	struct lb_fragment *known;

	if (!sends_on(why) && why != LB_PASS)
		return why;
	if (!fragment_key(skb, p, hook, &key))
		return why;
	known = bpf_map_lookup_elem(&lb_fragments, &key);
	if (why == LB_PASS) {
		if (hook == LB_HOOK_TC_EGRESS || !is_own_address(skb->ifindex, &p->tuple.dst)) {
			if (known)
				bpf_map_delete_elem(&lb_fragments, &key);
			return why;
		}
	} else {
		if (!piece.possible)
			return LB_MALFORMED;
		if (needs_the_rest(p, rw))
			return LB_FRAGMENT;
		if (known && known->head && !known->complete && fragment_lives(known, now)) {
			/* The same again, or another one under its name: then nobody knows whose the rest is. */
			if (known->head != piece.behind || known->way != rw->way ||
			    !lb_addr_equal(&known->src, &rw->src) || !lb_addr_equal(&known->dst, &rw->dst))
				known->reason = LB_FRAGMENT_OVERLAP;
			return LB_FRAGMENT_OVERLAP;
		}
		fresh.head = fresh.ranges[0].behind = piece.behind;
	}
	bpf_map_update_elem(&lb_fragments, &key, &fresh, BPF_ANY);
	return why;
}

#endif
