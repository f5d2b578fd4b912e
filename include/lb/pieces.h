/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Which bytes of a datagram in pieces have gone by: no byte may go by twice, or what a decision rested on could be
 * replaced behind its back (RFC 1858, RFC 3128, RFC 5722). Pure: the programs and the tests run the same code. */
#ifndef LB_PIECES_H
#define LB_PIECES_H

#include <stdbool.h>
#include "abi.h"

#ifndef __always_inline
#define __always_inline inline __attribute__((always_inline))
#endif

enum lb_taken {
	LB_TAKEN_NEW,	   /* none of it was known */
	LB_TAKEN_KNOWN,	   /* all of it was: a piece that came twice */
	LB_TAKEN_OVERLAPS, /* some of it was, or it contradicts where the datagram ends */
	LB_TAKEN_NO_ROOM,  /* too scattered to be remembered */
};

/* All ones when `a < b`, else zero; both below 2^31. Opaque to the compiler, so that nothing below becomes a branch:
 * each one would double the paths the verifier has to walk. */
static __always_inline __u32 lb_if_less(__u32 a, __u32 b)
{
	__u64 borrow = ((__u64)a - b) >> 32;

	__asm__ volatile("" : "+r"(borrow));
	return (__u32)borrow;
}

static __always_inline __u32 lb_if_equal(__u32 a, __u32 b)
{
	return ~(lb_if_less(a, b) | lb_if_less(b, a));
}

static __always_inline __u32 lb_choose(__u32 mask, __u32 yes, __u32 no)
{
	return (yes & mask) | (no & ~mask);
}

/* The range is vacant, or touches the piece and becomes part of it. */
static __always_inline __u32 lb_if_joins(__u32 from, __u32 to, __u32 first, __u32 behind)
{
	return lb_if_equal(to, first) | lb_if_equal(from, behind) | lb_if_equal(to, 0);
}

/* Notes the piece [first, behind), in units of eight bytes, rounded up at the end of the datagram, where `last` is
 * true. Only LB_TAKEN_NEW changes anything. */
static __always_inline enum lb_taken lb_take_piece(struct lb_fragment *f, __u32 first, __u32 behind, bool last)
{
	__u32 known = 0, overlaps = 0, beyond = 0, room = 0, placed = 0, low = first, high = behind;

	for (int i = 0; i < LB_FRAGMENT_RANGES; i++) {
		__u32 from = f->ranges[i].first, to = f->ranges[i].behind;

		known |= ~lb_if_less(first, from) & ~lb_if_less(to, behind);
		overlaps |= lb_if_less(first, to) & lb_if_less(from, behind);
		beyond |= lb_if_less(behind, to);
		room |= lb_if_joins(from, to, first, behind);
		low = lb_choose(lb_if_equal(to, first), from, low);
		high = lb_choose(lb_if_equal(from, behind) & lb_if_less(from, to), to, high);
	}
	if (known)
		return LB_TAKEN_KNOWN;
	if (overlaps || (last && (f->end || beyond)) || (!last && f->end && behind >= f->end))
		return LB_TAKEN_OVERLAPS;

	if (!room)
		return LB_TAKEN_NO_ROOM;
	for (int i = 0; i < LB_FRAGMENT_RANGES; i++) {
		__u32 from = f->ranges[i].first, to = f->ranges[i].behind;
		__u32 joined = lb_if_joins(from, to, first, behind);
		__u32 here = joined & ~placed;

		placed |= joined;
		f->ranges[i].first = lb_choose(here, low, from & ~joined);
		f->ranges[i].behind = lb_choose(here, high, to & ~joined);
	}
	if (last)
		f->end = behind;
	f->complete = f->end && low == 0 && high == f->end;
	return LB_TAKEN_NEW;
}

#endif
