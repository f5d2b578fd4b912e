/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Carries a rewrite out on an skb. Checksums by the skb helpers only: a packet made on this machine may carry an
 * unfinished one. One path for both families: the prefix of mapped IPv4 addresses cancels out of every sum. */
#ifndef LB_XLATE_TC_H
#define LB_XLATE_TC_H

#include <linux/errno.h>
#include "decide.h"
#include "sctp.h"

/* Linux 6.16 and some stable kernels: the sum over an IPv6 packet already covers the changed addresses. */
#define LB_F_IPV6 (1ULL << 7)

#define LB_IP4_CSUM 10
#define LB_IP4_TTL 8
#define LB_IP4_SADDR 12
#define LB_IP6_HOPS 7
#define LB_IP6_SADDR 8
#define LB_TCP_CSUM 16
#define LB_UDP_CSUM 6

static __always_inline __u32 l4_csum_offset(const struct lb_packet *p)
{
	return p->l4 + (p->tuple.proto == IPPROTO_TCP ? LB_TCP_CSUM : LB_UDP_CSUM);
}

/* The address change in the transport checksum. On IPv6, where no header checksum cancels it, a sum the NIC took
 * over the whole packet must stay as it is: by the flag where the kernel has it, else by undoing the error. */
static __always_inline long csum_addresses(struct __sk_buff *skb, const struct lb_packet *p, __u64 flags, __s64 diff)
{
	__u32 at = l4_csum_offset(p);
	long err;

	if (p->family == 4)
		return bpf_l4_csum_replace(skb, at, 0, diff, flags | BPF_F_PSEUDO_HDR);
	err = bpf_l4_csum_replace(skb, at, 0, diff, flags | BPF_F_PSEUDO_HDR | LB_F_IPV6);
	if (err != -EINVAL)
		return err;
	err = bpf_l4_csum_replace(skb, at, 0, diff, flags | BPF_F_PSEUDO_HDR);
	bpf_csum_update(skb, diff);
	return err;
}

/* `pair`: source and destination, one behind the other. */
static __always_inline long store_pair(struct __sk_buff *skb, __u8 family, __u32 l3, const struct lb_addr *pair)
{
	if (family == 4) {
		__be32 v4[2] = {pair[0].w32[3], pair[1].w32[3]};

		return bpf_skb_store_bytes(skb, l3 + LB_IP4_SADDR, v4, sizeof(v4), 0);
	}
	return bpf_skb_store_bytes(skb, l3 + LB_IP6_SADDR, pair, 32, 0);
}

static __always_inline long store_addresses(struct __sk_buff *skb, const struct lb_packet *p,
					    const struct lb_rewrite *rw)
{
	return store_pair(skb, p->family, p->l3, &rw->src);
}

/* Ports, and what they and the addresses do to the transport checksum. */
static __always_inline long rewrite_l4(struct __sk_buff *skb, const struct lb_packet *p, const struct lb_rewrite *rw,
				       __s64 diff)
{
	__u64 flags = p->tuple.proto == IPPROTO_UDP ? BPF_F_MARK_MANGLED_0 : 0;
	__u32 old_ports = p->tuple.sport | (__u32)p->tuple.dport << 16, new_ports = rw->sport | (__u32)rw->dport << 16;

	if (csum_addresses(skb, p, flags, diff) ||
	    bpf_l4_csum_replace(skb, l4_csum_offset(p), old_ports, new_ports, flags | sizeof(__u32)))
		return -1;
	return bpf_skb_store_bytes(skb, p->l4, &new_ports, sizeof(new_ports), 0);
}

static __always_inline enum lb_reason rewrite_headers(struct __sk_buff *skb, const struct lb_packet *p,
						      const struct lb_rewrite *rw)
{
	__s64 diff = bpf_csum_diff((__be32 *)&p->tuple.src, 32, (__be32 *)&rw->src, 32, 0);

	if (p->l4_kind != LB_L4_FRAGMENT && p->tuple.proto != IPPROTO_SCTP) {
		if (rewrite_l4(skb, p, rw, diff))
			return LB_REWRITE_FAILED;
	} else {
		if (p->l4_kind != LB_L4_FRAGMENT && rewrite_sctp(skb, p, rw))
			return LB_REWRITE_FAILED;
		if (p->family == 6)
			bpf_csum_update(skb, diff); /* no checksum behind the addresses cancels the change out */
	}
	if (p->family == 4 && bpf_l3_csum_replace(skb, p->l3 + LB_IP4_CSUM, 0, diff, 0))
		return LB_REWRITE_FAILED;
	return store_addresses(skb, p, rw) ? LB_REWRITE_FAILED : LB_PASS;
}

static __always_inline enum lb_reason set_ttl(struct __sk_buff *skb, const struct lb_packet *p, __u8 ttl)
{
	if (p->family == 4) {
		__be16 old_word = bpf_htons(p->ttl << 8), new_word = bpf_htons(ttl << 8);

		if (bpf_l3_csum_replace(skb, p->l3 + LB_IP4_CSUM, old_word, new_word, sizeof(__u16)) ||
		    bpf_skb_store_bytes(skb, p->l3 + LB_IP4_TTL, &ttl, 1, 0))
			return LB_REWRITE_FAILED;
	} else if (bpf_skb_store_bytes(skb, p->l3 + LB_IP6_HOPS, &ttl, 1, 0)) {
		return LB_REWRITE_FAILED;
	}
	return LB_PASS;
}

/* Sends the frame back to the station it came from. */
static __always_inline long turn_round(struct __sk_buff *skb, const struct lb_packet *p)
{
	struct ethhdr eth, turned;

	if (!p->l3)
		return 0;
	if (bpf_skb_load_bytes(skb, 0, &eth, sizeof(eth)))
		return -1;
	__builtin_memcpy(turned.h_dest, eth.h_source, ETH_ALEN);
	__builtin_memcpy(turned.h_source, eth.h_dest, ETH_ALEN);
	return bpf_skb_store_bytes(skb, 0, &turned, 2 * ETH_ALEN, 0);
}

#endif
