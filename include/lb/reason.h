/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Why a packet or a socket call was treated as it was: one list for the programs, the agent and the tools.
 * X(symbol, key, meaning): `key` is the stable name in metrics and JSON. Append only: the number is the index
 * of a counter that outlives the agent. */
#ifndef LB_REASON_H
#define LB_REASON_H

#define LB_REASONS(X)                                                                           \
	X(PASS, "pass", "not a frontend: left alone")                                           \
	X(TRANSLATED, "translated", "socket call sent to a backend")                            \
	X(FORWARD_LOCAL, "forward_local", "sent to a backend by way of the stack")              \
	X(FORWARD_REMOTE, "forward_remote", "sent to a backend with a source of this node")     \
	X(HAIRPIN, "hairpin", "sent back to the pod it came from")                              \
	X(REPLY, "reply", "answer given the frontend's address")                                \
	X(REPLY_SNAT, "reply_snat", "answer given back the addresses of client and frontend")   \
	X(NO_BACKEND, "no_backend", "rejected: the Service has no usable endpoint")             \
	X(NO_LOCAL_ENDPOINTS, "no_local_endpoints", "dropped: policy Local and none here")      \
	X(PORT_UNSERVED, "port_unserved", "rejected: known address, port not served")           \
	X(PROTO_UNSERVED, "proto_unserved", "dropped: known address, protocol not served")      \
	X(SOURCE_RANGE, "source_range", "dropped: client outside loadBalancerSourceRanges")     \
	X(NO_FLOW, "no_flow", "dropped: not the start of a flow and no entry for it")           \
	X(FRAGMENT, "fragment", "dropped: fragment that needs others to be translated")         \
	X(MALFORMED, "malformed", "dropped: headers that cannot be true")                       \
	X(LOOPBACK, "loopback", "dropped: loopback destination from a wire")                    \
	X(NO_ROUTE, "no_route", "dropped: no route to the backend or the client")               \
	X(TOO_BIG, "too_big", "rejected: larger than the next hop takes")                       \
	X(TTL_EXCEEDED, "ttl_exceeded", "rejected: hop limit used up")                          \
	X(NO_SOURCE, "no_source", "dropped: this node has no address of the family")            \
	X(NO_PORT, "no_port", "dropped: no free port for source translation")                   \
	X(BAD_STATE, "bad_state", "dropped: a table names what is not there")                   \
	X(REWRITE_FAILED, "rewrite_failed", "dropped: the kernel refused to change the packet") \
	X(REJECT_LIMIT, "reject_limit", "dropped: more rejects than the limit allows")          \
	X(NEW_FLOW_LIMIT, "new_flow_limit", "dropped: more new flows than the limit allows")    \
	X(SOCK_REFUSED, "sock_refused", "socket call refused: no usable endpoint")              \
	X(SOCK_UNREACHABLE, "sock_unreachable", "socket call refused: policy or range")         \
	X(SOCK_LEFT, "sock_left", "socket call left to the packet path")                        \
	X(ECHO, "echo", "ICMP echo to a frontend answered")                                     \
	X(BACKEND_GONE, "backend_gone", "rejected: a socket's backend serves no Service now")   \
	X(FRAGMENT_WAIT, "fragment_wait", "fragment queued again until its first one came")     \
	X(FRAGMENT_OVERLAP, "fragment_overlap", "dropped: fragment over bytes sent before")     \
	X(ICMP_TO_CLIENT, "icmp_to_client", "ICMP error about a request, for its client")       \
	X(ICMP_TO_BACKEND, "icmp_to_backend", "ICMP error about an answer, for its backend")    \
	X(ENCAPSULATED, "encapsulated", "sent to a backend's node, which answers the client")   \
	X(DECAPSULATED, "decapsulated", "encapsulated by another node for a backend here")      \
	X(TUNNEL_REFUSED, "tunnel_refused", "dropped: encapsulated as no node would do it")     \
	X(TUNNEL_UNHEARD, "tunnel_unheard", "ICMP error: flow goes on without encapsulation")

enum lb_reason {
#define X(symbol, key, meaning) LB_##symbol,
	LB_REASONS(X)
#undef X
	LB_REASON_COUNT
};

#endif
