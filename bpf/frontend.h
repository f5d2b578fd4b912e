/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Is this address and port something a client may dial, and may this client? */
#ifndef LB_FRONTEND_H
#define LB_FRONTEND_H

#include <lb/abi.h>
#include "maps.h"
#include "service.h"

static __always_inline const struct lb_frontend *frontend_exact(const struct lb_frontend_key *key)
{
	return bpf_map_lookup_elem(&lb_frontends, key);
}

/* Does the frontend's Service still have the backend that a flow remembers? The sets of both sides share positions and
 * generations, so a change of policy moves no flow; a generation is given to one backend of one Service only, so a flow
 * of another Service, whose frontend this was, may not stay. */
static __always_inline bool frontend_serves(const struct lb_frontend *frontend, __u16 position, __u32 generation)
{
	return still_serves(frontend->inside, position, generation) ||
	       (frontend->outside != frontend->inside && still_serves(frontend->outside, position, generation));
}

/* An address that belongs to frontends only: whatever port is dialled, it is never the host's. */
static __always_inline bool frontend_address(const struct lb_addr *addr)
{
	struct lb_frontend_key any = {.addr = *addr};

	return bpf_map_lookup_elem(&lb_frontends, &any) != NULL;
}

static __always_inline bool in_source_ranges(__u32 service, const struct lb_addr *client)
{
	struct lb_range_key key = {.prefixlen = 32 + 128, .service = service, .addr = *client};

	return bpf_map_lookup_elem(&lb_ranges, &key) != NULL;
}

#endif
