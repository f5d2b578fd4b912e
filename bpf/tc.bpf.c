// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* The tc shell: ingress and egress of uplinks and workload devices, for tcx and clsact alike.
 *
 * Whatever goes on to the stack returns TC_ACT_UNSPEC, so that the CNI's own programs still run; only redirect and
 * drop are final. A packet that is not ours leaves byte for byte as it came. */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_helpers.h>
#include "arrival.h"
#include "config.h"
#include "decap.h"
#include "decide.h"
#include "device.h"
#include "encap.h"
#include "fib.h"
#include "fragment.h"
#include "gone.h"
#include "host.h"
#include "icmp_error.h"
#include "later.h"
#include "maps.h"
#include "metrics.h"
#include "own_flow.h"
#include "parse.h"
#include "reject.h"
#include "sctp.h"
#include "tunnel.h"
#include "tunnel_error.h"
#include "tunnel_hash.h"
#include "xlate_tc.h"

/* Enough for Ethernet, IPv6, a few extension headers and TCP. */
#define LB_PARSE_BYTES 128
/* IEEE 802.1Q: the rest of the tag is a priority, and number 0 is no VLAN. */
#define LB_VLAN_ID 0x0fff

#define LB_TCP_OFFSET 12
/* <linux/skbuff.h>: segments of sizes of their own. */
#define LB_GSO_BY_FRAGS 0xffff

/* Length of what leaves the device: of one segment, when the packet will be cut into such. 0: not known. Apart, or the
 * verifier would follow each kind of packet all the way. */
static __noinline __u16 wire_len(struct __sk_buff *skb, const struct lb_packet *p)
{
	__u8 words = 0;

	if (!skb->gso_size)
		return p->ip_len;
	if (skb->gso_size == LB_GSO_BY_FRAGS)
		return 0;
	if (p->tuple.proto != IPPROTO_TCP)
		return p->l4 - p->l3 + sizeof(struct udphdr) + skb->gso_size;
	if (bpf_skb_load_bytes(skb, p->l4 + LB_TCP_OFFSET, &words, sizeof(words)))
		return 0;
	return p->l4 - p->l3 + (words >> 4) * 4 + skb->gso_size;
}

static __always_inline bool load_packet(struct __sk_buff *skb, struct lb_packet *p)
{
	__u32 want = skb->len < LB_PARSE_BYTES ? skb->len : LB_PARSE_BYTES;

	if (skb->protocol != bpf_htons(ETH_P_IP) && skb->protocol != bpf_htons(ETH_P_IPV6))
		return false;
	/* Of what is to be cut where its parts end, pulling would move these ends: all of its headers are there. */
	if ((void *)(long)skb->data + want > (void *)(long)skb->data_end && skb->gso_size != LB_GSO_BY_FRAGS &&
	    bpf_skb_pull_data(skb, want))
		return false;
	if (!parse((void *)(long)skb->data, (void *)(long)skb->data_end, l3_offset(skb), skb->protocol, p))
		return false;
	p->route_len = wire_len(skb, p);
	if (p->tuple.proto == IPPROTO_SCTP && p->l4_kind == LB_L4_OTHER)
		read_sctp(skb, p);
	/* A merged packet's length may not fit its field. */
	if (!skb->gso_size && (p->l3 + p->ip_len > skb->len || p->l3 + p->ip_len < p->l4_end))
		p->l4_kind = LB_L4_BROKEN;
	return true;
}

/* Client and backend on one bridge: address the frame to the backend, so that both directions stay at layer 2 and a
 * firewall of the host sees all of the flow or none of it. While the neighbour is unknown the stack forwards the start
 * of a flow, and so asks for it. The middle of a connection must not go there: a firewall that saw a SYN and no answer
 * calls it invalid. It leaves by the bridge, past the stack. */
static __always_inline void stay_on_bridge(struct __sk_buff *skb, const struct lb_packet *p, __u32 master,
					   struct lb_rewrite *rw)
{
	struct lb_route route = {};

	if (find_route(skb, p, master, &rw->src, &rw->dst, 0, &route) != LB_PASS || route.ifindex != master)
		return;
	if (route.resolved)
		bpf_skb_store_bytes(skb, offsetof(struct ethhdr, h_dest), route.dmac, ETH_ALEN, 0);
	else if (!starts_flow(p))
		rw->way = LB_WAY_ROUTE;
}

/* The bridge that the device is a port of; 0: none. */
static __always_inline __u32 master_of(struct __sk_buff *skb)
{
	__u32 ifindex = skb->ifindex;
	const struct lb_device *device = bpf_map_lookup_elem(&lb_devices, &ifindex);

	return device ? device->master : 0;
}

/* The row of the device a packet came in on; NULL when it concerns nobody here: sent to others than this node alone, it
 * would arrive several times past the stack; a frame of a VLAN belongs to the VLAN device above this one, which has
 * programs if it is an uplink. */
static __always_inline const struct lb_device *came_in_by(const struct __sk_buff *skb)
{
	__u32 ifindex = skb->ifindex;
	const struct lb_device *device = bpf_map_lookup_elem(&lb_devices, &ifindex);

	if (!device || (skb->vlan_present && (skb->vlan_tci & LB_VLAN_ID)))
		return NULL;
	if (skb->pkt_type == LB_PACKET_HOST)
		return device;
	/* A port of a bridge sees frames for the bridge as ones for another host. */
	return side_of(device) == LB_SIDE_INSIDE && skb->pkt_type == LB_PACKET_OTHERHOST ? device : NULL;
}

static __always_inline enum lb_reason ingress(struct __sk_buff *skb, const struct lb_packet *p, __u64 now,
					      struct lb_rewrite *rw)
{
	const struct lb_device *device = came_in_by(skb);
	enum lb_reason why;
	enum lb_side side;

	if (!device)
		return LB_PASS;
	side = side_of(device);
	why = arrival(skb, p, skb->ifindex, side, now, rw);
	if (why == LB_FORWARD_LOCAL && device->master)
		stay_on_bridge(skb, p, device->master, rw);
	if (why == LB_PASS && side == LB_SIDE_INSIDE)
		why = to_former_backend(skb, p, now);
	return why;
}

/* What a process of this node sends, where its socket is not served. It is given a backend like a pod, and a source
 * that replies cannot miss on their way back. */
static __always_inline enum lb_reason from_host(struct __sk_buff *skb, const struct lb_packet *p, __u64 now,
						struct lb_rewrite *rw)
{
	__u32 dice = bpf_get_prandom_u32();
	struct lb_pick pick = {};
	enum lb_reason why;

	if (!is_from_host(skb, p))
		return LB_PASS;
	if (p->l4_kind == LB_L4_PORTS && in_snat_range(p->tuple.dport)) {
		why = reply(p, true, now, rw); /* the backend is a process of this node, too */
		if (why != LB_PASS)
			return why;
	}
	why = forward(p, LB_SIDE_HOST, now, dice, &pick, rw);
	if (why == LB_TRANSLATED)
		why = start_flow(skb, p, skb->ifindex, LB_SIDE_HOST, &pick, now, dice, rw);
	if (why == LB_FORWARD_REMOTE && own_device(&rw->dst))
		rw->way = LB_WAY_HOST;
	return why;
}

/* Carries a rewrite out, of an ICMP error with what it quotes; `verdict` is where the packet goes. */
static __always_inline enum lb_reason translate(struct __sk_buff *skb, const struct lb_packet *p, struct lb_rewrite *rw,
						const struct lb_related *error, enum lb_reason why, enum lb_hook hook,
						int *verdict)
{
	bool to_process = cfg.host_packets && rw->way == LB_WAY_HOST;
	struct lb_route route = {};
	enum lb_reason failed;

	if (rw->way == LB_WAY_STACK || to_process) {
		failed = error ? rewrite_error(skb, p, rw, error) : rewrite_headers(skb, p, rw);
		if (failed == LB_PASS && to_process)
			failed = to_host(skb, p, &rw->dst, verdict);
		return failed == LB_PASS ? why : failed;
	}

	if (hook == LB_HOOK_TC_INGRESS && p->ttl <= 1)
		return LB_TTL_EXCEEDED;
	route.ifindex = skb->ifindex;
	if (rw->way == LB_WAY_ROUTE) {
		failed = find_route(skb, p, route.ifindex, &rw->src, &rw->dst, 0, &route);
		rw->mtu = route.mtu;
		if (failed != LB_PASS)
			return failed;
	}
	failed = error ? rewrite_error(skb, p, rw, error) : rewrite_headers(skb, p, rw);
	if (failed == LB_PASS && hook == LB_HOOK_TC_INGRESS)
		failed = set_ttl(skb, p, p->ttl - 1); /* what skips the stack is still routed by this node */
	if (failed != LB_PASS)
		return failed;
	if (rw->way == LB_WAY_BACK ? turn_round(skb, p) : ensure_mac_header(skb, p))
		return LB_REWRITE_FAILED;
	*verdict =
		rw->way == LB_WAY_BACK ? bpf_redirect(route.ifindex, 0) : bpf_redirect_neigh(route.ifindex, NULL, 0, 0);
	return why;
}

/* Where an answer made from the sender's own packet goes: back by the device it came in on, or to the host. */
static __always_inline int send_back(struct __sk_buff *skb, const struct lb_packet *p, enum lb_hook hook)
{
	int verdict;

	if (!cfg.host_packets || hook == LB_HOOK_TC_INGRESS)
		return bpf_redirect(skb->ifindex, 0);
	return to_host(skb, p, &p->tuple.src, &verdict) == LB_PASS ? verdict : TC_ACT_SHOT;
}

/* The one place where a reason becomes a verdict, or something that is left for later. */
static __always_inline __u64 finish(struct __sk_buff *skb, const struct lb_packet *p, struct lb_rewrite *rw,
				    enum lb_reason why, enum lb_hook hook)
{
	__u64 nothing = -(__u64)(skb->len >> 31); /* 0, which the verifier does not know */
	int verdict = TC_ACT_UNSPEC;

	/* It follows every way here with all it has learnt on it. Only the decision matters from now on: unknown to it,
	 * ways that differ in nothing else are followed once, which halves the time that loading takes. (Outgoing
	 * packets have fewer of them, and what is said of them here helps elsewhere.) */
	if (hook == LB_HOOK_TC_INGRESS) {
		why ^= nothing;
		rw->way ^= nothing;
	}
	switch (why) {
	case LB_PASS:
		break;
	case LB_FORWARD_LOCAL:
	case LB_FORWARD_REMOTE:
	case LB_HAIRPIN:
	case LB_REPLY:
	case LB_REPLY_SNAT:
		why = translate(skb, p, rw, NULL, why, hook, &verdict);
		if (why > LB_REPLY_SNAT)
			verdict = TC_ACT_SHOT;
		break;
	case LB_ECHO:
		why = answer_echo(skb, p);
		verdict = why == LB_ECHO ? send_back(skb, p, hook) : TC_ACT_SHOT;
		break;
	default:
		verdict = TC_ACT_SHOT;
	}
	if (hook == LB_HOOK_TC_INGRESS && why == LB_ENCAPSULATED)
		tunnel_known(rw);
	if (is_for_later(why))
		return later(p, why, rw->mtu);
	count(hook, why, skb->len);
	return (__u32)verdict;
}

/* What is rare is done in functions of their own, each verified by itself: common packets pay for neither at load nor
 * at run time, and each has a stack to itself. */

/* Tells the sender of a packet that it comes no further. */
__noinline int answer(struct __sk_buff *skb, __u64 word, __u32 hook)
{
	enum lb_reason why = later_reason(word), told = LB_REWRITE_FAILED;
	struct lb_packet p = {};

	if (later_packet(skb, word, &p))
		told = reject(skb, &p, why, later_mtu(word), bpf_jiffies64());
	count(hook, told, skb->len);
	return told == why ? send_back(skb, &p, hook) : TC_ACT_SHOT;
}

/* Where flows are to be looked for. */
static __always_inline __u8 seen_at(struct __sk_buff *skb, const struct lb_packet *p, enum lb_hook hook)
{
	if (hook == LB_HOOK_TC_INGRESS)
		return LB_SEEN_IN;
	return cfg.host_packets && is_from_host(skb, p) ? LB_SEEN_BOTH : LB_SEEN_OUT;
}

/* Gives an ICMP error about a flow to the end of it that the error is for; that may be the business of another node. */
__noinline __u64 pass_on(struct __sk_buff *skb, __u64 word, __u32 hook)
{
	enum lb_reason why = LB_REWRITE_FAILED;
	struct lb_related error = {};
	struct lb_rewrite rw = {};
	struct lb_packet p = {};
	int verdict = TC_ACT_UNSPEC;

	if (later_packet(skb, word, &p))
		why = relate(skb, &p, seen_at(skb, &p, hook), bpf_jiffies64(), &error, &rw);
	if (why == LB_NO_FLOW && hook == LB_HOOK_TC_INGRESS)
		return later(&p, why, 0);
	if (why == LB_ICMP_TO_BACKEND && rw.way == LB_WAY_TUNNEL) {
		tunnel_known(&rw);
		return later(&p, LB_ENCAPSULATED, 0);
	}
	if (why == LB_ICMP_TO_CLIENT || why == LB_ICMP_TO_BACKEND) {
		__u32 master = why == LB_ICMP_TO_BACKEND && rw.way == LB_WAY_STACK ? master_of(skb) : 0;

		if (master)
			stay_on_bridge(skb, &p, master, &rw);
		why = translate(skb, &p, &rw, &error, why, hook, &verdict);
	}
	if (why != LB_PASS && why != LB_ICMP_TO_CLIENT && why != LB_ICMP_TO_BACKEND)
		verdict = TC_ACT_SHOT;
	count(hook, why, skb->len);
	return (__u32)verdict;
}

/* The rest of the source of a packet that is to be encapsulated, and the entry of its flow if it has none. */
static __always_inline enum lb_reason start_tunnel(struct __sk_buff *skb, const struct lb_packet *p,
						   const struct lb_pick *pick, __u64 now, struct lb_rewrite *rw)
{
	struct lb_addr source = p->tuple.dst;
	enum lb_reason why = LB_PASS;

	/* What the backend's node cannot look up, a NodePort of this one, the outer header vouches for. */
	if (pick->kind != LB_KIND_NODE_PORT)
		why = node_source(skb, p, skb->ifindex, &pick->addr, &source, &rw->mtu);
	return why == LB_PASS ? track(p, pick, &source, LB_CT_DSR | LB_CT_REPLIED, now, 0, rw) : why;
}

/* Sends a packet to its backend's node. */
__noinline __u64 send_on(struct __sk_buff *skb)
{
	const struct lb_tunnel_job *job = tunnel_job();
	enum lb_reason why = LB_ENCAPSULATED;
	__u64 now = bpf_jiffies64();
	struct lb_route route = {};
	struct lb_rewrite rw = {};
	struct lb_packet p = {};
	int verdict = TC_ACT_SHOT;

	if (!job || !load_packet(skb, &p))
		return TC_ACT_SHOT;
	if (p.route_len)
		p.route_len += outer_len(p.family);
	rw = job->rw;
	if (lb_addr_is_zero(&rw.dst))
		why = start_tunnel(skb, &p, &job->pick, now, &rw);
	if (why == LB_ENCAPSULATED && is_first_piece(&p))
		why = first_piece(skb, &p, LB_HOOK_TC_INGRESS, why, now, &rw);
	if (why == LB_ENCAPSULATED && p.ttl <= 1)
		why = LB_TTL_EXCEEDED;
	if (why == LB_ENCAPSULATED) {
		enum lb_reason failed = find_route(skb, &p, skb->ifindex, &rw.src, &rw.dst, 0, &route);

		rw.mtu = route.mtu;
		if (failed == LB_PASS)
			failed = set_ttl(skb, &p, p.ttl - 1);
		if (failed == LB_PASS)
			failed = encapsulate(skb, &p, &rw);
		if (failed == LB_PASS && ensure_mac_header(skb, &p))
			failed = LB_REWRITE_FAILED;
		if (failed == LB_PASS)
			verdict = bpf_redirect_neigh(route.ifindex, NULL, 0, 0);
		else
			why = failed;
	}
	if (p.l4_kind == LB_L4_PORTS && (why == LB_TOO_BIG || why == LB_TTL_EXCEEDED))
		return later(&p, why, inner_mtu(p.family, rw.mtu));
	count(LB_HOOK_TC_INGRESS, why, skb->len);
	return (__u32)verdict;
}

/* An error about a flow that this node does not know, to an address of frontends. */
__noinline __u64 pass_on_by_hash(struct __sk_buff *skb, __u64 word)
{
	enum lb_reason why = LB_NO_FLOW;
	struct lb_rewrite rw = {};
	struct lb_packet p = {};

	if (later_packet(skb, word, &p))
		why = error_by_hash(skb, &p, &rw);
	if (why == LB_ENCAPSULATED) {
		tunnel_known(&rw);
		return later(&p, why, 0);
	}
	count(LB_HOOK_TC_INGRESS, why, skb->len);
	return TC_ACT_SHOT;
}

/* Reads a packet in another IP header that came in. False: nothing that another node could have sent for a backend
 * here. */
__noinline bool open_tunnel(struct __sk_buff *skb, __u64 word)
{
	const struct lb_device *device = came_in_by(skb);
	struct lb_tunnel_job *job = tunnel_job();
	struct lb_packet p = {};

	if (!job || !later_packet(skb, word, &p))
		return false;
	job->outer = p;
	if (!device || side_of(device) != LB_SIDE_OUTSIDE)
		return false;
	p = (struct lb_packet){};
	if (!load_inner(skb, &job->outer, &p) || lb_addr_is_loopback(&p.tuple.dst))
		return false;
	job->inner = p;
	return true;
}

/* Whose it is. */
__noinline int judge_ports(struct __sk_buff *skb)
{
	struct lb_tunnel_job *job = tunnel_job();
	struct lb_rewrite rw = {};
	enum lb_reason why;

	if (!job || job->inner.l4_kind != LB_L4_PORTS)
		return LB_PASS;
	why = stripped(skb, &job->outer, &job->inner, bpf_jiffies64(), &rw);
	job->rw = rw;
	return why;
}

__noinline int judge_other(struct __sk_buff *skb)
{
	struct lb_tunnel_job *job = tunnel_job();
	struct lb_rewrite rw = {};
	enum lb_reason why;

	if (!job)
		return LB_PASS;
	why = job->inner.l4_kind == LB_L4_PORTS ? LB_FORWARD_LOCAL : LB_PASS;
	rw = job->rw;
	if (why == LB_PASS)
		why = stripped_other(skb, &job->outer, &job->inner, bpf_jiffies64(), &rw);
	else if (is_first_piece(&job->inner))
		why = first_piece(skb, &job->inner, LB_HOOK_TC_INGRESS, why, bpf_jiffies64(), &rw);
	job->rw = rw;
	return why;
}

/* Takes the outer header off and gives the inner packet to its backend. An error that was inside is for pass_on(). */
__noinline __u64 strip(struct __sk_buff *skb, __u32 error)
{
	struct lb_tunnel_job *job = tunnel_job();
	enum lb_reason why = LB_REWRITE_FAILED;

	if (job)
		why = strip_header(skb, &job->outer, &job->inner);
	if (job && why == LB_PASS && error)
		return later(&job->inner, LB_RELATED, 0);
	if (job && why == LB_PASS)
		why = rewrite_headers(skb, &job->inner, &job->rw);
	if (why == LB_PASS)
		why = LB_DECAPSULATED;
	count(LB_HOOK_TC_INGRESS, why, skb->len);
	return why == LB_DECAPSULATED ? (__u32)TC_ACT_UNSPEC : TC_ACT_SHOT;
}

/* Not to be stripped. */
__noinline int leave_tunnel(struct __sk_buff *skb, __u32 said)
{
	const struct lb_tunnel_job *job = tunnel_job();
	enum lb_reason why = said;
	int verdict = TC_ACT_UNSPEC;

	if (why != LB_FRAGMENT_WAIT && waits(skb))
		skb->tc_index = 0;
	if (job && why == LB_PASS && came_in_by(skb))
		why = not_for_backend(&job->outer);
	if (why == LB_FRAGMENT_WAIT)
		verdict = bpf_redirect(skb->ifindex, BPF_F_INGRESS);
	else if (why != LB_PASS)
		verdict = TC_ACT_SHOT;
	count(LB_HOOK_TC_INGRESS, why, skb->len);
	return verdict;
}

static __always_inline __u64 from_tunnel(struct __sk_buff *skb, __u64 word)
{
	const struct lb_tunnel_job *job = tunnel_job();
	enum lb_reason why = LB_PASS;

	if (open_tunnel(skb, word)) {
		why = judge_ports(skb);
		if (why == LB_FORWARD_LOCAL || (job && job->inner.l4_kind != LB_L4_PORTS))
			why = judge_other(skb);
	}
	if (why != LB_FORWARD_LOCAL && why != LB_RELATED)
		return (__u32)leave_tunnel(skb, why);
	if (waits(skb))
		skb->tc_index = 0;
	return strip(skb, why == LB_RELATED);
}

/* An ICMP error about a packet that this node encapsulated, for its client. */
__noinline int pass_on_from_tunnel(struct __sk_buff *skb, __u64 word)
{
	enum lb_reason why = LB_REWRITE_FAILED;
	struct lb_tunnel_quote quote = {};
	struct icmp_header said = {};
	struct lb_packet p = {};
	int verdict = TC_ACT_SHOT;

	if (later_packet(skb, word, &p) && !bpf_skb_load_bytes(skb, p.l4, &said, sizeof(said))) {
		if (read_tunnel_quote(skb, &p, &quote) && quoted_tunnel_flow(&p, &quote, bpf_jiffies64()))
			why = tell_client(skb, &p, &quote, &said, &verdict);
		else
			why = unrelated(&p, LB_SEEN_IN, LB_NO_FLOW);
	}
	if (why == LB_PASS)
		verdict = TC_ACT_UNSPEC;
	count(LB_HOOK_TC_INGRESS, why, skb->len);
	return verdict;
}

/* One that says that nobody strips there. */
__noinline int end_tunnel(struct __sk_buff *skb, __u64 word)
{
	struct lb_tunnel_quote quote = {};
	enum lb_reason why = LB_NO_FLOW;
	const struct lb_ct *entry = NULL;
	__u64 now = bpf_jiffies64();
	struct lb_packet p = {};

	if (later_packet(skb, word, &p) && read_tunnel_quote(skb, &p, &quote))
		entry = quoted_tunnel_flow(&p, &quote, now);
	why = entry ? go_without_tunnel(skb, &quote, entry, p.family, now) : unrelated(&p, LB_SEEN_IN, LB_NO_FLOW);
	count(LB_HOOK_TC_INGRESS, why, skb->len);
	return why == LB_PASS ? TC_ACT_UNSPEC : TC_ACT_SHOT;
}

/* The whole way of a piece that is not the first one: it shares nothing with that of other packets. */
__noinline __u64 carry_piece(struct __sk_buff *skb, __u32 hook)
{
	const struct lb_device *device = NULL;
	enum lb_reason why = LB_PASS;
	__u64 now = bpf_jiffies64();
	struct lb_packet piece = {}, *p = &piece;
	struct lb_rewrite rw = {};
	int verdict = TC_ACT_UNSPEC;

	if (!load_packet(skb, p))
		return TC_ACT_UNSPEC;
	if (hook == LB_HOOK_TC_INGRESS)
		device = came_in_by(skb);
	if (device && lb_addr_is_loopback(&p->tuple.dst))
		why = LB_LOOPBACK;
	else if (device || hook == LB_HOOK_TC_EGRESS)
		why = later_piece(skb, p, hook, now, &rw);
	if (cfg.host_packets && hook == LB_HOOK_TC_EGRESS && why == LB_PASS && is_from_host(skb, p) &&
	    frontend_address(&p->tuple.dst))
		why = LB_FRAGMENT;
	if (why != LB_FRAGMENT_WAIT && waits(skb))
		skb->tc_index = 0;

	if (why == LB_FRAGMENT_WAIT) {
		verdict = bpf_redirect(skb->ifindex, BPF_F_INGRESS);
	} else if (why == LB_ECHO) {
		why = answer_echo(skb, p);
		verdict = why == LB_ECHO ? send_back(skb, p, hook) : TC_ACT_SHOT;
	} else if (why == LB_ENCAPSULATED) {
		tunnel_known(&rw);
		return later(p, why, 0);
	} else if (why != LB_PASS) {
		if (why == LB_FORWARD_LOCAL && device && device->master)
			stay_on_bridge(skb, p, device->master, &rw);
		if (why <= LB_REPLY_SNAT)
			why = translate(skb, p, &rw, NULL, why, hook, &verdict);
		if (why > LB_REPLY_SNAT)
			verdict = TC_ACT_SHOT;
	}
	count(hook, why, skb->len);
	return (__u32)verdict;
}

static __noinline int finish_ingress(struct __sk_buff *skb, __u64 word)
{
	if (later_reason(word) == LB_PIECE)
		word = carry_piece(skb, LB_HOOK_TC_INGRESS);
	if (later_reason(word) == LB_TUNNELLED)
		word = from_tunnel(skb, word);
	if (later_reason(word) == LB_RELATED && quotes_tunnel(skb, word >> 16 & 0xffff))
		return is_unheard(skb, word >> 16 & 0xffff) ? end_tunnel(skb, word) : pass_on_from_tunnel(skb, word);
	if (later_reason(word) == LB_RELATED)
		word = pass_on(skb, word, LB_HOOK_TC_INGRESS);
	if (later_reason(word) == LB_NO_FLOW)
		word = pass_on_by_hash(skb, word);
	if (later_reason(word) == LB_ENCAPSULATED)
		word = send_on(skb);
	return is_later(word) ? answer(skb, word, LB_HOOK_TC_INGRESS) : (int)word;
}

static __always_inline int finish_egress(struct __sk_buff *skb, __u64 word)
{
	if (later_reason(word) == LB_PIECE)
		word = carry_piece(skb, LB_HOOK_TC_EGRESS);
	if (later_reason(word) == LB_RELATED)
		return (int)pass_on(skb, word, LB_HOOK_TC_EGRESS);
	return is_later(word) ? answer(skb, word, LB_HOOK_TC_EGRESS) : (int)word;
}

static __noinline __u64 handle_ingress(struct __sk_buff *skb)
{
	__u64 now = bpf_jiffies64();
	struct lb_packet p = {};
	struct lb_rewrite rw = {};
	enum lb_reason why = LB_PASS;

	if (load_packet(skb, &p)) {
		if (p.l4_kind == LB_L4_FRAGMENT)
			return later(&p, LB_PIECE, 0);
		if (is_tunnelled(&p))
			return later(&p, LB_TUNNELLED, 0);
		why = ingress(skb, &p, now, &rw);
		if (why != LB_ENCAPSULATED && is_first_piece(&p) && came_in_by(skb))
			why = first_piece(skb, &p, LB_HOOK_TC_INGRESS, why, now, &rw);
	}
	return finish(skb, &p, &rw, why, LB_HOOK_TC_INGRESS);
}

static __always_inline __u64 egress(struct __sk_buff *skb, bool host)
{
	__u64 now = bpf_jiffies64();
	struct lb_packet p = {};
	struct lb_rewrite rw = {};
	enum lb_reason why = LB_PASS;

	if (load_packet(skb, &p)) {
		if (p.l4_kind == LB_L4_FRAGMENT)
			return later(&p, LB_PIECE, 0);
		if (p.l4_kind == LB_L4_PORTS)
			why = reply(&p, false, now, &rw);
		else if (is_icmp_error(&p) && !is_first_piece(&p))
			why = LB_RELATED;
		if (host && why == LB_PASS)
			why = from_host(skb, &p, now, &rw);
		if (why == LB_PASS && p.l4_kind == LB_L4_PORTS)
			note_own_flow(skb, &p, now);
		if (is_first_piece(&p))
			why = first_piece(skb, &p, LB_HOOK_TC_EGRESS, why, now, &rw);
	}
	return finish(skb, &p, &rw, why, LB_HOOK_TC_EGRESS);
}

static __noinline __u64 handle_egress(struct __sk_buff *skb)
{
	return egress(skb, false);
}

/* What this node forwards pays nothing for what its own processes send. */
static __noinline __u64 handle_own_egress(struct __sk_buff *skb)
{
	return egress(skb, true);
}

SEC("tc")
int tc_ingress(struct __sk_buff *skb)
{
	__u64 done = handle_ingress(skb);

	return finish_ingress(skb, done);
}

SEC("tc")
int tc_egress(struct __sk_buff *skb)
{
	__u64 done;
	int verdict;

	if (cfg.host_packets && is_for_host(skb, &verdict))
		return verdict;
	done = cfg.host_packets && !skb->ingress_ifindex ? handle_own_egress(skb) : handle_egress(skb);
	return finish_egress(skb, done);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
