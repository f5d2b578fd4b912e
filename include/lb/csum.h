/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Internet checksums changed in place (RFC 1624): sums of words as they lie in memory, whatever the byte order.
 * Compiles as BPF C, C11 and C++23. */
#ifndef LB_CSUM_H
#define LB_CSUM_H

#include "abi.h"

#ifndef __always_inline
#define __always_inline inline __attribute__((always_inline))
#endif

/* A sum of at most 2^32 words as 16 bits, carries added back. */
static __always_inline __u16 lb_csum_fold(__u64 sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (__u16)sum;
}

/* What a sum gains when one word takes the place of another. */
static __always_inline __u64 lb_csum_change(__u16 from, __u16 to)
{
	return (__u64)(__u16)~from + to;
}

/* The same for an address. The prefix that IPv4 addresses carry cancels out. */
static __always_inline __u64 lb_csum_change_addr(const struct lb_addr *from, const struct lb_addr *to)
{
	__u64 sum = 0;

	for (int i = 0; i < 4; i++)
		sum += (__u64)(__u32)~from->w32[i] + to->w32[i];
	return sum;
}

/* The checksum of data whose sum gained `change`. */
static __always_inline __u16 lb_csum_patch(__u16 check, __u64 change)
{
	return (__u16)~lb_csum_fold((__u64)(__u16)~check + change);
}

#endif
