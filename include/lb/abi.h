/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* The contract between the BPF programs and user space: map keys, map values, flags and limits.
 * Compiles as BPF C, C11 and C++23. Any change of a layout below raises LB_ABI_VERSION.
 *
 * Byte order: addresses and `__be16` are network order, everything else is host order.
 * Padding is always named and always zero, so that every byte of a key takes part in its hash. */
#ifndef LB_ABI_H
#define LB_ABI_H

#include <linux/types.h>

#define LB_ABI_VERSION 1

/* IPv6, or IPv4 mapped into ::ffff:0:0/96 (RFC 4291 section 2.5.5.2): one shape for both families. */
struct lb_addr {
	union {
		__u8 bytes[16];
		__be32 w32[4];
		__u64 w64[2];
	};
};

/* What a client dials. port 0 with proto 0 is the wildcard row of an address that belongs to frontends only. */
struct lb_frontend_key {
	struct lb_addr addr;
	__be16 port;
	__u8 proto; /* IPPROTO_TCP, IPPROTO_UDP, IPPROTO_SCTP */
	__u8 pad;
	__u32 pad2;
};

enum lb_frontend_kind {
	LB_KIND_CLUSTER_IP = 1,
	LB_KIND_NODE_PORT = 2,
	LB_KIND_LOAD_BALANCER = 3,
	LB_KIND_EXTERNAL_IP = 4,
};

/* No Service is left behind this row: only tracked TCP and SCTP may still use it (semantics: deleted ports). */
#define LB_FRONTEND_TOMBSTONE (1 << 0)
/* Only processes of the host's network namespace may use it (NodePort on a loopback address). */
#define LB_FRONTEND_HOST_ONLY (1 << 1)
/* The address is one of this node's: a flow without an entry is the host's own business. */
#define LB_FRONTEND_NODE_ADDRESS (1 << 2)
/* Clients must match a source range of the service, see lb_range_key. */
#define LB_FRONTEND_RANGES (1 << 3)
/* With LB_FRONTEND_RANGES: this node's own address matches a range, so its host processes are admitted. */
#define LB_FRONTEND_ADMITS_NODE (1 << 4)

/* Policy is compiled here: which backend set serves which side. Service number 0 is never used. */
struct lb_frontend {
	__u32 inside;  /* service for pods and processes of this node */
	__u32 outside; /* service for everybody else */
	__u8 kind;     /* enum lb_frontend_kind; 0 in a wildcard row */
	__u8 flags;    /* LB_FRONTEND_* */
	__u16 pad;
};

/* One admitted client network of one service (the `inside` number of the frontend).
 * Longest prefix match: prefixlen counts the bits of `service` too, so an IPv4 /24 is 32 + 96 + 24. */
struct lb_range_key {
	__u32 prefixlen;
	__u32 service;
	struct lb_addr addr;
};

/* A service record, the value of lb_services, read and written as one aligned 64-bit word:
 * where the block is, how many rows, how many slots. 0 means: no such service. */
struct lb_service {
	__u32 block; /* byte offset in the arena, a multiple of LB_BLOCK_ALIGN; 0 is never a block */
	__u16 rows;
	__u16 slots;
};

/* A block: header, `rows` backends, `slots` times __u16 (a position), padded to LB_BLOCK_ALIGN. */
#define LB_BLOCK_ALIGN 32

/* Nothing may be chosen, but some node has a usable endpoint: drop instead of reject. */
#define LB_SERVICE_DROP_IF_EMPTY (1 << 0)
/* From outside to backends on other nodes: encapsulated (direct server return) instead of a source of this node. */
#define LB_SERVICE_DSR (1 << 1)
/* That was asked for, but backends share an address, and the outer header names no more than that. */
#define LB_SERVICE_DSR_SHARED (1 << 2)

/* What names the slot of a new flow; the IPVS set after ipvsadm(8). */
enum lb_algorithm {
	LB_ALGORITHM_DEFAULT = 0, /* from outside as maglev, from inside as random */
	LB_ALGORITHM_MAGLEV,	  /* the hash of the flow; chance where no source port is known yet, at a socket */
	LB_ALGORITHM_RANDOM,	  /* chance */
	LB_ALGORITHM_SH,	  /* the hash of the client's address */
	LB_ALGORITHM_DH,	  /* the hash of the frontend's address */
	LB_ALGORITHM_RR,	  /* each in its turn, see lb_turns in bpf/maps.h */
	LB_ALGORITHM_WRR,	  /* the same; the slots hold as many turns of each as its weight asks for */
	LB_ALGORITHM_LC,	  /* fewest connections, see struct lb_load */
	LB_ALGORITHM_WLC,	  /* fewest connections for its weight */
	LB_ALGORITHM_SED,	  /* the same, the one to come counted in */
	LB_ALGORITHM_NQ,	  /* an idle one, else as SED */
};

/* LC, WLC, SED and NQ compare so many slots: all of them in a block that has no more, else as many neighbours,
 * beginning with a slot that chance names. */
#define LB_COMPARED_SLOTS 64

struct lb_block {
	__u32 service; /* own number: a reader of dumps can check the record against it */
	__u16 rows;
	__u16 slots;
	__u32 affinity_timeout_sec; /* 0: no session affinity */
	__u32 affinity_epoch;	    /* generation at which affinity was switched on; older entries are void */
	__u16 flags;		    /* LB_SERVICE_* */
	__u8 algorithm;		    /* enum lb_algorithm */
	__u8 pad[11];
	__u16 first_local; /* with LB_SERVICE_DSR: position + 1 of the first row with LB_BACKEND_LOCAL; 0: none */
};

/* May be named by slots: new flows can land here. */
#define LB_BACKEND_CHOSEN (1 << 0)
/* Still answers: flows that know it may stay. */
#define LB_BACKEND_SERVING (1 << 1)
/* Runs on this node: reached without leaving it, needs no source translation. */
#define LB_BACKEND_LOCAL (1 << 2)
/* Terminating: serves its old flows (or all, when nothing else is left). */
#define LB_BACKEND_TERMINATING (1 << 3)

/* One endpoint at its position. All zero: the position is vacant. An endpoint that is in both sets of a Service port
 * has the same position and generation in both. */
struct lb_backend {
	struct lb_addr addr;
	__be16 port;
	__u16 flags;	  /* LB_BACKEND_* */
	__u32 generation; /* given once on this node, for ever; a ct or affinity entry with another one is void */
	__u16 weight; /* 0: no new flow lands here */
	__u16 pad[2];
	__u16 next_local; /* position + 1 of the next one, always higher; 0: none */
};

/* As many backends of a service on one node are looked at for the one that an outer header names. */
#define LB_LOCAL_MAX 256

#define LB_MAX_ROWS 32768
#define LB_MAX_SLOTS 65521

/* What a service number stands for: the agent adopts numbers by it after a restart, naructl prints it. */
#define LB_NAME_LEN 64
#define LB_UID_LEN 40

enum lb_scope {
	LB_SCOPE_CLUSTER = 1, /* all endpoints */
	LB_SCOPE_LOCAL = 2,   /* endpoints of this node */
};

struct lb_service_name {
	char ns[LB_NAME_LEN];
	char name[LB_NAME_LEN];
	char port_name[LB_NAME_LEN];
	char uid[LB_UID_LEN];
	__u8 proto;
	__u8 family; /* 4 or 6 */
	__u8 scope;  /* enum lb_scope */
	__u8 type;   /* enum lb_service_type */
	__u32 pad;
};

enum lb_service_type {
	LB_TYPE_CLUSTER_IP = 1,
	LB_TYPE_NODE_PORT = 2,
	LB_TYPE_LOAD_BALANCER = 3,
};

/* Node-wide state of the agent, the only value of lb_node. */
struct lb_node {
	__u32 abi_version;
	__u32 next_generation; /* never reset, never 0 */
	__u32 arena_bytes;
	__u32 l3_devices; /* 1: some row of lb_devices says LB_DEVICE_L3 */
	struct lb_addr primary4; /* source of last resort for translated flows; zero: none */
	struct lb_addr primary6;
};

#define LB_DEVICE_UPLINK (1 << 0)
#define LB_DEVICE_WORKLOAD (1 << 1)
/* Its packets begin with the IP header: tun, WireGuard, ipip, ... */
#define LB_DEVICE_L3 (1 << 2)

/* A device with programs, by ifindex. Neither uplink nor workload: it only has addresses of this node, and only its
 * egress is watched. */
struct lb_device {
	__u32 flags;	       /* LB_DEVICE_* */
	__u32 master;	       /* ifindex of its bridge, 0: none */
	struct lb_addr addr4;  /* its preferred global addresses; zero: none */
	struct lb_addr addr6;
	__u8 mac[6];
	__u8 pad[2];
};

/* Five words that name a flow as it is on the wire. */
struct lb_tuple {
	struct lb_addr src;
	struct lb_addr dst;
	__be16 sport;
	__be16 dport;
	__u8 proto;
	__u8 direction; /* enum lb_direction */
	__u16 pad;
};

enum lb_direction {
	LB_DIR_FORWARD = 0, /* client -> frontend */
	LB_DIR_REPLY = 1,	/* backend -> client, or backend -> this node's translated source */
};

enum lb_ct_state {
	LB_CT_OPEN = 1,	       /* the handshake is not over, or nothing came back */
	LB_CT_ESTABLISHED = 2, /* both sides have spoken */
	LB_CT_CLOSING = 3,     /* RST, or FIN from both sides; what says so in SCTP: sctp.h */
};

/* A connection entry (ct), in lb_ct_tcp or lb_ct_any.
 * Under the LB_DIR_FORWARD tuple: to = backend, via = source the backend sees (often the client's own).
 * Under the LB_DIR_REPLY tuple:   to = client, via = frontend: what a reply must carry.
 * The reply of a flow that borrows an address of this node lives in lb_snat with the same shape. */
struct lb_ct {
	struct lb_addr to;
	struct lb_addr via;
	__be16 to_port;
	__be16 via_port;
	__u8 state; /* enum lb_ct_state */
	__u8 flags; /* LB_CT_* */
	__u16 position;
	__u32 service;
	__u32 generation;
	__u64 last_seen; /* jiffies */
};

/* Client and backend are one pod: packets leave by the device they came in on. */
#define LB_CT_HAIRPIN (1 << 0)
/* The source is an address of this node: replies are found in lb_snat. */
#define LB_CT_SNAT (1 << 1)
/* Something came back. */
#define LB_CT_REPLIED (1 << 2)
/* The backend has sent more than a SYN: another SYN from it belongs to another connection. */
#define LB_CT_SPOKE (1 << 3)
/* This direction has sent its FIN. */
#define LB_CT_FIN (1 << 4)
/* The client is a process of this node that was served at egress: replies go to the host by way of lo. */
#define LB_CT_HOST (1 << 6)
/* Closing because of a RST while it was established: what follows that is no RST says that nobody believed it. */
#define LB_CT_RESET (1 << 5)

/* Sent on encapsulated: `via` is the source of the outer header. There is no entry for replies, which pass elsewhere,
 * so the flow counts as answered from its beginning. */
#define LB_CT_DSR (1 << 7)
/* Of such a flow only the client's FIN is seen: so long it may then stay idle. */
#define LB_DSR_FIN_SEC 120

/* Connections of one backend, by its generation, as far as programs have seen them begin and end while its service's
 * algorithm compared them. The difference is what is open; what was evicted or has expired the sweep sets right. */
struct lb_load {
	__u64 opened;
	__u64 closed;
};

/* ClientIP affinity: one client on one frontend. */
struct lb_affinity_key {
	struct lb_addr client; /* source address, or the network namespace cookie in w64[1] */
	struct lb_addr frontend;
	__be16 port;
	__u8 proto;
	__u8 by_cookie; /* 1: client is a cookie */
	__u32 pad;
};

struct lb_affinity {
	__u64 last_seen; /* jiffies */
	__u32 service;
	__u32 generation;
	__u32 epoch;
	__u16 position;
	__u16 pad;
};

/* What a socket was told and what it really got: keyed by socket cookie. */
struct lb_sock {
	struct lb_addr frontend;
	struct lb_addr backend;
	__be16 frontend_port;
	__be16 backend_port;
	__u16 position;
	__u8 proto;
	__u8 pad;
	__u32 service;
	__u32 generation;
};

/* An unconnected UDP socket may talk to many frontends: per (socket, frontend) its backend, and back. */
struct lb_sock_udp_key {
	__u64 cookie;
	struct lb_addr addr; /* LB_DIR_FORWARD: frontend; LB_DIR_REPLY: backend */
	__be16 port;
	__u8 direction;
	__u8 pad;
	__u32 pad2;
};

struct lb_sock_udp {
	struct lb_addr addr; /* the other one */
	__be16 port;
	__u16 position;
	__u32 service;
	__u32 generation;
	__u32 pad;
	__u64 last_seen; /* jiffies */
};

/* An address and port that served UDP Services and serves none any more: sockets that were connected to it by way of a
 * frontend shall hear of it. */
struct lb_udp_gone_key {
	struct lb_addr addr;
	__be16 port;
	__u16 pad;
	__u32 pad2;
};

struct lb_udp_gone {
	__u64 since; /* jiffies */
};

/* So long everybody who sends to such an address is told, where it cannot be known which socket sends. */
#define LB_UDP_GONE_SEC 60

/* A datagram that travels in pieces, as each of them names it. */
struct lb_fragment_key {
	struct lb_addr src;
	struct lb_addr dst;
	__be32 id;
	__u8 proto; /* IPv4 only: RFC 8200 section 4.5 does not count it */
	__u8 hook;  /* enum lb_hook: a datagram is seen once coming in and once going out */
	/* Whose pieces are told apart: the ifindex of the way out, or of the workload they come from; 0: from outside, by
	 * whatever uplink. */
	__u16 place;
};

#define LB_FRAGMENT_RANGES 8

/* What its first piece was given, and which pieces have gone by. */
struct lb_fragment {
	struct lb_addr src; /* what every piece must carry */
	struct lb_addr dst;
	__u64 since;   /* jiffies */
	__u8 reason;   /* enum lb_reason */
	__u8 way;      /* as in the programs' rewrites */
	__u8 complete; /* all pieces have gone by: another first one begins another datagram */
	__u8 pad;
	__u16 head; /* behind the first piece, in units of eight bytes, as below */
	__u16 end;  /* behind the last piece; 0: not seen yet */
	struct {
		__u16 first;
		__u16 behind;
	} ranges[LB_FRAGMENT_RANGES];
};

/* No receiver need wait longer for the rest of a datagram (RFC 791 section 3.2), and IPv4 senders come back to the
 * same identification soon (RFC 4963). */
#define LB_FRAGMENT_SEC 15

/* Per-CPU counter of one reason on one hook, see reason.h. */
struct lb_counter {
	__u64 packets;
	__u64 bytes;
};

enum lb_hook {
	LB_HOOK_SOCK = 0,
	LB_HOOK_TC_INGRESS = 1,
	LB_HOOK_TC_EGRESS = 2,
	LB_HOOK_XDP = 3,
	LB_HOOK_COUNT = 4,
};
#define LB_METRIC_STRIDE 64 /* lb_metrics index = hook * stride + reason */

/* Token bucket of one CPU. */
struct lb_bucket {
	__u64 filled; /* jiffies */
	__u64 tokens;
};
enum lb_limit {
	LB_LIMIT_REJECT = 0,
	LB_LIMIT_NEW_FLOW = 1,
	LB_LIMIT_COUNT = 2,
};

/* Set by the loader before load, constant afterwards: the verifier prunes what is switched off. */
struct lb_config {
	__u64 host_netns_cookie;
	__u32 hz;
	__u32 seed; /* of all hashes; equal on all nodes */
	__u32 arena_bytes;
	__u32 reject_per_sec;	/* per CPU */
	__u32 new_flow_per_sec; /* per CPU */
	__u16 snat_low[2];	/* two inclusive port ranges, host order */
	__u16 snat_high[2];
	__u8 sock_host_only; /* --socket-lb host */
	__u8 can_set_retval; /* bpf_set_retval works for sock_addr programs */
	__u8 fib_src;	     /* bpf_fib_lookup names the preferred source */
	__u8 host_packets;   /* --socket-lb off: processes of the host are served at egress */
	__u8 xdp_frags;	     /* frames may come in several buffers */
	__u8 pad[7];
	__u32 tcp_unreplied_sec;
	__u32 tcp_established_sec;
	__u32 tcp_closing_sec;
	__u32 udp_sec;
	__u32 udp_unreplied_sec;
	__u32 sock_udp_sec;
};

#define LB_DEFAULT_SEED 0x6e617275 /* "naru" */

/* Map names (at most 15 characters) and default sizes. */
#define LB_FRONTENDS_MAX 131072
#define LB_SERVICES_MAX 131072
#define LB_RANGES_MAX 65536
#define LB_DEVICES_MAX 4096
#define LB_OWN_MAX 16384
#define LB_ARENA_BYTES (64u << 20)
#define LB_CT_MAX 262144
#define LB_SNAT_MAX 131072
#define LB_AFFINITY_MAX 65536
#define LB_LOADS_MAX 65536
#define LB_SOCK_MAX 131072
#define LB_UDP_GONE_MAX 8192
#define LB_FRAGMENTS_MAX 16384

#endif
