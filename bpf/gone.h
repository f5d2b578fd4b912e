/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Datagrams that a connected socket of a pod still sends to a backend which has gone. */
#ifndef LB_GONE_H
#define LB_GONE_H

#include <lb/reason.h>
#include "config.h"
#include "maps.h"
#include "parse.h"

/* Was the sender connected to this address by way of a frontend? The packet leads to its socket as long as no other
 * stack has handled it (a pod that routes for others, a virtual machine): then nobody knows, and for some time all are
 * taken for such. Whoever dials a pod by its own address is left alone. */
static __always_inline bool sent_by_translated(struct __sk_buff *skb, const struct lb_packet *p,
					       const struct lb_udp_gone *gone, __u64 now)
{
	__u64 cookie = bpf_get_socket_cookie(skb);
	const struct lb_sock *sock;

	if (!cookie)
		return now - gone->since < (__u64)LB_UDP_GONE_SEC * cfg.hz;
	sock = bpf_map_lookup_elem(&lb_sock, &cookie);
	return sock && sock->proto == IPPROTO_UDP && sock->backend_port == p->tuple.dport &&
	       lb_addr_equal(&sock->backend, &p->tuple.dst);
}

/* LB_PASS: an ordinary packet. */
static __always_inline enum lb_reason to_former_backend(struct __sk_buff *skb, const struct lb_packet *p, __u64 now)
{
	struct lb_udp_gone_key key = {.addr = p->tuple.dst, .port = p->tuple.dport};
	const struct lb_udp_gone *gone;

	if (p->tuple.proto != IPPROTO_UDP || p->l4_kind != LB_L4_PORTS)
		return LB_PASS;
	gone = bpf_map_lookup_elem(&lb_udp_gone, &key);
	return gone && sent_by_translated(skb, p, gone, now) ? LB_BACKEND_GONE : LB_PASS;
}

#endif
