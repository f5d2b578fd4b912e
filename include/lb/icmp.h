/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* ICMP and ICMPv6 errors and the packets they quote. Values in, values out.
 * Compiles as BPF C, C11 and C++23. */
#ifndef LB_ICMP_H
#define LB_ICMP_H

#include <stdbool.h>
#include "csum.h"

#define LB_ICMP_UNREACHABLE 3
#define LB_ICMP_PORT_UNREACHABLE 3 /* code */
#define LB_ICMP_FRAG_NEEDED 4	   /* code */
#define LB_ICMP_TIME_EXCEEDED 11
#define LB_ICMP_PARAMETER_PROBLEM 12

#define LB_ICMP6_UNREACHABLE 1
#define LB_ICMP6_PORT_UNREACHABLE 4 /* code */
#define LB_ICMP6_TOO_BIG 2
#define LB_ICMP6_TIME_EXCEEDED 3
#define LB_ICMP6_PARAMETER_PROBLEM 4

/* Does a message of this type report what became of a packet? Redirects quote packets too, but they are about routes
 * of the link they are sent on; source quench is obsolete (RFC 6633). */
static __always_inline bool lb_icmp_is_error(__u8 family, __u8 type)
{
	if (family == 4)
		return type == LB_ICMP_UNREACHABLE || type == LB_ICMP_TIME_EXCEEDED ||
		       type == LB_ICMP_PARAMETER_PROBLEM;
	return type >= LB_ICMP6_UNREACHABLE && type <= LB_ICMP6_PARAMETER_PROBLEM;
}

/* Where a transport header has its checksum; 0: none that depends on addresses and ports alone. */
static __always_inline __u32 lb_l4_check_offset(__u8 proto)
{
	return proto == 6 /* TCP */ ? 16 : proto == 17 /* UDP */ ? 6 : 0;
}

/* The checksums inside a quote. */
struct lb_quote_sums {
	__u16 ip; /* of the header; IPv6 has none */
	__u16 transport;
	__u8 family;
	__u8 proto;
	__u8 cut; /* the quote ends before the transport's checksum */
};

/* The quoted packet gets the addresses and ports of `to` in place of those of `from`: puts its checksums right, those
 * that were right before. Returns what the sum of the whole quote gains. */
static __always_inline __u64 lb_requote(struct lb_quote_sums *sums, const struct lb_tuple *from,
					const struct lb_tuple *to)
{
	__u64 addresses = lb_csum_change_addr(&from->src, &to->src) + lb_csum_change_addr(&from->dst, &to->dst);
	__u64 ports = lb_csum_change(from->sport, to->sport) + lb_csum_change(from->dport, to->dport);
	__u64 gained = addresses + ports;
	__u16 check;

	if (sums->family == 4) {
		check = lb_csum_patch(sums->ip, addresses);
		gained += lb_csum_change(sums->ip, check);
		sums->ip = check;
	}
	if (!sums->cut && lb_l4_check_offset(sums->proto) && (sums->transport || sums->proto != 17)) {
		check = lb_csum_patch(sums->transport, addresses + ports);
		if (!check && sums->proto == 17)
			check = 0xffff; /* zero would say that there is none (RFC 768) */
		gained += lb_csum_change(sums->transport, check);
		sums->transport = check;
	}
	return gained;
}

#endif
