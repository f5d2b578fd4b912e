/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Bytes -> packet: offsets and tuple. A cursor, and one bounds check in one place. */
#ifndef LB_PARSE_H
#define LB_PARSE_H

#include <stdbool.h>
#include <stddef.h>
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include <lb/abi.h>
#include <lb/icmp.h>
#include <lb/protocol.h>

#define LB_IPPROTO_ICMPV6 58
#define LB_IPPROTO_HOPOPTS 0
#define LB_IPPROTO_ROUTING 43
#define LB_IPPROTO_FRAGMENT 44
#define LB_IPPROTO_DSTOPTS 60

#define LB_IP_MF 0x2000
#define LB_IP_OFFSET 0x1fff
#define LB_IP6_MF 0x0001
#define LB_IP6_OFFSET 0xfff8
#define LB_MAX_EXT_HEADERS 6

/* The eight bytes every ICMP and ICMPv6 message begins with. (<linux/icmp.h> drags in the C library.) */
struct icmp_header {
	__u8 type;
	__u8 code;
	__u16 checksum;
	__be32 rest;
};

struct fragment_header {
	__u8 nexthdr;
	__u8 reserved;
	__be16 offset; /* bytes; the low bits are flags */
	__be32 id;
};

#define LB_ICMP_ECHO_REPLY 0
#define LB_ICMP_ECHO 8
#define LB_ICMP6_ECHO 128
#define LB_ICMP6_ECHO_REPLY 129
#define LB_ICMP6_ND_FIRST 133 /* router solicitation ... redirect */
#define LB_ICMP6_ND_LAST 137

/* What stands behind the IP header. */
enum lb_l4 {
	LB_L4_OTHER = 0, /* a protocol without ports that naru knows */
	LB_L4_PORTS,	 /* TCP or UDP, and SCTP once its own header was read (sctp.h); tuple complete */
	LB_L4_ICMP,	 /* ICMP of the packet's own family: icmp_type is set */
	LB_L4_FRAGMENT,	 /* a fragment that does not begin with it */
	LB_L4_BROKEN,	 /* header missing, cut off or contradicting itself */
};

struct lb_packet {
	struct lb_tuple tuple; /* as on the wire, direction LB_DIR_FORWARD */
	__u16 l3;	       /* offset of the IP header; 0: the device has no link layer header */
	__u16 l4;	       /* offset of what follows it and its extension headers */
	__u16 l4_end;	       /* offset behind the last header that was read */
	__u16 ip_len;	       /* total length by the IP header; GSO: of the whole */
	__u16 route_len;       /* what a next hop must take; 0: the device cuts it up first */
	__u8 family;	       /* 4 or 6 */
	__u8 ttl;
	__u8 tos;
	__u8 l4_kind;	/* enum lb_l4 */
	__u8 tcp_flags; /* SCTP: what its first chunk says in them */
	__u8 icmp_type;
	__be16 fragment;   /* IPv4: flags and offset; IPv6: the same word of the fragment header, 0 without one */
	__u16 fragment_at; /* offset of the header that holds it */
};

struct cursor {
	void *pos, *end;
};

static __always_inline void *pull(struct cursor *c, __u64 len)
{
	void *hdr = c->pos;

	if (hdr + len > c->end)
		return NULL;
	c->pos = hdr + len;
	return hdr;
}

static __always_inline void lb_addr_v4(struct lb_addr *a, __be32 v4)
{
	a->w64[0] = 0;
	a->w32[2] = bpf_htonl(0xffff);
	a->w32[3] = v4;
}

static __always_inline bool lb_addr_equal(const struct lb_addr *a, const struct lb_addr *b)
{
	return a->w64[0] == b->w64[0] && a->w64[1] == b->w64[1];
}

static __always_inline bool lb_addr_is_zero(const struct lb_addr *a)
{
	return !a->w64[0] && !a->w64[1];
}

static __always_inline bool lb_addr_is_v4(const struct lb_addr *a)
{
	return !a->w64[0] && a->w32[2] == bpf_htonl(0xffff);
}

/* 127/8 and ::1. */
static __always_inline bool lb_addr_is_loopback(const struct lb_addr *a)
{
	if (lb_addr_is_v4(a))
		return a->bytes[12] == 127;
	return !a->w64[0] && !a->w32[2] && a->w32[3] == bpf_htonl(1);
}

/* Nobody can be answered there: this host, loopback, broadcast, multicast (RFC 1122 3.2.1.3), or the very address
 * that was dialled, which would go round for ever. */
static __always_inline bool has_impossible_source(const struct lb_tuple *t)
{
	const struct lb_addr *src = &t->src;

	if (lb_addr_equal(src, &t->dst) || lb_addr_is_loopback(src) || lb_addr_is_zero(src))
		return true;
	if (lb_addr_is_v4(src))
		return src->bytes[12] == 0 || src->bytes[12] >= 224;
	return src->bytes[0] == 0xff;
}

static __always_inline void parse_l4(struct cursor *c, struct lb_packet *p)
{
	__u8 proto = p->tuple.proto;

	p->l4_kind = LB_L4_BROKEN;
	if (proto == IPPROTO_TCP) {
		struct tcphdr *tcp = pull(c, sizeof(*tcp));

		if (!tcp || tcp->doff < 5)
			return;
		p->tuple.sport = tcp->source;
		p->tuple.dport = tcp->dest;
		p->tcp_flags = ((__u8 *)tcp)[13];
		p->l4_kind = LB_L4_PORTS;
	} else if (proto == IPPROTO_UDP) {
		struct udphdr *udp = pull(c, sizeof(*udp));

		if (!udp)
			return;
		p->tuple.sport = udp->source;
		p->tuple.dport = udp->dest;
		p->l4_kind = LB_L4_PORTS;
	} else if (proto == (p->family == 4 ? IPPROTO_ICMP : LB_IPPROTO_ICMPV6)) {
		struct icmp_header *icmp = pull(c, sizeof(*icmp));

		if (!icmp)
			return;
		p->icmp_type = icmp->type;
		p->l4_kind = LB_L4_ICMP;
	} else {
		p->l4_kind = LB_L4_OTHER;
	}
}

static __always_inline bool parse_v4(void *data, struct cursor *c, struct lb_packet *p)
{
	struct iphdr *ip = pull(c, sizeof(*ip));

	if (!ip || ip->version != 4 || ip->ihl < 5)
		return false;
	if (!pull(c, ((ip->ihl - 5) & 0xf) * 4)) /* the mask is for the verifier */
		return false;
	p->family = 4;
	p->l3 = (void *)ip - data;
	p->l4 = p->l3 + ip->ihl * 4;
	p->ip_len = bpf_ntohs(ip->tot_len);
	p->ttl = ip->ttl;
	p->tos = ip->tos;
	p->tuple.proto = ip->protocol;
	lb_addr_v4(&p->tuple.src, ip->saddr);
	lb_addr_v4(&p->tuple.dst, ip->daddr);
	p->fragment = ip->frag_off;
	p->fragment_at = p->l3;
	if (ip->frag_off & bpf_htons(LB_IP_OFFSET))
		p->l4_kind = LB_L4_FRAGMENT;
	else
		parse_l4(c, p);
	p->l4_end = c->pos - data;
	return true;
}

/* A bounded walk; what it cannot see through counts as a protocol without ports. It ends at a fragment header: behind
 * it stands the transport, or in a later fragment data. Mapped addresses mean IPv4 in every table and have no business
 * in an IPv6 header. */
static __always_inline bool parse_v6(void *data, struct cursor *c, struct lb_packet *p)
{
	struct ipv6hdr *ip = pull(c, sizeof(*ip));
	__u8 next;

	if (!ip || ip->version != 6)
		return false;
	p->family = 6;
	p->l3 = (void *)ip - data;
	p->ip_len = bpf_ntohs(ip->payload_len) + sizeof(*ip);
	p->ttl = ip->hop_limit;
	p->tos = bpf_ntohs(*(__be16 *)ip) >> 4;
	__builtin_memcpy(&p->tuple.src, &ip->saddr, 16);
	__builtin_memcpy(&p->tuple.dst, &ip->daddr, 16);
	if (lb_addr_is_v4(&p->tuple.src) || lb_addr_is_v4(&p->tuple.dst))
		return false;

	next = ip->nexthdr;
	for (int i = 0; i < LB_MAX_EXT_HEADERS; i++) {
		struct ipv6_opt_hdr *opt;

		if (next != LB_IPPROTO_HOPOPTS && next != LB_IPPROTO_DSTOPTS && next != LB_IPPROTO_ROUTING &&
		    next != LB_IPPROTO_FRAGMENT)
			break;
		opt = pull(c, 8);
		if (!opt)
			break;
		if (next == LB_IPPROTO_FRAGMENT) {
			p->fragment = ((struct fragment_header *)opt)->offset;
			p->fragment_at = (void *)opt - data;
			next = opt->nexthdr;
			break;
		} else if (opt->hdrlen && !pull(c, opt->hdrlen * 8))
			break;
		next = opt->nexthdr;
	}
	p->l4 = c->pos - data;
	p->tuple.proto = next;
	if (p->fragment & bpf_htons(LB_IP6_OFFSET))
		p->l4_kind = LB_L4_FRAGMENT;
	else
		parse_l4(c, p);
	p->l4_end = c->pos - data;
	return true;
}

/* `l3`: where the IP header begins. False: not IP, or an IP header the stack will refuse anyway. */
static __always_inline bool parse(void *data, void *data_end, __u32 l3, __be16 protocol, struct lb_packet *p)
{
	struct cursor c = {.pos = data, .end = data_end};

	barrier_var(l3);
	if (!pull(&c, l3 & 15)) /* the mask is for the verifier */
		return false;
	if (protocol == bpf_htons(ETH_P_IP))
		return parse_v4(data, &c, p);
	if (protocol == bpf_htons(ETH_P_IPV6))
		return parse_v6(data, &c, p);
	return false;
}

static __always_inline bool is_icmp_error(const struct lb_packet *p)
{
	return p->l4_kind == LB_L4_ICMP && lb_icmp_is_error(p->family, p->icmp_type);
}

static __always_inline bool starts_flow(const struct lb_packet *p)
{
	return !lb_has_connections(p->tuple.proto) ||
	       (p->tcp_flags & (LB_TCP_SYN | LB_TCP_ACK | LB_TCP_RST)) == LB_TCP_SYN;
}

/* Of a connection that nothing is known of: is it worth choosing for it again? Not for a RST, nor for what answers
 * nothing. */
static __always_inline bool goes_on(const struct lb_packet *p)
{
	return (p->tcp_flags & (LB_TCP_ACK | LB_TCP_RST)) == LB_TCP_ACK;
}

#endif
