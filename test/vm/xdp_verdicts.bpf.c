// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* The least that XDP can do with a frame: what a balancer's work is measured above. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("xdp")
int drop(struct xdp_md *ctx)
{
	(void)ctx;
	return XDP_DROP;
}

SEC("xdp")
int bounce(struct xdp_md *ctx)
{
	(void)ctx;
	return XDP_TX;
}
