/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Answers made in place from the client's own packet: TCP RST (RFC 9293 3.10.7.1), ICMP port unreachable
 * (RFC 792, RFC 4443 3.1) and echo replies. They leave by the device the packet came in on. */
#ifndef LB_REJECT_H
#define LB_REJECT_H

#include "metrics.h"
#include "xlate_tc.h"

#define LB_ANSWER_TTL 64
#define LB_QUOTED_L4 8

static __always_inline __u16 csum_fold(__u64 sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return ~(__u16)sum;
}

/* Sum of the pseudo header: both addresses, length, protocol. The mapped prefix of IPv4 addresses would count. */
static __always_inline __s64 pseudo_sum(const struct lb_packet *p, __u16 len, __u8 proto)
{
	__be32 tail = bpf_htonl(((__u32)proto << 16) + len);

	if (p->family == 4) {
		__be32 words[3] = {p->tuple.src.w32[3], p->tuple.dst.w32[3],
				   bpf_htonl(((__u32)proto << 16) | len)};

		return bpf_csum_diff(NULL, 0, words, sizeof(words), 0);
	}
	tail = bpf_htonl((__u32)proto + len);
	return bpf_csum_diff(NULL, 0, &tail, sizeof(tail),
			     bpf_csum_diff(NULL, 0, (__be32 *)&p->tuple.src, 32, 0));
}

/* Source and destination change places; everything else of the header is new. */
static __always_inline long store_ip(struct __sk_buff *skb, const struct lb_packet *p, __u16 payload, __u8 proto)
{
	if (p->family == 4) {
		struct iphdr ip = {
			.version = 4,
			.ihl = 5,
			.tot_len = bpf_htons(sizeof(ip) + payload),
			.frag_off = bpf_htons(0x4000),
			.ttl = LB_ANSWER_TTL,
			.protocol = proto,
			.saddr = p->tuple.dst.w32[3],
			.daddr = p->tuple.src.w32[3],
		};

		ip.check = csum_fold(bpf_csum_diff(NULL, 0, (__be32 *)&ip, sizeof(ip), 0));
		return bpf_skb_store_bytes(skb, p->l3, &ip, sizeof(ip), 0);
	} else {
		struct ipv6hdr ip = {
			.version = 6,
			.payload_len = bpf_htons(payload),
			.nexthdr = proto,
			.hop_limit = LB_ANSWER_TTL,
		};

		__builtin_memcpy(&ip.saddr, &p->tuple.dst, 16);
		__builtin_memcpy(&ip.daddr, &p->tuple.src, 16);
		return bpf_skb_store_bytes(skb, p->l3, &ip, sizeof(ip), 0);
	}
}

static __always_inline __u32 ip_header_len(const struct lb_packet *p)
{
	return p->family == 4 ? sizeof(struct iphdr) : sizeof(struct ipv6hdr);
}

static __always_inline long build_rst(struct __sk_buff *skb, const struct lb_packet *p)
{
	struct tcphdr tcp, rst = {};
	__u32 at = p->l3 + ip_header_len(p);

	if (bpf_skb_load_bytes(skb, p->l4, &tcp, sizeof(tcp)))
		return -1;
	rst.source = tcp.dest;
	rst.dest = tcp.source;
	rst.ack_seq = bpf_htonl(bpf_ntohl(tcp.seq) + 1);
	rst.doff = sizeof(rst) / 4;
	rst.rst = 1;
	rst.ack = 1;
	rst.check = csum_fold(bpf_csum_diff(NULL, 0, (__be32 *)&rst, sizeof(rst),
					    pseudo_sum(p, sizeof(rst), IPPROTO_TCP)));
	if (bpf_skb_change_tail(skb, at + sizeof(rst), 0) || store_ip(skb, p, sizeof(rst), IPPROTO_TCP))
		return -1;
	return bpf_skb_store_bytes(skb, at, &rst, sizeof(rst), 0);
}

/* Quotes the IP header and the first eight bytes behind it, which is what RFC 792 asks for and enough for every
 * receiver to find its socket. */
static __always_inline long build_unreachable(struct __sk_buff *skb, const struct lb_packet *p)
{
	struct {
		struct icmp_header icmp;
		__u8 quote[sizeof(struct ipv6hdr) + LB_QUOTED_L4];
	} msg = {};
	__u32 quoted = ip_header_len(p) + LB_QUOTED_L4, len = sizeof(msg.icmp) + quoted;
	__u32 at = p->l3 + ip_header_len(p);
	__u8 proto = p->family == 4 ? IPPROTO_ICMP : LB_IPPROTO_ICMPV6;
	__s64 sum;

	if (!p->plain)
		return -1;
	if (p->family == 4) {
		msg.icmp.type = LB_ICMP_UNREACHABLE;
		msg.icmp.code = LB_ICMP_PORT_UNREACHABLE;
		if (bpf_skb_load_bytes(skb, p->l3, msg.quote, sizeof(struct iphdr) + LB_QUOTED_L4))
			return -1;
		sum = bpf_csum_diff(NULL, 0, (__be32 *)&msg, sizeof(msg.icmp) + sizeof(struct iphdr) + LB_QUOTED_L4, 0);
	} else {
		msg.icmp.type = LB_ICMP6_UNREACHABLE;
		msg.icmp.code = LB_ICMP6_PORT_UNREACHABLE;
		if (bpf_skb_load_bytes(skb, p->l3, msg.quote, sizeof(msg.quote)))
			return -1;
		sum = bpf_csum_diff(NULL, 0, (__be32 *)&msg, sizeof(msg), pseudo_sum(p, len, proto));
	}
	msg.icmp.checksum = csum_fold(sum);
	if (bpf_skb_change_tail(skb, at + len, 0) || store_ip(skb, p, len, proto))
		return -1;
	if (p->family == 4)
		return bpf_skb_store_bytes(skb, at, &msg, sizeof(msg.icmp) + sizeof(struct iphdr) + LB_QUOTED_L4, 0);
	return bpf_skb_store_bytes(skb, at, &msg, sizeof(msg), 0);
}

/* False: drop it silently, because of the limit or because it cannot be answered. */
static __always_inline enum lb_reason reject(struct __sk_buff *skb, const struct lb_packet *p, enum lb_reason why,
					     __u64 now)
{
	long err;

	if (!within_limit(LB_LIMIT_REJECT, cfg.reject_per_sec, now))
		return LB_REJECT_LIMIT;
	err = p->tuple.proto == IPPROTO_TCP ? build_rst(skb, p) : build_unreachable(skb, p);
	return err || turn_round(skb) ? LB_REWRITE_FAILED : why;
}

static __always_inline enum lb_reason answer_echo(struct __sk_buff *skb, const struct lb_packet *p)
{
	__u8 type = p->family == 4 ? LB_ICMP_ECHO_REPLY : LB_ICMP6_ECHO_REPLY;
	__be16 old_word = bpf_htons(p->icmp_type << 8), new_word = bpf_htons(type << 8);
	struct lb_rewrite rw = {.src = p->tuple.dst, .dst = p->tuple.src};

	/* Exchanging the addresses changes neither the header sum nor the pseudo header's. */
	if (p->l4_kind == LB_L4_ICMP &&
	    (bpf_l4_csum_replace(skb, p->l4 + offsetof(struct icmp_header, checksum), old_word, new_word, sizeof(__u16)) ||
	     bpf_skb_store_bytes(skb, p->l4, &type, sizeof(type), 0)))
		return LB_REWRITE_FAILED; /* a later fragment of an echo request has no type */
	if (store_addresses(skb, p, &rw) || set_ttl(skb, p, LB_ANSWER_TTL) != LB_PASS || turn_round(skb))
		return LB_REWRITE_FAILED;
	return LB_ECHO;
}

#endif
