/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Every map: who writes it, who reads it, how long an entry lives, what happens when it is full.
 * Desired state has one writer, the agent. Flow state has one writer, the programs; the agent may only delete. */
#ifndef LB_MAPS_H
#define LB_MAPS_H

#include <stdbool.h>
#include <stddef.h>
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <lb/abi.h>
#include <lb/shadowed.h>

/* ---- desired state: full means that the agent refuses the new object whole ---- */

/* What a client dials -> which service, for each side. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, LB_FRONTENDS_MAX);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct lb_frontend_key);
	__type(value, struct lb_frontend);
} lb_frontends SEC(".maps");

/* Service number -> record (struct lb_service as one word). Written by the agent through mmap. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, LB_SERVICES_MAX);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, __u64);
} lb_services SEC(".maps");

/* All blocks: one value, so that a program reads it without a helper call. Written by the agent through mmap;
 * what a record named is reused only after an RCU grace period. The loader may shrink it (kernel 5.10: 4 MiB). */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, LB_ARENA_BYTES);
} lb_arena SEC(".maps");

/* Client networks admitted to a service whose frontend says LB_FRONTEND_RANGES. */
struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, LB_RANGES_MAX);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct lb_range_key);
	__type(value, __u32);
} lb_ranges SEC(".maps");

/* Devices that carry programs, by ifindex. No entry: the ingress program leaves every packet
 * alone, the egress program still gives replies of known flows their frontend. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, LB_DEVICES_MAX);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u32);
	__type(value, struct lb_device);
} lb_devices SEC(".maps");

/* Addresses of this node -> the device that has them and carries programs. Only where host processes are served at
 * egress; an address that is missing cannot be a source of theirs. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, LB_OWN_MAX);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct lb_addr);
	__type(value, __u32);
} lb_own SEC(".maps");

/* The node's own constants that may change while it runs. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct lb_node);
} lb_node SEC(".maps");

/* Service number -> what it stands for. No program reads it: for the agent after a restart, and for naructl. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, LB_SERVICES_MAX);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u32);
	__type(value, struct lb_service_name);
} lb_names SEC(".maps");

/* Services that want a frontend which another one owns. No program reads it: for naructl. Full: who comes last is not
 * shown. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, LB_SHADOWED_MAX);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct lb_shadowed_key);
	__type(value, struct lb_shadowed);
} lb_shadowed SEC(".maps");

/* Former backends of UDP Services, for sockets that are still connected to them. Full: the one that left first makes
 * room, and sockets that are still connected to it hear nothing. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, LB_UDP_GONE_MAX);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct lb_udp_gone_key);
	__type(value, struct lb_udp_gone);
} lb_udp_gone SEC(".maps");

/* ---- flow state: LRU, full means that the entry not used for longest goes ---- */

/* TCP and SCTP. What is established must outlive floods of other protocols, hence a table of its own. (Its replies to a
 * source of this node are in lb_snat, which all protocols share.) */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, LB_CT_MAX);
	__type(key, struct lb_tuple);
	__type(value, struct lb_ct);
} lb_ct_tcp SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, LB_CT_MAX);
	__type(key, struct lb_tuple);
	__type(value, struct lb_ct);
} lb_ct_any SEC(".maps");

/* Replies to a source of this node. An entry is the reservation of its port for that backend. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, LB_SNAT_MAX);
	__type(key, struct lb_tuple);
	__type(value, struct lb_ct);
} lb_snat SEC(".maps");

/* Whose turn it is in a service that takes turns: the slot of the next new flow. The lock, because not all kernels have
 * an atomic add that returns something. No program of user space reads it. */
struct lb_turn {
	struct bpf_spin_lock lock;
	__u32 slot;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, LB_SERVICES_MAX);
	__type(key, __u32);
	__type(value, struct lb_turn);
} lb_turns SEC(".maps");

/* Generation of a backend -> its connections, in services whose algorithm compares them. Made by the programs with the
 * first connection; the agent's sweep sets it right and deletes it when the backend has gone. Full: a backend without
 * an entry counts as idle. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, LB_LOADS_MAX);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u32);
	__type(value, struct lb_load);
} lb_loads SEC(".maps");

/* ClientIP. Losing an entry means a fresh pick. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, LB_AFFINITY_MAX);
	__type(key, struct lb_affinity_key);
	__type(value, struct lb_affinity);
} lb_affinity SEC(".maps");

/* Connected sockets: deleted when the socket is. Losing an entry: getpeername names the backend. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, LB_SOCK_MAX);
	__type(key, __u64);
	__type(value, struct lb_sock);
} lb_sock SEC(".maps");

/* Unconnected UDP sockets. Losing an entry: the next datagram may pick another backend. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, LB_SOCK_MAX);
	__type(key, struct lb_sock_udp_key);
	__type(value, struct lb_sock_udp);
} lb_sock_udp SEC(".maps");

/* Datagrams in pieces. Losing an entry: the pieces that still come are dropped, and the datagram with them. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, LB_FRAGMENTS_MAX);
	__type(key, struct lb_fragment_key);
	__type(value, struct lb_fragment);
} lb_fragments SEC(".maps");

/* ---- counters ---- */

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, LB_HOOK_COUNT * LB_METRIC_STRIDE);
	__type(key, __u32);
	__type(value, struct lb_counter);
} lb_metrics SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, LB_LIMIT_COUNT);
	__type(key, __u32);
	__type(value, struct lb_bucket);
} lb_buckets SEC(".maps");

#endif
