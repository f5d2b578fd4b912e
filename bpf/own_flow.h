/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Flows of the node itself that borrow a frontend's number: a masqueraded pod or a process of the host sends from the
 * node's address and a port that also is a NodePort. An answer to it must not be taken for a request. TCP and
 * SCTP need no such note, because an answer starts no connection. */
#ifndef LB_OWN_FLOW_H
#define LB_OWN_FLOW_H

#include "ct.h"
#include "frontend.h"
#include "maps.h"
#include "metrics.h"

static __always_inline bool came_from_uplink(const struct __sk_buff *skb)
{
	__u32 ifindex = skb->ingress_ifindex;
	const struct lb_device *device = bpf_map_lookup_elem(&lb_devices, &ifindex);

	return device && (device->flags & LB_DEVICE_UPLINK);
}

/* For a packet that leaves and is no reply of ours. What came from an uplink is passed on for others: an answer of a
 * remote backend that already carries the frontend's name. */
static __always_inline void note_own_flow(const struct __sk_buff *skb, const struct lb_packet *p, __u64 now)
{
	struct lb_frontend_key from = {.addr = p->tuple.src, .port = p->tuple.sport, .proto = p->tuple.proto};
	struct lb_tuple answer = {
		.src = p->tuple.dst,
		.dst = p->tuple.src,
		.sport = p->tuple.dport,
		.dport = p->tuple.sport,
		.proto = p->tuple.proto,
		.direction = LB_DIR_FORWARD,
	};
	struct lb_ct own = {
		.to = answer.dst,
		.via = answer.src,
		.to_port = answer.dport,
		.via_port = answer.sport,
		.state = LB_CT_OPEN, /* the short lifetime */
		.last_seen = now,
	};
	const struct lb_frontend *frontend;
	struct lb_ct *entry;

	if (lb_has_connections(p->tuple.proto))
		return;
	frontend = frontend_exact(&from);
	if (!frontend || !(frontend->flags & LB_FRONTEND_NODE_ADDRESS) || came_from_uplink(skb))
		return;
	entry = ct_lookup(&answer);
	if (entry && !ct_expired(entry, answer.proto, now)) {
		if (ct_is_own(entry) && now - entry->last_seen >= cfg.hz)
			entry->last_seen = now;
		return;
	}
	if (within_limit(LB_LIMIT_NEW_FLOW, cfg.new_flow_per_sec, now))
		ct_update(&answer, &own, BPF_ANY);
}

#endif
