/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Reserving the tuple replies come back on. The entry in the map is the reservation. */
#ifndef LB_SNAT_H
#define LB_SNAT_H

#include <lb/hash.h>
#include "ct.h"

#define LB_PORT_TRIES 32
/* Where a flow keeps the client's address but must give up its port, any unprivileged port will do. */
#define LB_ANY_PORT_LOW 1024

static __always_inline bool in_snat_range(__be16 port)
{
	__u16 host = bpf_ntohs(port);

	return (host >= cfg.snat_low[0] && host <= cfg.snat_high[0]) ||
	       (host >= cfg.snat_low[1] && host <= cfg.snat_high[1]);
}

static __always_inline __be16 random_port(bool snat, __u32 dice)
{
	__u32 first = cfg.snat_high[0] - cfg.snat_low[0] + 1;
	__u32 second = cfg.snat_high[1] - cfg.snat_low[1] + 1;
	__u32 at;

	if (!snat)
		return bpf_htons(LB_ANY_PORT_LOW + (((__u64)dice * (65536 - LB_ANY_PORT_LOW)) >> 32));
	at = ((__u64)dice * (first + second)) >> 32;
	return bpf_htons(at < first ? cfg.snat_low[0] + at : cfg.snat_low[1] + (at - first));
}

static __always_inline struct lb_ct *reply_lookup(bool snat, const struct lb_tuple *t)
{
	return snat ? bpf_map_lookup_elem(&lb_snat, t) : ct_lookup(t);
}

static __always_inline long reply_update(bool snat, const struct lb_tuple *t, const struct lb_ct *e, __u64 flags)
{
	return snat ? bpf_map_update_elem(&lb_snat, t, e, flags) : ct_update(t, e, flags);
}

/* Same client, same frontend: the entry of an earlier connection of this very flow. */
static __always_inline bool same_flow(const struct lb_ct *a, const struct lb_ct *b)
{
	return a->to_port == b->to_port && a->via_port == b->via_port && lb_addr_equal(&a->to, &b->to) &&
	       lb_addr_equal(&a->via, &b->via);
}

/* Enters `entry` under `reply`, whose dport (the port the backend will see) is the wanted one on entry and the one
 * found on return. Two frontends with one backend and one client port must both work, so a taken tuple means
 * another port, a bounded number of times. */
static __noinline bool reserve(struct lb_tuple *reply, const struct lb_ct *entry, __u64 now, __u32 dice)
{
	bool snat;

	if (!reply || !entry)
		return false;
	snat = entry->flags & LB_CT_SNAT;
	if (snat && !in_snat_range(reply->dport))
		reply->dport = random_port(true, dice);
	for (int i = 0; i < LB_PORT_TRIES; i++) {
		struct lb_ct *taken;

		if (!reply_update(snat, reply, entry, BPF_NOEXIST))
			return true;
		taken = reply_lookup(snat, reply);
		if (taken && (same_flow(taken, entry) || ct_expired(taken, reply->proto, now)))
			return !reply_update(snat, reply, entry, BPF_ANY);
		dice = (__u32)lb_mix(dice + i + 1);
		reply->dport = random_port(snat, dice);
	}
	return false;
}

#endif
