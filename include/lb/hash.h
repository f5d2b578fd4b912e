/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* From a flow to a slot: the same code in the BPF programs, the agent, naructl and the tests.
 *
 * The sum of products is multilinear hashing (Carter and Wegman 1979; Lemire and Kaser, "Strongly universal
 * string hashing is fast", 2014): independent multiplications, one addition chain, the high half counts.
 * The last step is the finalizer of splitmix64 (Steele, Lea, Flood, OOPSLA 2014). */
#ifndef LB_HASH_H
#define LB_HASH_H

#include "abi.h"

#ifndef __always_inline
#define __always_inline inline __attribute__((always_inline))
#endif

static __always_inline __u64 lb_mix(__u64 x)
{
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
	return x ^ (x >> 31);
}

/* Address, port and protocol of one side. The words are read as the CPU reads memory: little endian is
 * what naru runs on, and every node of a cluster must agree. */
static __always_inline __u64 lb_hash_end(const struct lb_addr *addr, __be16 port, __u64 odd)
{
	return (addr->w64[0] + odd) * 0x9e3779b97f4a7c15ULL + (addr->w64[1] ^ odd) * 0xd6e8feb86659fd93ULL +
	       (port + odd) * 0xa0761d6478bd642fULL;
}

/* Gives the second end multipliers of its own: or else what one end gains and the other loses would cancel out. */
#define LB_HASH_OTHER_END 0x9fb21c651e98df25ULL

/* 5-tuple; direction and padding do not count. */
static __always_inline __u32 lb_hash_tuple(const struct lb_tuple *t, __u32 seed)
{
	__u64 sum = lb_hash_end(&t->src, t->sport, 0xe7037ed1a0b428dbULL + seed) +
		    lb_hash_end(&t->dst, t->dport, 0x8ebc6af09c88c6e3ULL + seed) * LB_HASH_OTHER_END +
		    t->proto * 0x589965cc75374cc3ULL;

	return (__u32)(lb_mix(sum) >> 32);
}

/* A client and the frontend it dials, without the source port: the first pick under ClientIP affinity. */
static __always_inline __u32 lb_hash_client(const struct lb_addr *client, const struct lb_frontend_key *frontend,
					    __u32 seed)
{
	__u64 sum = lb_hash_end(client, 0, 0xe7037ed1a0b428dbULL + seed) +
		    lb_hash_end(&frontend->addr, frontend->port, 0x8ebc6af09c88c6e3ULL + seed) * LB_HASH_OTHER_END +
		    frontend->proto * 0x589965cc75374cc3ULL;

	return (__u32)(lb_mix(sum) >> 32);
}

/* One address alone: algorithms sh and dh. */
static __always_inline __u32 lb_hash_address(const struct lb_addr *addr, __u32 seed)
{
	return (__u32)(lb_mix(lb_hash_end(addr, 0, 0xe7037ed1a0b428dbULL + seed)) >> 32);
}

/* Identity of a backend: what Maglev permutes by. */
static __always_inline __u64 lb_hash_backend(const struct lb_addr *addr, __be16 port, __u32 seed)
{
	return lb_mix(lb_hash_end(addr, port, 0x2545f4914f6cdd1dULL + seed));
}

/* Multiply-shift instead of modulo: any table size, no division (Lemire, "Fast random integer generation in
 * an interval", 2019). */
static __always_inline __u32 lb_slot(__u32 hash, __u16 slots)
{
	return (__u32)(((__u64)hash * slots) >> 32);
}

#endif
