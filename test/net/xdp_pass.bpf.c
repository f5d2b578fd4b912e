// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Lets everything pass, frames of several buffers too. A veth takes frames that XDP sends from its peer only while it
 * has a program as well. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("xdp.frags")
int pass(struct xdp_md *ctx)
{
	(void)ctx;
	return XDP_PASS;
}
