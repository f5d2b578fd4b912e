/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* How many connections a backend has. Counted where one is seen to begin and to end, for services whose algorithm
 * compares them; other services pay a look at their block. Beginnings and ends have a counter each, so that the sweep
 * can tell what happened while it walked. */
#ifndef LB_LOAD_H
#define LB_LOAD_H

#include <lb/abi.h>
#include "maps.h"
#include "service.h"

static __always_inline bool compares_loads(__u8 algorithm)
{
	return algorithm >= LB_ALGORITHM_LC && algorithm <= LB_ALGORITHM_NQ;
}

static __always_inline bool service_compares_loads(__u32 number)
{
	const struct lb_block *block;
	struct lb_service record;

	if (!service_record(number, &record))
		return false;
	block = block_of(&record);
	return block && compares_loads(block->algorithm);
}

/* Both are functions of their own, verified once: packets call them from many places. */

__noinline int load_opened(__u32 service, __u32 generation)
{
	const struct lb_load first = {.opened = 1};
	struct lb_load *load;

	if (!service_compares_loads(service))
		return 0;
	load = bpf_map_lookup_elem(&lb_loads, &generation);
	if (!load) {
		if (!bpf_map_update_elem(&lb_loads, &generation, &first, BPF_NOEXIST))
			return 0;
		load = bpf_map_lookup_elem(&lb_loads, &generation); /* another CPU was first */
	}
	if (load)
		__sync_fetch_and_add(&load->opened, 1);
	return 0;
}

__noinline int load_closed(__u32 service, __u32 generation)
{
	struct lb_load *load;

	if (!service_compares_loads(service))
		return 0;
	load = bpf_map_lookup_elem(&lb_loads, &generation);
	if (load)
		__sync_fetch_and_add(&load->closed, 1);
	return 0;
}

/* Ends of connections that began before the service compared them come without a beginning: fewer than none is none. */
static __always_inline __u64 open_connections(__u32 generation)
{
	const struct lb_load *load = bpf_map_lookup_elem(&lb_loads, &generation);

	return load && load->opened > load->closed ? load->opened - load->closed : 0;
}

#endif
