/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* ICMP errors about packets that this node encapsulated (RFC 2003 section 4, RFC 2473 section 8): told to the client
 * as errors of this node about its own packet. That the other end knows no such packets is for this node alone: the
 * flow goes on with an address of this node. */
#ifndef LB_TUNNEL_ERROR_H
#define LB_TUNNEL_ERROR_H

#include "encap.h"
#include "icmp_error.h"
#include "reject.h"

#define LB_ICMP_PROTO_UNREACHABLE 2 /* codes */
#define LB_ICMP6_UNKNOWN_HEADER 1

/* An encapsulated packet as quoted, and the packet inside. */
struct lb_tunnel_quote {
	struct lb_quote outer;
	struct lb_quote inner;
};

/* Is the packet that the error is about one in an IP header of its own? */
static __noinline bool quotes_tunnel(struct __sk_buff *skb, __u32 l4)
{
	bool v4 = skb->protocol == bpf_htons(ETH_P_IP);
	__u32 at = l4 + sizeof(struct icmp_header) +
		   (v4 ? offsetof(struct iphdr, protocol) : offsetof(struct ipv6hdr, nexthdr));
	__u8 proto = 0;

	return !bpf_skb_load_bytes(skb, at, &proto, sizeof(proto)) && proto == outer_proto(v4 ? 4 : 6);
}

static __always_inline bool read_tunnel_quote(struct __sk_buff *skb, const struct lb_packet *p,
					      struct lb_tunnel_quote *q)
{
	__be16 ports[2];

	q->outer.l3 = p->l4 + sizeof(struct icmp_header);
	q->outer.end = q->inner.end = p->l3 + p->ip_len;
	if ((p->family == 4 ? quoted_v4(skb, &q->outer) : quoted_v6(skb, &q->outer)) != LB_PASS)
		return false;
	q->inner.l3 = q->outer.l4;
	if ((p->family == 4 ? quoted_v4(skb, &q->inner) : quoted_v6(skb, &q->inner)) != LB_PASS)
		return false;
	if (q->inner.l4 + LB_QUOTED_L4 > q->inner.end || bpf_skb_load_bytes(skb, q->inner.l4, ports, sizeof(ports)))
		return false;
	q->inner.tuple.sport = ports[0];
	q->inner.tuple.dport = ports[1];
	return true;
}

/* The flow of this node whose packet is quoted. */
static __always_inline struct lb_ct *quoted_tunnel_flow(const struct lb_packet *p, const struct lb_tunnel_quote *q,
							__u64 now)
{
	struct lb_ct *entry = ct_lookup(&q->inner.tuple);

	if (!entry || !(entry->flags & LB_CT_DSR) || ct_expired(entry, q->inner.tuple.proto, now))
		return NULL;
	if (!lb_addr_equal(&entry->to, &q->outer.tuple.dst) || !lb_addr_equal(&entry->via, &q->outer.tuple.src) ||
	    !lb_addr_equal(&p->tuple.dst, &q->outer.tuple.src))
		return NULL;
	return entry;
}

/* Nobody at the backend strips: its node serves the Service otherwise, or runs no naru. */
static __noinline bool is_unheard(struct __sk_buff *skb, __u32 l4)
{
	struct icmp_header said;

	if (bpf_skb_load_bytes(skb, l4, &said, sizeof(said)))
		return false;
	if (skb->protocol == bpf_htons(ETH_P_IP))
		return said.type == LB_ICMP_UNREACHABLE &&
		       (said.code == LB_ICMP_PROTO_UNREACHABLE || said.code == LB_ICMP_PORT_UNREACHABLE);
	return (said.type == LB_ICMP6_PARAMETER_PROBLEM && said.code == LB_ICMP6_UNKNOWN_HEADER) ||
	       (said.type == LB_ICMP6_UNREACHABLE && said.code == LB_ICMP6_PORT_UNREACHABLE);
}

/* A flow that nothing came of yet gets an address of this node, and its next packet goes with that. An established one
 * was heard before: no change would help it. */
static __always_inline enum lb_reason go_without_tunnel(struct __sk_buff *skb, const struct lb_tunnel_quote *q,
							const struct lb_ct *entry, __u8 family, __u64 now)
{
	struct lb_packet request = {.tuple = q->inner.tuple, .family = family};
	struct lb_pick pick = {
		.addr = entry->to,
		.port = entry->to_port,
		.position = entry->position,
		.service = entry->service,
		.generation = entry->generation,
	};
	struct lb_rewrite rw = {};
	struct lb_addr source = {};
	enum lb_reason why;

	if (request.tuple.proto == IPPROTO_TCP && entry->state != LB_CT_OPEN)
		return LB_NO_FLOW;
	why = node_source(skb, &request, skb->ifindex, &pick.addr, &source, &rw.mtu);
	if (why == LB_PASS) {
		ct_abandon(entry); /* the entry that takes its place counts anew */
		why = track(&request, &pick, &source, LB_CT_SNAT, now, bpf_get_prandom_u32(), &rw);
	}
	return why == LB_FORWARD_REMOTE ? LB_TUNNEL_UNHEARD : why;
}

static __always_inline void name_error(const struct lb_packet *p, const struct icmp_header *said,
				       struct icmp_header *error)
{
	bool v4 = p->family == 4;

	error->type = said->type;
	error->code = said->code;
	if (v4 ? said->type == LB_ICMP_UNREACHABLE && said->code == LB_ICMP_FRAG_NEEDED
	       : said->type == LB_ICMP6_TOO_BIG) {
		__u32 mtu = bpf_ntohl(said->rest) & (v4 ? 0xffff : ~0u);

		mtu = inner_mtu(p->family, mtu > 0xffff ? 0xffff : mtu);
		error->rest = bpf_htonl(mtu ? mtu : v4 ? LB_IP4_MTU_MIN - outer_len(4) : LB_IP6_MTU_MIN);
	}
}

/* Makes of the error one about the inner packet and sends it to the client. Everything in front of the quoted inner
 * packet goes; what is left is that packet, as if it had come in just now and this node had to refuse it. */
static __always_inline enum lb_reason tell_client(struct __sk_buff *skb, const struct lb_packet *p,
						  const struct lb_tunnel_quote *q, const struct icmp_header *said,
						  int *verdict)
{
	struct lb_packet inner = {
		.tuple = q->inner.tuple,
		.l3 = p->l3,
		.l4 = p->l3 + (q->inner.l4 - q->inner.l3),
		.ip_len = q->inner.end - q->inner.l3,
		.family = p->family,
	};
	struct icmp_header error = {};
	struct lb_route route = {};
	struct lb_addr from = {};

	own_address(skb, p, &from);
	if (find_route(skb, &inner, skb->ifindex, &from, &inner.tuple.src, 0, &route) != LB_PASS)
		return LB_NO_ROUTE;
	name_error(p, said, &error);
	if (bpf_skb_adjust_room(skb, (__s32)p->l3 - q->inner.l3, BPF_ADJ_ROOM_MAC, 0) ||
	    build_error(skb, &inner, &error, &from) || ensure_mac_header(skb, p))
		return LB_REWRITE_FAILED;
	*verdict = bpf_redirect_neigh(route.ifindex, NULL, 0, 0);
	return LB_ICMP_TO_CLIENT;
}

#endif
