// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* What the socket programs do between reading an address and writing it. The kernel cannot run socket hooks for a
 * test, so the same functions run in a tc program; the two cookies, which only a socket has, are made up here. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include "walk.h"

#define BENCH_NETNS 4026531840ULL
#define bpf_get_netns_cookie(ctx) ((void)(ctx), BENCH_NETNS)
#define bpf_get_socket_cookie(ctx) ((void)(ctx), bench.run)

#include <linux/pkt_cls.h>
#include "../../bpf/sock.bpf.c"

const volatile struct bench_flow fixed;

static __always_inline void dialled(struct lb_frontend_key *key)
{
	struct bench_flow flow;

	next_flow(&flow);
	key->addr = flow.dst;
	key->port = flow.dport;
	key->proto = IPPROTO_TCP;
}

static __always_inline void close_oldest(void)
{
	__u64 cookie = bench.run - BENCH_ALIVE;

	bpf_map_delete_elem(&lb_sock, &cookie);
}

SEC("tc")
int bench_empty(struct __sk_buff *skb)
{
	(void)skb;
	return TC_ACT_UNSPEC;
}

SEC("tc")
int bench_harness(struct __sk_buff *skb)
{
	struct lb_frontend_key key = {};

	(void)skb;
	dialled(&key);
	return key.port ? TC_ACT_UNSPEC : TC_ACT_SHOT;
}

/* Which backend: frontend, slot, row, counter. */
SEC("tc")
int bench_choose(struct __sk_buff *skb)
{
	struct lb_frontend_key key = {};
	struct lb_pick pick = {};

	dialled(&key);
	return conclude(choose((void *)skb, &key, bpf_jiffies64(), &pick));
}

/* The limit of a whole connect(): a backend known beforehand, but a peer that getpeername can still name. */
SEC("tc")
int bench_remember(struct __sk_buff *skb)
{
	struct lb_frontend_key key = {};
	struct lb_pick pick = {};

	dialled(&key);
	pick.addr.w64[0] = fixed.dst.w64[0];
	pick.addr.w64[1] = fixed.dst.w64[1];
	pick.port = fixed.dport;
	remember((void *)skb, &key, &pick);
	close_oldest();
	return conclude(LB_TRANSLATED);
}

/* A whole connect() of a new socket, and the release of an old one. */
SEC("tc")
int bench_connect(struct __sk_buff *skb)
{
	struct lb_frontend_key key = {};
	struct lb_pick pick = {};
	enum lb_reason why;

	dialled(&key);
	why = choose((void *)skb, &key, bpf_jiffies64(), &pick);
	if (why == LB_TRANSLATED)
		remember((void *)skb, &key, &pick);
	close_oldest();
	return conclude(why);
}
