/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Routes: where a packet that leaves past the stack goes, and which address of this node it then carries. */
#ifndef LB_FIB_H
#define LB_FIB_H

#include <linux/bpf.h>
#include <lb/reason.h>
#include "parse.h"
#include "maps.h"

#ifndef AF_INET
#define AF_INET 2
#endif
#ifndef AF_INET6
#define AF_INET6 10
#endif
/* Linux 6.7; not in the headers of older distributions. */
#define LB_FIB_LOOKUP_SRC (1U << 4)
#define LB_FIB_NO_SRC_ADDR 9

struct lb_route {
	__u32 ifindex;
	struct lb_addr source; /* zero: the route names none */
	__u16 mtu;	       /* when the packet is too big; 0: not known */
	__u8 dmac[ETH_ALEN];   /* valid when resolved, like smac */
	__u8 smac[ETH_ALEN];
	__u8 resolved;
};

static __always_inline const struct lb_node *this_node(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&lb_node, &zero);
}

/* The device of an address of this node; 0: it has no such address. */
static __always_inline __u32 own_device(const struct lb_addr *addr)
{
	const __u32 *ifindex = bpf_map_lookup_elem(&lb_own, addr);

	return ifindex ? *ifindex : 0;
}

/* Route to `dst` as seen from `ifindex`. LB_PASS: found; the neighbour may still be unknown. LB_NO_SOURCE: there is
 * one, but no address for it, which only a lookup with LB_FIB_LOOKUP_SRC asks for. */
static __always_inline enum lb_reason find_route(void *ctx, const struct lb_packet *p, __u32 ifindex,
						 const struct lb_addr *src, const struct lb_addr *dst, __u32 flags,
						 struct lb_route *route)
{
	struct bpf_fib_lookup fib = {.ifindex = ifindex, .l4_protocol = p->tuple.proto};
	long ret;

	fib.tot_len = p->route_len;
	if (p->family == 4) {
		fib.family = AF_INET;
		fib.ipv4_src = src->w32[3];
		fib.ipv4_dst = dst->w32[3];
		fib.tos = p->tos;
	} else {
		fib.family = AF_INET6;
		__builtin_memcpy(fib.ipv6_src, src, 16);
		__builtin_memcpy(fib.ipv6_dst, dst, 16);
	}
	ret = bpf_fib_lookup(ctx, &fib, sizeof(fib), flags);
	if (ret == BPF_FIB_LKUP_RET_FRAG_NEEDED) {
		route->mtu =
			fib.tot_len < p->route_len ? fib.tot_len : 0; /* mtu_result; kernels before 5.12 name none */
		return LB_TOO_BIG;
	}
	if (ret == LB_FIB_NO_SRC_ADDR)
		return LB_NO_SOURCE;
	if (ret != BPF_FIB_LKUP_RET_SUCCESS && ret != BPF_FIB_LKUP_RET_NO_NEIGH)
		return LB_NO_ROUTE;

	route->ifindex = fib.ifindex;
	route->resolved = ret == BPF_FIB_LKUP_RET_SUCCESS;
	__builtin_memcpy(route->dmac, fib.dmac, ETH_ALEN);
	__builtin_memcpy(route->smac, fib.smac, ETH_ALEN);
	if (flags & LB_FIB_LOOKUP_SRC) {
		if (p->family == 4)
			lb_addr_v4(&route->source, fib.ipv4_src);
		else
			__builtin_memcpy(&route->source, fib.ipv6_src, 16);
	}
	return LB_PASS;
}

static __always_inline bool is_link_local(const struct lb_addr *a)
{
	return a->bytes[0] == 0xfe && (a->bytes[1] & 0xc0) == 0x80;
}

/* The address of this node a backend shall see: what the route prefers, else the device's, else the primary. */
static __always_inline enum lb_reason node_source(void *ctx, const struct lb_packet *p, __u32 ifindex,
						  const struct lb_addr *backend, struct lb_addr *source, __u16 *mtu)
{
	const struct lb_addr *from = &p->tuple.src;
	const struct lb_device *device;
	const struct lb_node *node;
	struct lb_route route = {};
	enum lb_reason why;

	/* No route leads anywhere from ::1. A process that dialled it has no source for this yet. */
	if (cfg.host_packets && lb_addr_is_loopback(from)) {
		*source = (struct lb_addr){};
		from = source;
	}
	why = find_route(ctx, p, ifindex, from, backend, cfg.fib_src ? LB_FIB_LOOKUP_SRC : 0, &route);
	if (why == LB_NO_SOURCE)
		why = find_route(ctx, p, ifindex, from, backend, 0, &route);
	*mtu = route.mtu;
	if (why != LB_PASS)
		return why;
	*source = route.source;
	if (cfg.fib_src && (p->family == 4 ? source->w32[3] != 0 : !lb_addr_is_zero(source)) && !is_link_local(source))
		return LB_PASS;

	device = bpf_map_lookup_elem(&lb_devices, &route.ifindex);
	if (device) {
		*source = p->family == 4 ? device->addr4 : device->addr6;
		if (!lb_addr_is_zero(source))
			return LB_PASS;
	}
	node = this_node();
	if (!node)
		return LB_BAD_STATE;
	*source = p->family == 4 ? node->primary4 : node->primary6;
	return lb_addr_is_zero(source) ? LB_NO_SOURCE : LB_PASS;
}

#endif
