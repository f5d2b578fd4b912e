/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* What naru knows of transport protocols beside their headers. Compiles as BPF C, C11 and C++23. */
#ifndef LB_PROTOCOL_H
#define LB_PROTOCOL_H

#include <stdbool.h>
#include "csum.h" /* __always_inline */

#define LB_PROTO_TCP 6
#define LB_PROTO_UDP 17
#define LB_PROTO_SCTP 132

/* What a packet of TCP says about its connection. Other protocols are read in these words. */
#define LB_TCP_FIN 0x01
#define LB_TCP_SYN 0x02
#define LB_TCP_RST 0x04
#define LB_TCP_ACK 0x10

/* Of these three: do its ends say when a connection begins and ends? One bit tells, so that a verifier follows two ways
 * instead of three. */
static __always_inline bool lb_has_connections(__u8 proto)
{
	return proto & (LB_PROTO_TCP & LB_PROTO_SCTP & ~LB_PROTO_UDP);
}

#endif
