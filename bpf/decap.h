/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Direct server return, the node of the backend: what another node encapsulated for a backend here is stripped,
 * translated and tracked, so that the answers carry the frontend's name. The outer header is the choice; nothing is
 * picked again, and nothing that is stripped is ever encapsulated, so no packet can go round.
 *
 * Which nodes there are is not known here. What is believed: that the outer destination is a backend of this node, of
 * the very Service that the inner destination is a frontend of, and that the Service is served so. Everything else is
 * somebody's own tunnel and left alone. */
#ifndef LB_DECAP_H
#define LB_DECAP_H

#include "decide.h"
#include "encap.h"
#include "fragment.h"
#include "icmp_error.h"

/* Enough for both headers, a few extension headers and TCP. */
#define LB_INNER_BYTES 192
#define LB_ECN_MASK 3
#define LB_ECN_CE 3

static __always_inline bool is_tunnelled(const struct lb_packet *p)
{
	return p->l4_kind == LB_L4_OTHER && p->tuple.proto == outer_proto(p->family) &&
	       !(p->family == 4 ? p->fragment & bpf_htons(LB_IP_MF) : p->fragment);
}

/* Parses the inner packet where it lies, so that nothing is changed before it is known whose it is. */
static __always_inline bool load_inner(struct __sk_buff *skb, const struct lb_packet *outer, struct lb_packet *inner)
{
	__u32 want = skb->len < LB_INNER_BYTES ? skb->len : LB_INNER_BYTES, at = outer->l4;
	struct cursor c;
	void *data;
	bool read;

	if (at > 127 || bpf_skb_pull_data(skb, want))
		return false;
	data = (void *)(long)skb->data;
	c = (struct cursor){.pos = data, .end = (void *)(long)skb->data_end};
	barrier_var(at);
	if (!pull(&c, at & 127)) /* the mask is for the verifier */
		return false;
	read = outer->family == 4 ? parse_v4(data, &c, inner) : parse_v6(data, &c, inner);
	if (!read)
		return false;
	if (!skb->gso_size && (inner->l3 + inner->ip_len > skb->len || inner->l3 + inner->ip_len < inner->l4_end))
		inner->l4_kind = LB_L4_BROKEN;
	return true;
}

/* The frontend that the inner packet was sent to. The NodePort of another node is one by its number: its address is not
 * known here, but is the source of the outer header then. */
static __always_inline const struct lb_frontend *tunnelled_frontend(const struct lb_packet *outer,
								    const struct lb_packet *inner)
{
	struct lb_frontend_key key = {
		.addr = inner->tuple.dst,
		.port = inner->tuple.dport,
		.proto = inner->tuple.proto,
	};
	const struct lb_frontend *frontend = frontend_exact(&key);
	const struct lb_node *node;

	if (frontend)
		return frontend->flags & LB_FRONTEND_HOST_ONLY || frontend->kind == LB_KIND_NODE_PORT ? NULL : frontend;
	node = this_node();
	if (!node || !lb_addr_equal(&outer->tuple.src, &inner->tuple.dst))
		return NULL;
	key.addr = inner->family == 4 ? node->primary4 : node->primary6;
	frontend = frontend_exact(&key);
	return frontend && frontend->kind == LB_KIND_NODE_PORT ? frontend : NULL;
}

/* Position + 1 of the backend of this node that has the address, if the service is served so; 0: there is none. By
 * itself, so that the verifier follows the list once. */
__noinline __u32 local_position(__u32 service, __u64 high, __u64 low)
{
	const struct lb_backend *row;
	const struct lb_block *block;
	struct lb_service record;
	__u32 next;

	if (!service_record(service, &record))
		return 0;
	block = block_of(&record);
	if (!block || !(block->flags & LB_SERVICE_DSR))
		return 0;
	next = block->first_local;
	for (int i = 0; i < LB_LOCAL_MAX && next; i++) {
		row = row_of(&record, next - 1);
		if (!row)
			return 0;
		if (row->addr.w64[0] == high && row->addr.w64[1] == low)
			return row->flags & LB_BACKEND_LOCAL ? next : 0;
		next = row->next_local;
	}
	return 0;
}

/* Its row gives the port. */
static __always_inline bool local_row(__u32 service, const struct lb_addr *addr, struct lb_pick *pick)
{
	__u32 next = local_position(service, addr->w64[0], addr->w64[1]);
	const struct lb_backend *row;
	struct lb_service record;

	if (!next || !service_record(service, &record))
		return false;
	row = row_of(&record, next - 1);
	if (!row || !lb_addr_equal(&row->addr, addr)) /* replaced meanwhile */
		return false;
	pick_row(pick, service, next - 1, row);
	return true;
}

/* The entry of a flow of ours to the backend that the outer header names. It holds whatever has become of the Service
 * since, its way of forwarding included. */
static __always_inline struct lb_ct *tunnelled_flow(const struct lb_tuple *t, const struct lb_addr *backend, __u64 now)
{
	struct lb_ct *entry = ct_lookup(t);

	if (!entry || ct_is_own(entry) || ct_expired(entry, t->proto, now) ||
	    (entry->flags & (LB_CT_SNAT | LB_CT_DSR)) || !lb_addr_equal(&entry->to, backend))
		return NULL;
	return entry;
}

/* Does a way out of this node lead to the client? */
static __always_inline bool is_elsewhere(struct __sk_buff *skb, const struct lb_packet *inner)
{
	const struct lb_device *device;
	struct lb_route route = {};

	if (find_route(skb, inner, skb->ifindex, &inner->tuple.dst, &inner->tuple.src, 0, &route) != LB_PASS)
		return false;
	device = bpf_map_lookup_elem(&lb_devices, &route.ifindex);
	return device && (device->flags & LB_DEVICE_UPLINK);
}

/* Addresses that no node would have sent on, and marks of congestion that the inner packet cannot carry (RFC 6040). */
static __always_inline enum lb_reason why_not_believed(const struct lb_packet *outer, const struct lb_packet *inner)
{
	if (has_impossible_source(&inner->tuple))
		return LB_MALFORMED;
	if (has_impossible_source(&outer->tuple) || lb_addr_equal(&inner->tuple.src, &outer->tuple.dst))
		return LB_TUNNEL_REFUSED;
	if ((outer->tos & LB_ECN_MASK) == LB_ECN_CE && !(inner->tos & LB_ECN_MASK))
		return LB_TUNNEL_REFUSED;
	return LB_PASS;
}

/* TCP and UDP. LB_FORWARD_LOCAL: `rw` is complete. */
static __always_inline enum lb_reason stripped(struct __sk_buff *skb, const struct lb_packet *outer,
					       const struct lb_packet *inner, __u64 now, struct lb_rewrite *rw)
{
	const struct lb_frontend *frontend = tunnelled_frontend(outer, inner);
	struct lb_ct *entry = tunnelled_flow(&inner->tuple, &outer->tuple.dst, now);
	struct lb_pick pick = {};
	enum lb_reason why;

	if (entry && (frontend ? !ct_follows(entry, frontend, inner, now) : starts_flow(inner)))
		entry = NULL;
	if (!entry && (!frontend || !local_row(frontend->outside, &outer->tuple.dst, &pick)))
		return LB_PASS;
	why = why_not_believed(outer, inner);
	if (why != LB_PASS)
		return why;
	if (entry) {
		ct_advance(entry, &inner->tuple, inner->tcp_flags, now);
		return rewrite_forward(entry, rw);
	}
	/* A client on this very node: the stack would take its packets for forged ones. The backend does not understand
	 * them as they are, and what it says makes the other node take another way (tunnel_error.h). */
	if (!is_elsewhere(skb, inner))
		return LB_PASS;
	if (frontend->flags & LB_FRONTEND_TOMBSTONE || (!starts_flow(inner) && (inner->tcp_flags & LB_TCP_RST)))
		return LB_NO_FLOW;
	if ((frontend->flags & LB_FRONTEND_RANGES) && !in_source_ranges(frontend->inside, &inner->tuple.src))
		return LB_SOURCE_RANGE;
	return track(inner, &pick, &inner->tuple.src, 0, now, bpf_get_prandom_u32(), rw);
}

/* A piece without ports: its first one was stripped here before, or it waits for that as it is. */
static __always_inline enum lb_reason stripped_piece(struct __sk_buff *skb, const struct lb_packet *outer,
						     const struct lb_packet *inner, __u64 now, struct lb_rewrite *rw)
{
	struct lb_fragment_key key;
	const struct lb_fragment *f;
	bool ours = frontend_address(&inner->tuple.dst);

	if (!fragment_key(skb, inner, LB_HOOK_TC_INGRESS, &key))
		return LB_PASS;
	f = bpf_map_lookup_elem(&lb_fragments, &key);
	if (f && fragment_lives(f, now)) {
		if (sends_on(f->reason) && !lb_addr_equal(&f->dst, &outer->tuple.dst))
			return LB_TUNNEL_REFUSED;
		return later_piece(skb, inner, LB_HOOK_TC_INGRESS, now, rw);
	}
	if ((ours || lb_addr_equal(&inner->tuple.dst, &outer->tuple.src)) && wait_again(skb))
		return LB_FRAGMENT_WAIT;
	return ours && !is_own_address(skb->ifindex, &outer->tuple.dst) ? LB_FRAGMENT : LB_PASS;
}

/* An error about an answer of a backend here, for which some other node was asked. */
static __always_inline enum lb_reason stripped_error(struct __sk_buff *skb, const struct lb_packet *outer,
						     const struct lb_packet *inner, __u64 now)
{
	struct lb_quote quote = {};
	struct lb_tuple key = {};

	if (read_quote(skb, inner, &quote) != LB_PASS)
		return LB_PASS;
	key.src = quote.tuple.dst;
	key.dst = quote.tuple.src;
	key.sport = quote.tuple.dport;
	key.dport = quote.tuple.sport;
	key.proto = quote.tuple.proto;
	return tunnelled_flow(&key, &outer->tuple.dst, now) ? LB_RELATED : LB_PASS;
}

/* Nothing that a node encapsulates: another tunnel, another protocol, a header that is cut off. Sent to a pod under the
 * name of a frontend it is a try; sent to the node it may be the CNI's. */
static __always_inline enum lb_reason odd_inner(struct __sk_buff *skb, const struct lb_packet *outer,
						const struct lb_packet *inner)
{
	if (!frontend_address(&inner->tuple.dst) || is_own_address(skb->ifindex, &outer->tuple.dst))
		return LB_PASS;
	return inner->l4_kind == LB_L4_BROKEN ? LB_MALFORMED : LB_TUNNEL_REFUSED;
}

/* What has no ports. LB_FORWARD_LOCAL, LB_RELATED: it is to be stripped. */
static __always_inline enum lb_reason stripped_other(struct __sk_buff *skb, const struct lb_packet *outer,
						     const struct lb_packet *inner, __u64 now, struct lb_rewrite *rw)
{
	if (inner->l4_kind == LB_L4_FRAGMENT)
		return stripped_piece(skb, outer, inner, now, rw);
	if (is_icmp_error(inner) && !is_first_piece(inner))
		return stripped_error(skb, outer, inner, now);
	return odd_inner(skb, outer, inner);
}

/* As for any other protocol that is no frontend's. */
static __always_inline enum lb_reason not_for_backend(const struct lb_packet *outer)
{
	if (lb_addr_is_loopback(&outer->tuple.dst))
		return LB_LOOPBACK;
	if (!frontend_address(&outer->tuple.dst))
		return LB_PASS;
	return has_impossible_source(&outer->tuple) ? LB_MALFORMED : LB_PROTO_UNSERVED;
}

/* Takes the outer header off; `inner` then says where things are. */
static __always_inline enum lb_reason strip_header(struct __sk_buff *skb, const struct lb_packet *outer,
						   struct lb_packet *inner)
{
	__u16 header = outer->l4 - outer->l3;

	if (bpf_skb_adjust_room(skb, -(__s32)header, BPF_ADJ_ROOM_MAC, BPF_F_ADJ_ROOM_FIXED_GSO))
		return LB_REWRITE_FAILED;
	inner->l3 -= header;
	inner->l4 -= header;
	inner->l4_end -= header;
	inner->fragment_at -= header;
	if ((outer->tos & LB_ECN_MASK) == LB_ECN_CE)
		bpf_skb_ecn_set_ce(skb);
	return LB_PASS;
}

#endif
