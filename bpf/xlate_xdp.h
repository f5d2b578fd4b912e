/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Carries a rewrite out on a frame: bytes and checksums by hand, the latter incrementally (RFC 1624). */
#ifndef LB_XLATE_XDP_H
#define LB_XLATE_XDP_H

#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <lb/csum.h>
#include "decide.h"
#include "fib.h"

static __always_inline __u64 addresses_change(const struct lb_packet *p, const struct lb_rewrite *rw)
{
	return lb_csum_change_addr(&p->tuple.src, &rw->src) + lb_csum_change_addr(&p->tuple.dst, &rw->dst);
}

static __always_inline __u64 ports_change(const struct lb_packet *p, const struct lb_rewrite *rw)
{
	return lb_csum_change(p->tuple.sport, rw->sport) + lb_csum_change(p->tuple.dport, rw->dport);
}

/* False: cut off, and nothing was written. */
static __always_inline bool rewrite_l4(void *l4, void *end, const struct lb_packet *p, const struct lb_rewrite *rw)
{
	__u64 change = addresses_change(p, rw) + ports_change(p, rw);
	__be16 *ports = l4;

	if (p->tuple.proto == IPPROTO_TCP) {
		struct tcphdr *tcp = l4;

		if ((void *)(tcp + 1) > end)
			return false;
		tcp->check = lb_csum_patch(tcp->check, change);
	} else {
		struct udphdr *udp = l4;

		if ((void *)(udp + 1) > end)
			return false;
		if (udp->check) { /* none is allowed over IPv4; a sum of zero is written in its other form */
			udp->check = lb_csum_patch(udp->check, change);
			if (!udp->check)
				udp->check = 0xffff;
		}
	}
	ports[0] = rw->sport;
	ports[1] = rw->dport;
	return true;
}

/* A frame without options or extension headers, so that every offset is known. False: nothing was written. */
static __always_inline bool rewrite_frame(void *data, void *end, const struct lb_packet *p, const struct lb_rewrite *rw,
					  const struct lb_route *route)
{
	struct ethhdr *eth = data;

	if (p->family == 4) {
		struct iphdr *ip = data + sizeof(*eth);
		__u64 change;

		if (!rewrite_l4(ip + 1, end, p, rw))
			return false;
		/* The hop limit is the high half of its word. */
		change = addresses_change(p, rw) +
			 lb_csum_change(bpf_htons(ip->ttl << 8), bpf_htons((ip->ttl - 1) << 8));
		ip->check = lb_csum_patch(ip->check, change);
		ip->ttl--;
		ip->saddr = rw->src.w32[3];
		ip->daddr = rw->dst.w32[3];
	} else {
		struct ipv6hdr *ip = data + sizeof(*eth);

		if (!rewrite_l4(ip + 1, end, p, rw))
			return false;
		ip->hop_limit--;
		__builtin_memcpy(&ip->saddr, &rw->src, sizeof(rw->src));
		__builtin_memcpy(&ip->daddr, &rw->dst, sizeof(rw->dst));
	}
	__builtin_memcpy(eth->h_dest, route->dmac, ETH_ALEN);
	__builtin_memcpy(eth->h_source, route->smac, ETH_ALEN);
	return true;
}

#endif
