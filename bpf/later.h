/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* What the function for common packets leaves to the one for rare packets, in one word: a verdict has nothing in its
 * upper half. The packet is untouched until then, so only what parsing found out travels along. */
#ifndef LB_LATER_H
#define LB_LATER_H

#include <lb/reason.h>
#include "parse.h"

/* An ICMP error: whom it concerns is found out later. */
#define LB_RELATED LB_ICMP_TO_CLIENT
/* A piece of a datagram, not the first one. */
#define LB_PIECE LB_FRAGMENT_WAIT
/* A packet in another IP header: whether it is for this node is found out later. */
#define LB_TUNNELLED LB_DECAPSULATED

static __always_inline bool is_for_later(enum lb_reason why)
{
	return why == LB_RELATED || why == LB_NO_BACKEND || why == LB_PORT_UNSERVED || why == LB_BACKEND_GONE ||
	       why == LB_TOO_BIG || why == LB_TTL_EXCEEDED || why == LB_TUNNELLED || why == LB_ENCAPSULATED;
}

static __always_inline __u64 later(const struct lb_packet *p, enum lb_reason why, __u16 mtu)
{
	return (__u64)why << 56 | (__u64)p->tuple.proto << 48 | (__u64)p->l3 << 32 | (__u32)p->l4 << 16 | mtu;
}

static __always_inline bool is_later(__u64 word)
{
	return word >> 56 != 0;
}

static __always_inline enum lb_reason later_reason(__u64 word)
{
	return word >> 56;
}

static __always_inline __u16 later_mtu(__u64 word)
{
	return word & 0xffff;
}

/* The packet as parsed, but for ports. */
static __always_inline bool later_packet(struct __sk_buff *skb, __u64 word, struct lb_packet *p)
{
	p->l3 = word >> 32 & 0xffff;
	p->l4 = word >> 16 & 0xffff;
	p->tuple.proto = word >> 48 & 0xff;
	if (skb->protocol == bpf_htons(ETH_P_IP)) {
		struct iphdr ip;

		if (bpf_skb_load_bytes(skb, p->l3, &ip, sizeof(ip)))
			return false;
		p->family = 4;
		p->ttl = ip.ttl;
		p->tos = ip.tos;
		p->ip_len = bpf_ntohs(ip.tot_len);
		lb_addr_v4(&p->tuple.src, ip.saddr);
		lb_addr_v4(&p->tuple.dst, ip.daddr);
	} else {
		struct ipv6hdr ip;

		if (bpf_skb_load_bytes(skb, p->l3, &ip, sizeof(ip)))
			return false;
		p->family = 6;
		p->ttl = ip.hop_limit;
		p->tos = bpf_ntohs(*(__be16 *)&ip) >> 4;
		p->ip_len = bpf_ntohs(ip.payload_len) + sizeof(ip);
		__builtin_memcpy(&p->tuple.src, &ip.saddr, 16);
		__builtin_memcpy(&p->tuple.dst, &ip.daddr, 16);
	}
	p->route_len = p->ip_len;
	return true;
}

#endif
