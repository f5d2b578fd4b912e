/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Who else wants a frontend that is served for somebody. No program reads it: the agent writes it for naructl.
 * Compiles as BPF C, C11 and C++23; part of the contract, see abi.h. */
#ifndef LB_SHADOWED_H
#define LB_SHADOWED_H

#include "abi.h"

/* One Service that waits for a frontend. */
struct lb_shadowed_key {
	struct lb_frontend_key frontend;
	__u32 rank; /* 1: it is the next owner */
	__u32 pad;
};

struct lb_shadowed {
	char ns[LB_NAME_LEN];
	char name[LB_NAME_LEN];
	__u8 kind; /* enum lb_frontend_kind, of its claim */
	__u8 pad[7];
};

#define LB_SHADOWED_MAX 16384

#endif
