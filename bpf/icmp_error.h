/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* ICMP errors about translated flows (RFC 792, RFC 4443, RFC 5508): whose they are, found from the packet they quote,
 * and the quote as the receiver knows it. */
#ifndef LB_ICMP_ERROR_H
#define LB_ICMP_ERROR_H

#include <lb/icmp.h>
#include "host.h"
#include "xlate_tc.h"

/* What every error quotes of the transport header (RFC 792). */
#define LB_QUOTED_L4 8
#define LB_ICMP_CSUM 2

/* A quoted packet: as quoted, and where it lies in the frame. */
struct lb_quote {
	struct lb_tuple tuple;
	struct lb_quote_sums sums;
	__u16 l3;
	__u16 l4;
	__u16 end; /* of the message */
};

/* Which flows an error can be about. What a process of this node sends may be both. */
#define LB_SEEN_IN (1 << 0)
#define LB_SEEN_OUT (1 << 1)
#define LB_SEEN_BOTH (LB_SEEN_IN | LB_SEEN_OUT)

/* An error to rewrite: the names that its quote shall have. */
struct lb_related {
	struct lb_quote quote;
	struct lb_tuple names;
};

static __always_inline enum lb_reason quoted_v4(struct __sk_buff *skb, struct lb_quote *q)
{
	struct iphdr ip;

	if (q->l3 + sizeof(ip) > q->end || bpf_skb_load_bytes(skb, q->l3, &ip, sizeof(ip)) || ip.version != 4 ||
	    ip.ihl < 5)
		return LB_MALFORMED;
	q->l4 = q->l3 + ip.ihl * 4;
	q->sums.ip = ip.check;
	q->tuple.proto = ip.protocol;
	lb_addr_v4(&q->tuple.src, ip.saddr);
	lb_addr_v4(&q->tuple.dst, ip.daddr);
	return ip.frag_off & bpf_htons(LB_IP_OFFSET) ? LB_NO_FLOW : LB_PASS;
}

static __always_inline enum lb_reason quoted_v6(struct __sk_buff *skb, struct lb_quote *q)
{
	struct ipv6hdr ip;
	__u32 at = q->l3 + sizeof(ip);
	__u8 next;

	if (at > q->end || bpf_skb_load_bytes(skb, q->l3, &ip, sizeof(ip)) || ip.version != 6)
		return LB_MALFORMED;
	__builtin_memcpy(&q->tuple.src, &ip.saddr, 16);
	__builtin_memcpy(&q->tuple.dst, &ip.daddr, 16);
	if (lb_addr_is_v4(&q->tuple.src) || lb_addr_is_v4(&q->tuple.dst))
		return LB_MALFORMED;
	next = ip.nexthdr;
	for (int i = 0; i < LB_MAX_EXT_HEADERS; i++) {
		struct {
			__u8 next, len;
			__be16 offset; /* fragment header only */
		} ext;

		if (next != LB_IPPROTO_HOPOPTS && next != LB_IPPROTO_DSTOPTS && next != LB_IPPROTO_ROUTING &&
		    next != LB_IPPROTO_FRAGMENT)
			break;
		if (at + 8 > q->end || bpf_skb_load_bytes(skb, at, &ext, sizeof(ext)))
			return LB_MALFORMED;
		if (next == LB_IPPROTO_FRAGMENT && (ext.offset & bpf_htons(0xfff8)))
			return LB_NO_FLOW;
		at += next == LB_IPPROTO_FRAGMENT ? 8 : (ext.len + 1) * 8;
		next = ext.next;
	}
	q->l4 = at;
	q->tuple.proto = next;
	return LB_PASS;
}

/* LB_PASS: `q` is complete. LB_NO_FLOW: a packet of no flow that could be ours. */
static __always_inline enum lb_reason read_quote(struct __sk_buff *skb, const struct lb_packet *p, struct lb_quote *q)
{
	__be16 ports[2];
	enum lb_reason why;
	__u32 check;

	q->l3 = p->l4 + sizeof(struct icmp_header);
	q->end = p->l3 + p->ip_len;
	q->sums.family = p->family;
	why = p->family == 4 ? quoted_v4(skb, q) : quoted_v6(skb, q);
	if (why != LB_PASS)
		return why;
	q->sums.proto = q->tuple.proto;
	if (q->tuple.proto != IPPROTO_TCP && q->tuple.proto != IPPROTO_UDP && q->tuple.proto != IPPROTO_SCTP)
		return LB_NO_FLOW;
	if (q->l4 + LB_QUOTED_L4 > q->end || bpf_skb_load_bytes(skb, q->l4, ports, sizeof(ports)))
		return LB_MALFORMED;
	q->tuple.sport = ports[0];
	q->tuple.dport = ports[1];

	check = q->l4 + lb_l4_check_offset(q->tuple.proto);
	q->sums.cut = check + sizeof(__u16) > q->end;
	if (!q->sums.cut && bpf_skb_load_bytes(skb, check, &q->sums.transport, sizeof(__u16)))
		return LB_MALFORMED;
	return LB_PASS;
}

/* The entry that the quoted packet was translated by, under the key of its answers. Ingress sees errors about requests
 * that carry a source of this node and about answers that carry a frontend's; egress sees errors about requests that
 * carry the client's own address. */
static __always_inline const struct lb_ct *quoted_flow(const struct lb_quote *q, __u8 seen, __u64 now,
						       enum lb_reason *why)
{
	struct lb_tuple key = {
		.src = q->tuple.dst,
		.dst = q->tuple.src,
		.sport = q->tuple.dport,
		.dport = q->tuple.sport,
		.proto = q->tuple.proto,
		.direction = LB_DIR_REPLY,
	};
	const struct lb_ct *entry = NULL;

	*why = LB_ICMP_TO_CLIENT;
	if (seen & LB_SEEN_OUT)
		entry = reply_lookup(false, &key);
	if ((seen & LB_SEEN_IN) && (!entry || ct_expired(entry, key.proto, now)))
		entry = reply_lookup(true, &key);
	if ((seen & LB_SEEN_IN) && (!entry || ct_expired(entry, key.proto, now))) {
		*why = LB_ICMP_TO_BACKEND;
		key.direction = LB_DIR_FORWARD;
		entry = ct_lookup(&key);
	}
	return entry && !ct_expired(entry, key.proto, now) && !ct_is_own(entry) ? entry : NULL;
}

/* Not about a flow of ours: `why` at an address that is frontends' alone, anywhere else the stack's. */
static __always_inline enum lb_reason unrelated(const struct lb_packet *p, __u8 seen, enum lb_reason why)
{
	return (seen & LB_SEEN_IN) && frontend_address(&p->tuple.dst) ? why : LB_PASS;
}

/* LB_ICMP_TO_*: `rw` and `error` say what the receiver shall see. Nothing of an error changes its flow: anyone can send
 * one. */
static __always_inline enum lb_reason relate(struct __sk_buff *skb, const struct lb_packet *p, __u8 seen, __u64 now,
					     struct lb_related *error, struct lb_rewrite *rw)
{
	const struct lb_quote *q = &error->quote;
	const struct lb_ct *entry;
	enum lb_reason why;

	why = read_quote(skb, p, &error->quote);
	if (why != LB_PASS)
		return unrelated(p, seen, why);
	if (has_impossible_source(&p->tuple) && seen != LB_SEEN_BOTH)
		return unrelated(p, seen, LB_MALFORMED);
	if (!lb_addr_equal(&p->tuple.dst, &q->tuple.src))
		return unrelated(p, seen, LB_MALFORMED);
	entry = quoted_flow(q, seen, now, &why);
	if (!entry)
		return unrelated(p, seen, LB_NO_FLOW);

	if (entry->flags & LB_CT_DSR) { /* found as a request's: the backend's node knows the rest */
		rw->src = entry->via;
		rw->dst = entry->to;
		rw->way = LB_WAY_TUNNEL;
		return why;
	}
	error->names.src = entry->to;
	error->names.dst = entry->via;
	error->names.sport = entry->to_port;
	error->names.dport = entry->via_port;
	/* The other end of the flow has another name on this side. A router keeps its own, except where packets of the
	 * flow borrow an address of the node too: the network may let through no other (RFC 5508 5). */
	rw->dst = entry->to;
	rw->src = p->tuple.src;
	if ((entry->flags & LB_CT_SNAT) || lb_addr_equal(&p->tuple.src, &q->tuple.dst))
		rw->src = entry->via;
	rw->way = LB_WAY_STACK;
	if (entry->flags & LB_CT_SNAT)
		rw->way = entry->flags & LB_CT_HAIRPIN ? LB_WAY_BACK : LB_WAY_ROUTE;
	if (cfg.host_packets && (entry->flags & LB_CT_HOST) && own_device(&rw->dst))
		rw->way = LB_WAY_HOST;
	return why;
}

/* Header, message and quote in one go. The sum over the whole packet, which a NIC may have taken, stays the same: what
 * the addresses gain the checksums lose. */
static __always_inline enum lb_reason rewrite_error(struct __sk_buff *skb, const struct lb_packet *p,
						    const struct lb_rewrite *rw, const struct lb_related *error)
{
	const struct lb_quote *q = &error->quote;
	__u64 outer = lb_csum_change_addr(&p->tuple.src, &rw->src) + lb_csum_change_addr(&p->tuple.dst, &rw->dst);
	__u32 ports = error->names.sport | (__u32)error->names.dport << 16, check = lb_l4_check_offset(q->sums.proto);
	struct lb_quote_sums sums = q->sums;
	__u64 message = lb_requote(&sums, &q->tuple, &error->names);

	if (p->family == 6)
		message += outer; /* the pseudo header */
	else if (bpf_l3_csum_replace(skb, p->l3 + LB_IP4_CSUM, 0, lb_csum_fold(outer), 0) ||
		 bpf_skb_store_bytes(skb, q->l3 + LB_IP4_CSUM, &sums.ip, sizeof(sums.ip), 0))
		return LB_REWRITE_FAILED;
	if (bpf_l4_csum_replace(skb, p->l4 + LB_ICMP_CSUM, 0, lb_csum_fold(message), 0) ||
	    store_addresses(skb, p, rw) || store_pair(skb, p->family, q->l3, &error->names.src) ||
	    bpf_skb_store_bytes(skb, q->l4, &ports, sizeof(ports), 0))
		return LB_REWRITE_FAILED;
	if (!sums.cut && check && bpf_skb_store_bytes(skb, q->l4 + check, &sums.transport, sizeof(sums.transport), 0))
		return LB_REWRITE_FAILED;
	return LB_PASS;
}

#endif
