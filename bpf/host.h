/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Processes of this node whose sockets are not served: their packets are met at egress, and what is meant for them
 * goes to the host by way of lo.
 *
 * IPv4 refuses what arrives with an address of its own as source, and strict reverse path filtering what arrives by
 * another device than it would leave by, unless the packet brings its route along. bpf_redirect_neigh() finds that
 * route, a local one, by the device that has the address, and sends the packet there. The egress program of that device
 * turns it over to lo, where it is received with its route. IPv6 validates no source, so lo can receive it at once. */
#ifndef LB_HOST_H
#define LB_HOST_H

#include <linux/pkt_cls.h>
#include <lb/reason.h>
#include "device.h"
#include "maps.h"
#include "parse.h"

#define LB_LO 1 /* in every network namespace */
/* In skb->tc_index: on its way to lo. */
#define LB_HOST_MARK 0x6e70

/* `dst`: the packet's destination by now, an address of this node. */
static __always_inline enum lb_reason to_host(struct __sk_buff *skb, const struct lb_packet *p,
					      const struct lb_addr *dst, int *verdict)
{
	struct ethhdr eth = {};
	__u32 ifindex;

	*verdict = TC_ACT_UNSPEC;
	if (skb->ifindex == LB_LO)
		return LB_PASS; /* on its way to the host already, with its route */
	ifindex = own_device(dst);
	if (!ifindex)
		return LB_NO_ROUTE;
	if (p->family == 6)
		eth.h_proto = bpf_htons(ETH_P_IPV6);
	/* Zero to lo means: for this host. And where the NIC summed up the packet, the kernel now adds the sum of this
	 * header, which must not count. */
	if (ensure_mac_header(skb, p) || bpf_skb_store_bytes(skb, 0, &eth, sizeof(eth), 0))
		return LB_REWRITE_FAILED;
	/* A port of a bridge takes what is for the bridge for another station's, and lo leaves that as it finds it. */
	bpf_skb_change_type(skb, LB_PACKET_HOST);
	if (p->family == 4) {
		skb->tc_index = LB_HOST_MARK;
		*verdict = bpf_redirect_neigh(ifindex, NULL, 0, 0);
	} else {
		*verdict = bpf_redirect(LB_LO, BPF_F_INGRESS);
	}
	return LB_PASS;
}

/* At egress: what to_host() sent here, and nobody has to look at again. */
static __always_inline bool is_for_host(struct __sk_buff *skb, int *verdict)
{
	if (skb->tc_index != LB_HOST_MARK)
		return false;
	*verdict = TC_ACT_UNSPEC;
	if (skb->ifindex == LB_LO)
		skb->tc_index = 0;
	else
		*verdict = bpf_redirect(LB_LO, 0);
	return true;
}

/* Not forwarded, and not a frame of a namespace on top of this device (macvlan). */
static __always_inline bool is_from_host(const struct __sk_buff *skb, const struct lb_packet *p)
{
	return !skb->ingress_ifindex && own_device(&p->tuple.src);
}

#endif
