// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* The socket shell: translates once, when a socket connects or an unconnected one sends. The packets then carry
 * the backend's address from the start, so nothing has to be done for them any more.
 *
 * A verdict of 1 lets the call go on, 0 refuses it with the error set before. */
#include <linux/errno.h>
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_endian.h>
#include "config.h"
#include "frontend.h"
#include "maps.h"
#include "metrics.h"
#include "parse.h"
#include "select.h"

#ifndef SOCK_STREAM
#define SOCK_STREAM 1
#define SOCK_DGRAM 2
#endif

static __always_inline bool has_ports(const struct bpf_sock_addr *ctx)
{
	return (ctx->type == SOCK_STREAM && ctx->protocol == IPPROTO_TCP) ||
	       (ctx->type == SOCK_DGRAM && ctx->protocol == IPPROTO_UDP);
}

static __always_inline void dialled_v4(const struct bpf_sock_addr *ctx, struct lb_frontend_key *key)
{
	lb_addr_v4(&key->addr, ctx->user_ip4);
	key->port = ctx->user_port;
	key->proto = ctx->protocol;
}

static __always_inline void dialled_v6(const struct bpf_sock_addr *ctx, struct lb_frontend_key *key)
{
	key->addr.w32[0] = ctx->user_ip6[0];
	key->addr.w32[1] = ctx->user_ip6[1];
	key->addr.w32[2] = ctx->user_ip6[2];
	key->addr.w32[3] = ctx->user_ip6[3];
	key->port = ctx->user_port;
	key->proto = ctx->protocol;
}

static __always_inline void set_v4(struct bpf_sock_addr *ctx, const struct lb_addr *addr, __be16 port)
{
	ctx->user_ip4 = addr->w32[3];
	ctx->user_port = port;
}

static __always_inline void set_v6(struct bpf_sock_addr *ctx, const struct lb_addr *addr, __be16 port)
{
	ctx->user_ip6[0] = addr->w32[0];
	ctx->user_ip6[1] = addr->w32[1];
	ctx->user_ip6[2] = addr->w32[2];
	ctx->user_ip6[3] = addr->w32[3];
	ctx->user_port = port;
}

/* May a process with this view of the network use the frontend? LB_TRANSLATED: yes, select a backend. */
static __always_inline enum lb_reason admit(const struct lb_frontend *frontend, bool host)
{
	if (!(frontend->flags & LB_FRONTEND_RANGES))
		return LB_TRANSLATED;
	if (!host)
		return LB_SOCK_LEFT; /* the pod's address is not known before its packet is */
	return frontend->flags & LB_FRONTEND_ADMITS_NODE ? LB_TRANSLATED : LB_SOURCE_RANGE;
}

/* LB_TRANSLATED: `pick` holds the backend. */
static __always_inline enum lb_reason choose(struct bpf_sock_addr *ctx, const struct lb_frontend_key *key, __u64 now,
					     struct lb_pick *pick)
{
	const struct lb_frontend *frontend = frontend_exact(key);
	__u64 netns = bpf_get_netns_cookie(ctx);
	bool host = netns == cfg.host_netns_cookie;
	struct lb_affinity_key client = {
		.client.w64[1] = netns,
		.frontend = key->addr,
		.port = key->port,
		.proto = key->proto,
		.by_cookie = 1,
	};
	const struct lb_arrival flow = {.tuple = NULL, .outside = false, .starts = true};
	__u32 dice = bpf_get_prandom_u32();
	enum lb_reason why;

	if (cfg.sock_host_only && !host)
		return LB_PASS;
	if (!frontend || (frontend->flags & LB_FRONTEND_TOMBSTONE) ||
	    ((frontend->flags & LB_FRONTEND_HOST_ONLY) && !host))
		return frontend_address(&key->addr) ? LB_PORT_UNSERVED : LB_PASS;
	why = admit(frontend, host);
	if (why != LB_TRANSLATED)
		return why;
	why = select_backend(frontend->inside, &client, key, &flow, dice, now, pick);
	return why == LB_PASS ? LB_TRANSLATED : why;
}

/* Counts, and turns a reason into the verdict for calls that may fail. */
static __always_inline int conclude(enum lb_reason why)
{
	int err = 0;

	switch (why) {
	case LB_PASS:
	case LB_TRANSLATED:
	case LB_SOCK_LEFT:
		break;
	case LB_NO_BACKEND:
	case LB_PORT_UNSERVED:
		err = -ECONNREFUSED;
		break;
	default:
		err = -EHOSTUNREACH;
	}
	if (err && !cfg.can_set_retval) {
		why = LB_SOCK_LEFT; /* the packet path can say it better than EPERM */
		err = 0;
	}
	count(LB_HOOK_SOCK, why, 0);
	if (!err)
		return 1;
	bpf_set_retval(err);
	return 0;
}

/* What this socket was connected to has one connection less. */
static __always_inline void hang_up(__u64 cookie)
{
	const struct lb_sock *sock = bpf_map_lookup_elem(&lb_sock, &cookie);

	if (!sock)
		return;
	load_closed(sock->service, sock->generation);
	bpf_map_delete_elem(&lb_sock, &cookie);
}

/* A UDP socket may be connected again, past the frontends: what it was told before is no longer true. */
static __always_inline void forget(struct bpf_sock_addr *ctx)
{
	if (ctx->protocol == IPPROTO_UDP)
		hang_up(bpf_get_socket_cookie(ctx));
}

static __always_inline void remember(struct bpf_sock_addr *ctx, const struct lb_frontend_key *key,
				     const struct lb_pick *pick)
{
	__u64 cookie = bpf_get_socket_cookie(ctx);
	struct lb_sock sock = {
		.frontend = key->addr,
		.backend = pick->addr,
		.frontend_port = key->port,
		.backend_port = pick->port,
		.position = pick->position,
		.proto = key->proto,
		.service = pick->service,
		.generation = pick->generation,
	};

	hang_up(cookie); /* a second attempt, or a UDP socket that is connected again */
	if (!bpf_map_update_elem(&lb_sock, &cookie, &sock, BPF_ANY))
		load_opened(pick->service, pick->generation);
}

/* The backend's next answers to this socket carry the frontend that was dialled last, and live as long as the choice. */
static __always_inline void name_answers(const struct lb_frontend_key *frontend, const struct lb_pick *pick,
					 __u64 cookie, __u64 now)
{
	struct lb_sock_udp_key back = {
		.cookie = cookie,
		.addr = pick->addr,
		.port = pick->port,
		.direction = LB_DIR_REPLY,
	};
	struct lb_sock_udp *known = bpf_map_lookup_elem(&lb_sock_udp, &back);
	struct lb_sock_udp entry = {
		.addr = frontend->addr,
		.port = frontend->port,
		.position = pick->position,
		.service = pick->service,
		.generation = pick->generation,
		.last_seen = now,
	};

	if (known && known->port == frontend->port && lb_addr_equal(&known->addr, &frontend->addr))
		known->last_seen = now;
	else
		bpf_map_update_elem(&lb_sock_udp, &back, &entry, BPF_ANY);
}

/* A datagram of an unconnected socket: the choice of an earlier one holds while its backend serves. */
static __always_inline enum lb_reason choose_datagram(struct bpf_sock_addr *ctx, const struct lb_frontend_key *key,
						      struct lb_pick *pick)
{
	struct lb_sock_udp_key there = {
		.cookie = bpf_get_socket_cookie(ctx),
		.addr = key->addr,
		.port = key->port,
		.direction = LB_DIR_FORWARD,
	};
	struct lb_sock_udp *known = bpf_map_lookup_elem(&lb_sock_udp, &there);
	const struct lb_frontend *frontend = frontend_exact(key);
	struct lb_sock_udp entry = {};
	__u64 now = bpf_jiffies64();
	enum lb_reason why;

	if (known && frontend && now - known->last_seen < (__u64)cfg.sock_udp_sec * cfg.hz &&
	    frontend_serves(frontend, known->position, known->generation)) {
		known->last_seen = now;
		pick->addr = known->addr;
		pick->port = known->port;
		pick->position = known->position;
		pick->service = known->service;
		pick->generation = known->generation;
		name_answers(key, pick, there.cookie, now);
		return LB_TRANSLATED;
	}
	why = choose(ctx, key, now, pick);
	if (why != LB_TRANSLATED)
		return why;

	known = bpf_map_lookup_elem(&lb_sock_udp, &there);
	if (known)
		load_closed(known->service, known->generation);
	name_answers(key, pick, there.cookie, now);
	entry.addr = pick->addr;
	entry.port = pick->port;
	entry.position = pick->position;
	entry.service = pick->service;
	entry.generation = pick->generation;
	entry.last_seen = now;
	if (!bpf_map_update_elem(&lb_sock_udp, &there, &entry, BPF_ANY))
		load_opened(pick->service, pick->generation);
	return why;
}

/* The frontend behind which this socket knows the peer `key`; false: it really talks to that address. */
static __always_inline bool frontend_of(struct bpf_sock_addr *ctx, const struct lb_frontend_key *key,
					struct lb_addr *addr, __be16 *port)
{
	__u64 cookie = bpf_get_socket_cookie(ctx);
	struct lb_sock_udp_key back = {
		.cookie = cookie,
		.addr = key->addr,
		.port = key->port,
		.direction = LB_DIR_REPLY,
	};
	struct lb_sock *sock = bpf_map_lookup_elem(&lb_sock, &cookie);
	struct lb_sock_udp *udp;

	if (sock && sock->backend_port == key->port && lb_addr_equal(&sock->backend, &key->addr)) {
		*addr = sock->frontend;
		*port = sock->frontend_port;
		return true;
	}
	if (key->proto != IPPROTO_UDP)
		return false;
	udp = bpf_map_lookup_elem(&lb_sock_udp, &back);
	if (!udp)
		return false;
	*addr = udp->addr;
	*port = udp->port;
	return true;
}

SEC("cgroup/connect4")
int connect4(struct bpf_sock_addr *ctx)
{
	struct lb_frontend_key key = {};
	struct lb_pick pick = {};
	enum lb_reason why;

	if (!has_ports(ctx))
		return 1;
	dialled_v4(ctx, &key);
	why = choose(ctx, &key, bpf_jiffies64(), &pick);
	if (why == LB_TRANSLATED) {
		remember(ctx, &key, &pick);
		set_v4(ctx, &pick.addr, pick.port);
	} else {
		forget(ctx);
	}
	return conclude(why);
}

SEC("cgroup/connect6")
int connect6(struct bpf_sock_addr *ctx)
{
	struct lb_frontend_key key = {};
	struct lb_pick pick = {};
	enum lb_reason why;

	if (!has_ports(ctx))
		return 1;
	dialled_v6(ctx, &key);
	why = choose(ctx, &key, bpf_jiffies64(), &pick);
	if (why == LB_TRANSLATED) {
		remember(ctx, &key, &pick);
		set_v6(ctx, &pick.addr, pick.port);
	} else {
		forget(ctx);
	}
	return conclude(why);
}

SEC("cgroup/sendmsg4")
int sendmsg4(struct bpf_sock_addr *ctx)
{
	struct lb_frontend_key key = {};
	struct lb_pick pick = {};
	enum lb_reason why;

	if (!has_ports(ctx))
		return 1;
	dialled_v4(ctx, &key);
	why = choose_datagram(ctx, &key, &pick);
	if (why == LB_TRANSLATED)
		set_v4(ctx, &pick.addr, pick.port);
	return conclude(why);
}

SEC("cgroup/sendmsg6")
int sendmsg6(struct bpf_sock_addr *ctx)
{
	struct lb_frontend_key key = {};
	struct lb_pick pick = {};
	enum lb_reason why;

	if (!has_ports(ctx))
		return 1;
	dialled_v6(ctx, &key);
	why = choose_datagram(ctx, &key, &pick);
	if (why == LB_TRANSLATED)
		set_v6(ctx, &pick.addr, pick.port);
	return conclude(why);
}

/* recvmsg and getpeername: the peer's name is the frontend's again. These calls are never refused. */
static __always_inline int name_v4(struct bpf_sock_addr *ctx)
{
	struct lb_frontend_key key = {};
	struct lb_addr addr;
	__be16 port;

	if (!has_ports(ctx))
		return 1;
	dialled_v4(ctx, &key);
	if (frontend_of(ctx, &key, &addr, &port))
		set_v4(ctx, &addr, port);
	return 1;
}

static __always_inline int name_v6(struct bpf_sock_addr *ctx)
{
	struct lb_frontend_key key = {};
	struct lb_addr addr;
	__be16 port;

	if (!has_ports(ctx))
		return 1;
	dialled_v6(ctx, &key);
	if (frontend_of(ctx, &key, &addr, &port))
		set_v6(ctx, &addr, port);
	return 1;
}

SEC("cgroup/recvmsg4")
int recvmsg4(struct bpf_sock_addr *ctx)
{
	return name_v4(ctx);
}

SEC("cgroup/recvmsg6")
int recvmsg6(struct bpf_sock_addr *ctx)
{
	return name_v6(ctx);
}

SEC("cgroup/getpeername4")
int getpeername4(struct bpf_sock_addr *ctx)
{
	return name_v4(ctx);
}

SEC("cgroup/getpeername6")
int getpeername6(struct bpf_sock_addr *ctx)
{
	return name_v6(ctx);
}

SEC("cgroup/sock_release")
int sock_release(struct bpf_sock *ctx)
{
	hang_up(bpf_get_socket_cookie(ctx));
	return 1;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
