/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Answers made in place from the sender's own packet: TCP RST (RFC 9293 3.10.7.1), ICMP errors (RFC 792, RFC 4443) and
 * echo replies. They leave by the device the packet came in on. */
#ifndef LB_REJECT_H
#define LB_REJECT_H

#include "fib.h"
#include "icmp_error.h"
#include "metrics.h"
#include "xlate_tc.h"

#define LB_ANSWER_TTL 64
/* Bytes of a packet that an error quotes: IP and transport headers, or most of them. A power of two. */
#define LB_QUOTE_MAX 128
/* What every host takes, where the kernel does not say what the next hop takes (RFC 791, RFC 8200). */
#define LB_IP4_MTU_MIN 576
#define LB_IP6_MTU_MIN 1280

/* Sum of the pseudo header: both addresses, length, protocol. The mapped prefix of IPv4 addresses would count. */
static __always_inline __s64 pseudo_sum(const struct lb_packet *p, __u16 len, __u8 proto)
{
	__be32 tail = bpf_htonl(((__u32)proto << 16) + len);

	if (p->family == 4) {
		__be32 words[3] = {p->tuple.src.w32[3], p->tuple.dst.w32[3], bpf_htonl(((__u32)proto << 16) | len)};

		return bpf_csum_diff(NULL, 0, words, sizeof(words), 0);
	}
	tail = bpf_htonl((__u32)proto + len);
	return bpf_csum_diff(NULL, 0, &tail, sizeof(tail), bpf_csum_diff(NULL, 0, (__be32 *)&p->tuple.src, 32, 0));
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

		ip.check = (__u16)~lb_csum_fold(bpf_csum_diff(NULL, 0, (__be32 *)&ip, sizeof(ip), 0));
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
	rst.check = (__u16)~lb_csum_fold(
		bpf_csum_diff(NULL, 0, (__be32 *)&rst, sizeof(rst), pseudo_sum(p, sizeof(rst), IPPROTO_TCP)));
	if (bpf_skb_change_tail(skb, at + sizeof(rst), 0) || store_ip(skb, p, sizeof(rst), IPPROTO_TCP))
		return -1;
	return bpf_skb_store_bytes(skb, at, &rst, sizeof(rst), 0);
}

/* The sum of the quote as it will leave. A merged packet's transport checksum is finished by whoever sends it, over
 * what then stands behind the transport header: with the unfinished one, both come to the complement of what is there
 * now. (SCTP has none of this kind, and no device that its merged packets come from finishes it.) */
static __always_inline long quote_sum(struct __sk_buff *skb, const struct lb_packet *p, __u32 len, __s64 *sum)
{
	__u32 check = p->l4 + lb_l4_check_offset(p->tuple.proto);
	__u8 quote[LB_QUOTE_MAX] = {};
	__u16 unfinished = 0xffff;

	if (skb->gso_size && p->tuple.proto != IPPROTO_SCTP) {
		if (check + sizeof(unfinished) > p->l3 + len ||
		    bpf_skb_load_bytes(skb, check, &unfinished, sizeof(unfinished)))
			return -1;
		len = p->l4 - p->l3;
	}
	if (!len || len > sizeof(quote))
		return -1;
	/* The same again for verifiers: a compiler may test another register than it hands over. */
	asm volatile("" : "+r"(len));
	len = ((len - 1) & (LB_QUOTE_MAX - 1)) + 1;
	if (bpf_skb_load_bytes(skb, p->l3, quote, len))
		return -1;
	*sum = bpf_csum_diff(NULL, 0, (__be32 *)quote, sizeof(quote), (__u16)~unfinished);
	return 0;
}

/* Puts an error in front of the packet it is about, which is cut to what is quoted. `p` then has the addresses of the
 * answer exchanged: source `from`, destination the sender. */
static __always_inline long build_error(struct __sk_buff *skb, struct lb_packet *p, struct icmp_header *error,
					const struct lb_addr *from)
{
	__u8 proto = p->family == 4 ? IPPROTO_ICMP : LB_IPPROTO_ICMPV6;
	__u32 quoted = skb->len - p->l3, header = ip_header_len(p), len;
	__s64 sum;

	if (!skb->gso_size && p->ip_len < quoted)
		quoted = p->ip_len;
	if (quoted > LB_QUOTE_MAX)
		quoted = LB_QUOTE_MAX;
	if (p->l4 + LB_QUOTED_L4 > p->l3 + quoted || quote_sum(skb, p, quoted, &sum))
		return -1;

	len = sizeof(*error) + quoted;
	p->tuple.dst = *from;
	sum = bpf_csum_diff(NULL, 0, (__be32 *)error, sizeof(*error), sum);
	if (p->family == 6)
		sum += pseudo_sum(p, len, proto);
	error->checksum = (__u16)~lb_csum_fold(sum);
	if (bpf_skb_change_tail(skb, p->l3 + quoted, 0) ||
	    bpf_skb_adjust_room(skb, header + sizeof(*error), BPF_ADJ_ROOM_MAC, 0) || store_ip(skb, p, len, proto))
		return -1;
	return bpf_skb_store_bytes(skb, p->l3 + header, error, sizeof(*error), 0);
}

/* Who says that a packet comes no further: this node, by the address of the device it came in on. */
static __always_inline void own_address(struct __sk_buff *skb, const struct lb_packet *p, struct lb_addr *from)
{
	__u32 ifindex = skb->ifindex;
	const struct lb_device *device = bpf_map_lookup_elem(&lb_devices, &ifindex);
	const struct lb_node *node = this_node();

	if (device)
		*from = p->family == 4 ? device->addr4 : device->addr6;
	if (node && lb_addr_is_zero(from))
		*from = p->family == 4 ? node->primary4 : node->primary6;
	if (lb_addr_is_zero(from))
		*from = p->tuple.dst;
}

/* The sender learns the size even where it allows routers to fragment: this node does not, and a sender that knows will
 * do it itself. */
static __always_inline void describe(const struct lb_packet *p, enum lb_reason why, __u16 mtu,
				     struct icmp_header *error)
{
	bool v4 = p->family == 4;

	if (why == LB_TOO_BIG) {
		error->type = v4 ? LB_ICMP_UNREACHABLE : LB_ICMP6_TOO_BIG;
		error->code = v4 ? LB_ICMP_FRAG_NEEDED : 0;
		error->rest = bpf_htonl(mtu ? mtu : v4 ? LB_IP4_MTU_MIN : LB_IP6_MTU_MIN);
	} else if (why == LB_TTL_EXCEEDED) {
		error->type = v4 ? LB_ICMP_TIME_EXCEEDED : LB_ICMP6_TIME_EXCEEDED;
	} else {
		error->type = v4 ? LB_ICMP_UNREACHABLE : LB_ICMP6_UNREACHABLE;
		error->code = v4 ? LB_ICMP_PORT_UNREACHABLE : LB_ICMP6_PORT_UNREACHABLE;
	}
}

/* Tells the sender; LB_REJECT_LIMIT or LB_REWRITE_FAILED: drop it silently, because of the limit or because it cannot
 * be answered. */
static __always_inline enum lb_reason reject(struct __sk_buff *skb, struct lb_packet *p, enum lb_reason why, __u16 mtu,
					     __u64 now)
{
	bool on_the_way = why == LB_TOO_BIG || why == LB_TTL_EXCEEDED;
	struct lb_addr from = p->tuple.dst;
	struct icmp_header error = {};
	long err;

	/* A flood that is rejected must not take from others what nobody else tells them: the size. */
	if (why != LB_TOO_BIG && !within_limit(LB_LIMIT_REJECT, cfg.reject_per_sec, now))
		return LB_REJECT_LIMIT;
	if (p->tuple.proto == IPPROTO_TCP && !on_the_way) {
		err = build_rst(skb, p);
	} else {
		if (on_the_way) {
			from = (struct lb_addr){};
			own_address(skb, p, &from);
		}
		describe(p, why, mtu, &error);
		err = build_error(skb, p, &error, &from);
	}
	return err || turn_round(skb, p) ? LB_REWRITE_FAILED : why;
}

static __always_inline enum lb_reason answer_echo(struct __sk_buff *skb, const struct lb_packet *p)
{
	__u8 type = p->family == 4 ? LB_ICMP_ECHO_REPLY : LB_ICMP6_ECHO_REPLY;
	__be16 old_word = bpf_htons(p->icmp_type << 8), new_word = bpf_htons(type << 8);
	struct lb_rewrite rw = {.src = p->tuple.dst, .dst = p->tuple.src};

	/* Exchanging the addresses changes neither the header sum nor the pseudo header's. */
	if (p->l4_kind == LB_L4_ICMP && (bpf_l4_csum_replace(skb, p->l4 + offsetof(struct icmp_header, checksum),
							     old_word, new_word, sizeof(__u16)) ||
					 bpf_skb_store_bytes(skb, p->l4, &type, sizeof(type), 0)))
		return LB_REWRITE_FAILED; /* a later fragment of an echo request has no type */
	if (store_addresses(skb, p, &rw) || set_ttl(skb, p, LB_ANSWER_TTL) != LB_PASS || turn_round(skb, p))
		return LB_REWRITE_FAILED;
	return LB_ECHO;
}

#endif
