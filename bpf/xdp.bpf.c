// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* The xdp shell, on uplinks: what comes from outside and goes on to another node leaves by the device it came in on
 * before the kernel makes a packet of it.
 *
 * Everything else passes, untouched, and the tc shell decides again: the entries this program made are the ones tc
 * finds. A frame is either changed and sent, or neither. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include "arrival.h"
#include "config.h"
#include "fib.h"
#include "maps.h"
#include "metrics.h"
#include "parse.h"
#include "xlate_xdp.h"

static __always_inline __u64 frame_len(struct xdp_md *ctx)
{
	return cfg.xdp_frags ? bpf_xdp_get_buff_len(ctx) : ctx->data_end - ctx->data;
}

static __always_inline bool is_for(const struct ethhdr *eth, const struct lb_device *device)
{
	return !__builtin_memcmp(eth->h_dest, device->mac, ETH_ALEN);
}

/* Neither options nor extension headers, nor a first fragment: every offset is known. */
static __always_inline bool is_plain(const struct lb_packet *p)
{
	return p->l4 - p->l3 == (p->family == 4 ? sizeof(struct iphdr) : sizeof(struct ipv6hdr)) && !is_first_piece(p);
}

/* What is worth a look: whole TCP and UDP packets for this station, without options, that may be forwarded. */
static __always_inline bool load_frame(struct xdp_md *ctx, const struct lb_device *device, struct lb_packet *p)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct ethhdr *eth = data;

	if ((void *)(eth + 1) > end || !is_for(eth, device))
		return false;
	if (!parse(data, end, ETH_HLEN, eth->h_proto, p) || p->l4_kind != LB_L4_PORTS || !is_plain(p) || p->ttl <= 1)
		return false;
	p->route_len = p->ip_len;
	return p->ip_len >= p->l4_end - p->l3 && p->l3 + p->ip_len <= frame_len(ctx);
}

/* Out of the device it came in on, to a neighbour that is known. */
static __always_inline bool send(struct xdp_md *ctx, const struct lb_packet *p, const struct lb_rewrite *rw)
{
	struct lb_route route = {};

	if (rw->way != LB_WAY_ROUTE ||
	    find_route(ctx, p, ctx->ingress_ifindex, &rw->src, &rw->dst, 0, &route) != LB_PASS)
		return false;
	if (!route.resolved || route.ifindex != ctx->ingress_ifindex)
		return false;
	return rewrite_frame((void *)(long)ctx->data, (void *)(long)ctx->data_end, p, rw, &route);
}

/* To be loaded on demand, because "xdp.frags" would insist on frames of several buffers: the loader says whether. */
SEC("?xdp")
int xdp(struct xdp_md *ctx)
{
	__u32 ifindex = ctx->ingress_ifindex;
	const struct lb_device *device = bpf_map_lookup_elem(&lb_devices, &ifindex);
	struct lb_packet p = {};
	struct lb_rewrite rw = {};
	enum lb_reason why;

	if (!device || side_of(device) != LB_SIDE_OUTSIDE || !load_frame(ctx, device, &p))
		return XDP_PASS;
	why = arrival(ctx, &p, ifindex, LB_SIDE_OUTSIDE, bpf_jiffies64(), &rw);
	if ((why != LB_FORWARD_REMOTE && why != LB_REPLY_SNAT) || !send(ctx, &p, &rw))
		return XDP_PASS;
	count(LB_HOOK_XDP, why, frame_len(ctx));
	return XDP_TX;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
