/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* The checksum of SCTP (RFC 9260 appendix A) changed in place. A CRC is linear: what a change of some bits does to it
 * depends only on how many bytes follow them, not on any other byte of the packet.
 * Compiles as BPF C, C11 and C++23. */
#ifndef LB_CRC32C_H
#define LB_CRC32C_H

#include <linux/types.h>
#include "csum.h"

/* Polynomials over GF(2) modulo that of CRC32c, the highest bit being the coefficient of x^0. */
#define LB_CRC32C_POLYNOMIAL 0x82f63b78
#define LB_CRC32C_LENGTH_BITS 16

/* A compiler that unrolled these loops would make a program of thousands of instructions. */
#if defined(__clang__)
#define LB_CRC32C_ROLLED _Pragma("clang loop unroll(disable)")
#else
#define LB_CRC32C_ROLLED
#endif

/* What the checksum of `len` bytes, at most 65535, gains (by XOR) when its first four gain `change`. Both are numbers
 * whose lowest byte is the first one in memory. */
static __always_inline __u32 lb_crc32c_gain(__u32 change, __u32 len)
{
	/* x^8, which moves by one byte, x^16, which moves by two, x^32, ... */
	static const __u32 moves[LB_CRC32C_LENGTH_BITS] = {
		0x00800000, 0x00008000, 0x82f63b78, 0x6ea2d55c, 0x18b8ea18, 0x510ac59a, 0xb82be955, 0xb8fdb1e7,
		0x88e56f72, 0x74c360a4, 0xe4172b16, 0x0d65762a, 0x35d73a62, 0x28461564, 0xbf455269, 0xe2ea32dc,
	};

	LB_CRC32C_ROLLED
	for (int bit = 0; bit < LB_CRC32C_LENGTH_BITS; bit++, len >>= 1) {
		__u32 factor = moves[bit], product = 0;

		if (!(len & 1))
			continue;
		LB_CRC32C_ROLLED
		for (int i = 0; i < 32; i++) {
			product ^= change & (0u - (factor >> 31));
			factor <<= 1;
			change = (change >> 1) ^ (LB_CRC32C_POLYNOMIAL & (0u - (change & 1)));
		}
		change = product;
	}
	return change;
}

#endif
