/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Devices with and without a link layer header, and the way from one kind to the other. */
#ifndef LB_DEVICE_H
#define LB_DEVICE_H

#include "fib.h"
#include "maps.h"
#include "parse.h"

/* <linux/if_packet.h> */
#define LB_PACKET_HOST 0
#define LB_PACKET_OTHERHOST 3

/* For a node that has devices of both kinds. */
__noinline __u32 l3_offset_of_device(struct __sk_buff *skb)
{
	__u32 ifindex = skb->ifindex;
	const struct lb_device *device = bpf_map_lookup_elem(&lb_devices, &ifindex);

	return device && (device->flags & LB_DEVICE_L3) ? 0 : ETH_HLEN;
}

/* Where the IP header begins. The verifier must not know the result: it would walk the program once for each. */
static __always_inline __u32 l3_offset(struct __sk_buff *skb)
{
	const struct lb_node *node = this_node();
	__u32 offset = node ? ETH_HLEN & (node->l3_devices - 1) : 0;

	barrier_var(offset);
	return offset ? offset : l3_offset_of_device(skb);
}

/* The kernel redirects by neighbour only what has an Ethernet header, whatever the target device has. */
static __always_inline long ensure_mac_header(struct __sk_buff *skb, const struct lb_packet *p)
{
	return p->l3 ? 0 : bpf_skb_change_head(skb, ETH_HLEN, 0);
}

#endif
