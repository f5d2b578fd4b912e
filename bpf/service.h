/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* From a service number to its block. A block never changes once published, so one load of the record is a
 * consistent view of header, rows and slots. */
#ifndef LB_SERVICE_H
#define LB_SERVICE_H

#include <lb/abi.h>
#include "config.h"
#include "maps.h"

/* A range of the arena; NULL when it does not lie inside. `len` is a compile-time constant. Check and sum are in
 * assembler, so that both use one register: left to the compiler the offset may wait on the stack between them, and older
 * verifiers, that of Linux 6.1 among them, forget there what was checked. */
static __always_inline const void *arena_in(const void *arena, __u64 offset, __u32 len)
{
	__u64 last = cfg.arena_bytes - len;

	asm volatile("if %[offset] > %[last] goto +2\n"
		     "%[at] += %[offset]\n"
		     "goto +1\n"
		     "%[at] = 0\n"
		     : [at] "+r"(arena)
		     : [offset] "r"(offset), [last] "r"(last));
	return arena;
}

static __always_inline const void *arena_at(__u64 offset, __u32 len)
{
	__u32 zero = 0;
	const void *arena = bpf_map_lookup_elem(&lb_arena, &zero);

	return arena ? arena_in(arena, offset, len) : NULL;
}

/* False: no such service. */
static __always_inline bool service_record(__u32 number, struct lb_service *record)
{
	const volatile __u64 *word = bpf_map_lookup_elem(&lb_services, &number);
	union {
		__u64 word;
		struct lb_service record;
	} once;

	if (!word)
		return false;
	once.word = *word;
	*record = once.record;
	return record->block != 0;
}

/* The record as one word, for functions of their own, which older verifiers let take numbers only. */
static __always_inline __u64 record_word(const struct lb_service *record)
{
	return record->block | ((__u64)record->rows << 32) | ((__u64)record->slots << 48);
}

static __always_inline struct lb_service record_of(__u64 word)
{
	return (struct lb_service){.block = word, .rows = word >> 32, .slots = word >> 48};
}

static __always_inline const struct lb_block *block_of(const struct lb_service *record)
{
	return arena_at(record->block, sizeof(struct lb_block));
}

static __always_inline const struct lb_backend *row_of(const struct lb_service *record, __u16 position)
{
	if (position >= record->rows)
		return NULL;
	return arena_at((__u64)record->block + sizeof(struct lb_block) + position * sizeof(struct lb_backend),
			sizeof(struct lb_backend));
}

/* Position in a slot; LB_MAX_ROWS when out of bounds. */
static __always_inline __u16 position_at(const struct lb_service *record, __u16 slot)
{
	const __u16 *entry = arena_at((__u64)record->block + sizeof(struct lb_block) +
					      record->rows * sizeof(struct lb_backend) + slot * sizeof(__u16),
				      sizeof(__u16));

	return entry ? *entry : LB_MAX_ROWS;
}

/* The row that a slot names. */
static __always_inline const struct lb_backend *row_in_slot(const struct lb_service *record, __u32 slot, __u16 *position)
{
	__u32 zero = 0;
	const void *arena = bpf_map_lookup_elem(&lb_arena, &zero);
	const __u16 *entry;

	if (!arena)
		return NULL;
	entry = arena_in(arena,
			 (__u64)record->block + sizeof(struct lb_block) + record->rows * sizeof(struct lb_backend) +
				 slot * sizeof(__u16),
			 sizeof(__u16));
	if (!entry || *entry >= record->rows)
		return NULL;
	*position = *entry;
	return arena_in(arena, (__u64)record->block + sizeof(struct lb_block) + *entry * sizeof(struct lb_backend),
			sizeof(struct lb_backend));
}

/* The row a flow remembers, if it still is the same backend; flags tell what it may be used for. */
static __always_inline const struct lb_backend *row_if_same(__u32 service, __u16 position, __u32 generation)
{
	const struct lb_backend *row;
	struct lb_service record;

	if (!service_record(service, &record))
		return NULL;
	row = row_of(&record, position);
	return row && row->generation == generation ? row : NULL;
}

static __always_inline bool still_serves(__u32 service, __u16 position, __u32 generation)
{
	const struct lb_backend *row = row_if_same(service, position, generation);

	return row && (row->flags & LB_BACKEND_SERVING);
}

#endif
