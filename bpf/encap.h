/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Direct server return, the node that is asked: the packet goes as it is to the node of its backend, in another IP
 * header of the same family (RFC 2003, RFC 2473). That header's destination is the backend, and so the choice. */
#ifndef LB_ENCAP_H
#define LB_ENCAP_H

#include "fib.h"
#include "xlate_tc.h"

#define LB_IPPROTO_IPIP 4
#define LB_IPPROTO_IPV6 41
#define LB_IP_DF 0x4000

static __always_inline __u16 outer_len(__u8 family)
{
	return family == 4 ? sizeof(struct iphdr) : sizeof(struct ipv6hdr);
}

static __always_inline __u8 outer_proto(__u8 family)
{
	return family == 4 ? LB_IPPROTO_IPIP : LB_IPPROTO_IPV6;
}

/* What the inner packet may have where the outer one may have `mtu`; 0: not known. No host need take less than `least`
 * (RFC 791, RFC 8200). */
static __always_inline __u16 inner_mtu(__u8 family, __u16 mtu)
{
	__u16 least = family == 4 ? 68 : 1280;

	if (!mtu)
		return 0;
	return mtu > least + outer_len(family) ? mtu - outer_len(family) : least;
}

/* Traffic class, congestion bits, hop limit and flow label are the inner packet's, whose hop limit `p` still has as it
 * was: this node forwards it. Not to be fragmented, so that this node hears what does not fit, and tells the sender. */
static __always_inline enum lb_reason encapsulate(struct __sk_buff *skb, const struct lb_packet *p,
						  const struct lb_rewrite *rw)
{
	/* Small frames are padded, merged ones may not fit their field of length: what cuts them fills it in. */
	__u32 len = skb->gso_size ? skb->len - p->l3 : p->ip_len, whole = len + outer_len(p->family);
	__u64 flags = BPF_F_ADJ_ROOM_FIXED_GSO;

	if (p->family == 4) {
		struct iphdr ip = {
			.version = 4,
			.ihl = 5,
			.tos = p->tos,
			.tot_len = bpf_htons(whole > 65535 ? 0 : whole),
			.frag_off = bpf_htons(LB_IP_DF),
			.ttl = p->ttl - 1,
			.protocol = LB_IPPROTO_IPIP,
			.saddr = rw->src.w32[3],
			.daddr = rw->dst.w32[3],
		};

		ip.check = (__u16)~lb_csum_fold(bpf_csum_diff(NULL, 0, (__be32 *)&ip, sizeof(ip), 0));
		if (bpf_skb_adjust_room(skb, sizeof(ip), BPF_ADJ_ROOM_MAC, flags | BPF_F_ADJ_ROOM_ENCAP_L3_IPV4) ||
		    bpf_skb_store_bytes(skb, p->l3, &ip, sizeof(ip), BPF_F_RECOMPUTE_CSUM))
			return LB_REWRITE_FAILED;
	} else {
		struct ipv6hdr ip;

		if (bpf_skb_load_bytes(skb, p->l3, &ip, sizeof(__be32)))
			return LB_REWRITE_FAILED;
		ip.payload_len = bpf_htons(len > 65535 ? 0 : len);
		ip.nexthdr = LB_IPPROTO_IPV6;
		ip.hop_limit = p->ttl - 1;
		__builtin_memcpy(&ip.saddr, &rw->src, sizeof(ip.saddr));
		__builtin_memcpy(&ip.daddr, &rw->dst, sizeof(ip.daddr));
		if (bpf_skb_adjust_room(skb, sizeof(ip), BPF_ADJ_ROOM_MAC, flags | BPF_F_ADJ_ROOM_ENCAP_L3_IPV6) ||
		    bpf_skb_store_bytes(skb, p->l3, &ip, sizeof(ip), BPF_F_RECOMPUTE_CSUM))
			return LB_REWRITE_FAILED;
	}
	return LB_PASS;
}

#endif
