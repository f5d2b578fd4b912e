/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Between the bench's programs and its user space: the flows a run walks through, and what it does with them. */
#ifndef BENCH_FLOW_H
#define BENCH_FLOW_H

#include <lb/abi.h>

#define BENCH_FLOWS 65536 /* a power of two: the index is masked */
#define BENCH_ALIVE 1024  /* sockets open at any time in the socket programs */

struct bench_flow {
	struct lb_addr src;
	struct lb_addr dst;
	__be16 sport;
	__be16 dport;
	__u32 pad;
};

struct bench_state {
	__u64 run;	/* runs so far, never reset: what makes a fresh flow fresh */
	__u32 mask;	/* number of flows in use, minus one */
	__u8 tcp_flags; /* written into every TCP packet */
	__u8 fresh;	/* 1: no client address is ever used twice */
	__u16 pad;
};

#endif
