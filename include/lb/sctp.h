/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* SCTP (RFC 9260) as far as a balancer looks at it. Compiles as BPF C, C11 and C++23. */
#ifndef LB_SCTP_H
#define LB_SCTP_H

#include "protocol.h"

/* The common header, and the first four bytes of the chunk that every packet has. */
struct lb_sctp_header {
	__be16 source;
	__be16 dest;
	__be32 tag;
	__u32 checksum; /* the lowest byte first; 0: left to whoever sends the packet */
	__u8 chunk;
	__u8 chunk_flags;
	__be16 chunk_len;
};

#define LB_SCTP_DATA 0
#define LB_SCTP_INIT 1
#define LB_SCTP_INIT_ACK 2
#define LB_SCTP_HEARTBEAT 4
#define LB_SCTP_HEARTBEAT_ACK 5
#define LB_SCTP_ABORT 6
#define LB_SCTP_SHUTDOWN 7
#define LB_SCTP_SHUTDOWN_ACK 8
#define LB_SCTP_COOKIE_ECHO 10
#define LB_SCTP_COOKIE_ACK 11
#define LB_SCTP_SHUTDOWN_COMPLETE 14

/* What a packet says about its association, by its first chunk, in TCP's flags. A heartbeat and its answer say nothing:
 * with them an end tries from another address whether there is a second way, which is no reason to choose for it. */
static __always_inline __u8 lb_sctp_flags(__u8 chunk)
{
	switch (chunk) {
	case LB_SCTP_INIT:
		return LB_TCP_SYN;
	case LB_SCTP_INIT_ACK:
		return LB_TCP_SYN | LB_TCP_ACK;
	case LB_SCTP_ABORT:
		return LB_TCP_RST;
	case LB_SCTP_SHUTDOWN:
	case LB_SCTP_SHUTDOWN_ACK:
	case LB_SCTP_SHUTDOWN_COMPLETE:
		return LB_TCP_FIN | LB_TCP_ACK;
	case LB_SCTP_HEARTBEAT:
	case LB_SCTP_HEARTBEAT_ACK:
		return 0;
	default:
		return LB_TCP_ACK;
	}
}

#endif
