/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Knobs. The loader fills them before load; afterwards they are constants and dead branches are pruned. */
#ifndef LB_CONFIG_H
#define LB_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <lb/abi.h>

const volatile struct lb_config cfg = {
	.hz = 250,
	.seed = LB_DEFAULT_SEED,
	.arena_bytes = LB_ARENA_BYTES,
};

#endif
