// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* The tc programs as they are shipped, run on packets that change from run to run, beside programs that do less on
 * the same packets: nothing, a translation without any lookup, a choice without any memory of flows. */
#include <linux/bpf.h>

int tc_ingress(struct __sk_buff *skb) __attribute__((always_inline));
int tc_egress(struct __sk_buff *skb) __attribute__((always_inline));

#include "../../bpf/tc.bpf.c"
#include "walk.h"

const volatile struct bench_flow fixed; /* dst, dport: the backend of the programs that look nothing up */

/* Writes the next flow into the packet: addresses, ports, flags, and a full hop limit. Checksums stay stale: they are
 * updated by difference, and nobody reads them. */
static __always_inline bool place(struct __sk_buff *skb)
{
	void *data = (void *)(long)skb->data, *end = (void *)(long)skb->data_end;
	struct bench_flow flow;
	struct tcphdr *l4;
	__u8 proto;

	next_flow(&flow);
	if (skb->protocol == bpf_htons(ETH_P_IP)) {
		struct iphdr *ip = data + sizeof(struct ethhdr);

		l4 = (void *)(ip + 1);
		if ((void *)(l4 + 1) > end)
			return false;
		ip->saddr = flow.src.w32[3];
		ip->daddr = flow.dst.w32[3];
		ip->ttl = 64;
		proto = ip->protocol;
	} else {
		struct ipv6hdr *ip = data + sizeof(struct ethhdr);

		l4 = (void *)(ip + 1);
		if ((void *)(l4 + 1) > end)
			return false;
		__builtin_memcpy(&ip->saddr, &flow.src, 16);
		__builtin_memcpy(&ip->daddr, &flow.dst, 16);
		ip->hop_limit = 64;
		proto = ip->nexthdr;
	}
	l4->source = flow.sport;
	l4->dest = flow.dport;
	if (proto == IPPROTO_TCP)
		((__u8 *)l4)[13] = bench.tcp_flags;
	return true;
}

static __always_inline void fixed_rewrite(const struct lb_packet *p, struct lb_rewrite *rw)
{
	rw->src = p->tuple.src;
	rw->sport = p->tuple.sport;
	rw->dst.w64[0] = fixed.dst.w64[0];
	rw->dst.w64[1] = fixed.dst.w64[1];
	rw->dport = fixed.dport;
}

SEC("tc")
int bench_empty(struct __sk_buff *skb)
{
	(void)skb;
	return TC_ACT_UNSPEC;
}

SEC("tc")
int bench_harness(struct __sk_buff *skb)
{
	return place(skb) ? TC_ACT_UNSPEC : TC_ACT_SHOT;
}

/* The limit: whoever translates destinations in tc parses and rewrites, and no more than that happens here. */
SEC("tc")
int bench_fixed(struct __sk_buff *skb)
{
	struct lb_packet p = {};
	struct lb_rewrite rw = {};

	if (!place(skb) || !load_packet(skb, &p))
		return TC_ACT_SHOT;
	fixed_rewrite(&p, &rw);
	return rewrite_headers(skb, &p, &rw) == LB_PASS ? TC_ACT_UNSPEC : TC_ACT_SHOT;
}

/* A frontend, a slot, a rewrite, a counter, and no memory of the flow. */
SEC("tc")
int bench_stateless(struct __sk_buff *skb)
{
	const struct lb_frontend *frontend;
	struct lb_frontend_key key = {};
	struct lb_affinity_key client = {};
	struct lb_packet p = {};
	struct lb_pick pick = {};
	const struct lb_arrival flow = {.tuple = &p.tuple, .outside = true, .starts = true};
	struct lb_rewrite rw = {};
	enum lb_reason why = LB_PASS;
	__u64 now = bpf_jiffies64();

	if (!place(skb) || !load_packet(skb, &p))
		return TC_ACT_SHOT;
	key.addr = p.tuple.dst;
	key.port = p.tuple.dport;
	key.proto = p.tuple.proto;
	frontend = frontend_exact(&key);
	if (frontend)
		why = select_backend(frontend->inside, &client, &key, &flow, 0, now, &pick);
	if (!frontend || why != LB_PASS)
		return TC_ACT_SHOT;
	rw.src = p.tuple.src;
	rw.sport = p.tuple.sport;
	rw.dst = pick.addr;
	rw.dport = pick.port;
	return finish(skb, &p, &rw, LB_FORWARD_LOCAL, LB_HOOK_TC_INGRESS);
}

SEC("tc")
int bench_ingress(struct __sk_buff *skb)
{
	return place(skb) ? tc_ingress(skb) : TC_ACT_SHOT;
}

SEC("tc")
int bench_egress(struct __sk_buff *skb)
{
	return place(skb) ? tc_egress(skb) : TC_ACT_SHOT;
}
