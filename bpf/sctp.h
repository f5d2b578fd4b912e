/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* SCTP at an skb: what its first chunk says, its ports, and its checksum, which covers the whole packet but no address.
 * Addresses that chunks list are left alone: they are true ones, and no frontend's. */
#ifndef LB_BPF_SCTP_H
#define LB_BPF_SCTP_H

#include <lb/crc32c.h>
#include <lb/sctp.h>
#include "decide.h"

/* Whatever only SCTP needs is in functions that the verifier checks by themselves: other packets do not pay for it. */

/* Ports, and above them the flags of the first chunk and a bit that is always set; 0: there is no chunk. A helper finds
 * it where only the common header is linear, as in packets that are to be cut where their parts end. */
__noinline __u64 sctp_says(struct __sk_buff *skb, __u32 at)
{
	struct lb_sctp_header header;

	if (bpf_skb_load_bytes(skb, at, &header, sizeof(header)))
		return 0;
	return 1ULL << 63 | (__u64)lb_sctp_flags(header.chunk) << 32 | (__u32)header.dest << 16 | header.source;
}

static __always_inline void read_sctp(struct __sk_buff *skb, struct lb_packet *p)
{
	__u64 says = sctp_says(skb, p->l4);

	p->l4_kind = says ? LB_L4_PORTS : LB_L4_BROKEN;
	p->l4_end = p->l4 + sizeof(struct lb_sctp_header);
	p->tcp_flags = says >> 32;
	p->tuple.sport = says;
	p->tuple.dport = says >> 16;
}

/* A word of the packet as a number whose lowest byte is the first, and back. */
static __always_inline __u32 first_low(__u32 word)
{
	return __builtin_bswap32(bpf_ntohl(word));
}

/* Does whoever sends the packet from this machine still have to make its checksum (CHECKSUM_PARTIAL)? It is zero until
 * then, as is one in 2^32 finished ones. Only the helper that patches checksums of the Internet kind tells: it leaves
 * an unfinished one alone. */
static __always_inline bool is_unfinished(struct __sk_buff *skb, __u32 at)
{
	__u16 probe = 0, zero = 0;

	if (bpf_l4_csum_replace(skb, at, 0, 1, sizeof(probe)) || bpf_skb_load_bytes(skb, at, &probe, sizeof(probe)))
		return true;
	if (!probe)
		return true;
	bpf_skb_store_bytes(skb, at, &zero, sizeof(zero), 0);
	return false;
}

/* What these ports change in the four bytes they stand in; 0 also where the checksum must not follow. */
__noinline __u32 sctp_change(struct __sk_buff *skb, __u32 at, __u32 ports)
{
	struct {
		__u32 ports, tag, checksum;
	} header;

	if (bpf_skb_load_bytes(skb, at, &header, sizeof(header)) || header.ports == ports)
		return 0;
	if (!header.checksum && is_unfinished(skb, at + offsetof(struct lb_sctp_header, checksum)))
		return 0;
	return first_low(header.ports ^ ports);
}

/* `len`: of the packet from its ports on. */
__noinline __u32 sctp_gain(__u32 change, __u32 len)
{
	return change ? lb_crc32c_gain(change, len) : 0;
}

/* Ports that stay change nothing. */
__noinline int set_sctp_ports(struct __sk_buff *skb, __u32 at, __u32 ports, __u32 gain)
{
	struct {
		__u32 ports, tag, checksum;
	} header;

	if (bpf_skb_load_bytes(skb, at, &header, sizeof(header)))
		return -1;
	if (header.ports == ports)
		return 0;
	header.ports = ports;
	header.checksum ^= first_low(gain);
	return bpf_skb_store_bytes(skb, at, &header, sizeof(header), BPF_F_RECOMPUTE_CSUM);
}

/* None of these functions calls another one: before Linux 6.6 each takes 32 bytes of the 512 that a chain may use. */
static __always_inline long rewrite_sctp(struct __sk_buff *skb, const struct lb_packet *p, const struct lb_rewrite *rw)
{
	__u32 ports = rw->sport | (__u32)rw->dport << 16;
	__u32 change = sctp_change(skb, p->l4, ports);

	return set_sctp_ports(skb, p->l4, ports, sctp_gain(change, p->l3 + p->ip_len - p->l4));
}

#endif
