"""Protocols with connections: TCP, and SCTP where the kernel has it, as one-to-one sockets (RFC 6458 section 4)."""

import socket

PROTOCOLS = {"tcp": socket.IPPROTO_TCP, "sctp": 132}
NODELAY = {"tcp": socket.TCP_NODELAY, "sctp": 3}
PIECE = 1 << 14  # bytes: SCTP takes no message larger than its buffer


def make(family, proto, both=False):
    """`both`: an end of SCTP over IPv6 that lists its IPv4 addresses to the other end, too."""
    sock = socket.socket(family, socket.SOCK_STREAM, PROTOCOLS[proto])
    if proto == "sctp" and family == socket.AF_INET6 and not both:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    return sock


def without_delay(sock, proto):
    sock.setsockopt(PROTOCOLS[proto], NODELAY[proto], 1)


def send(sock, data):
    for at in range(0, len(data), PIECE):
        sock.sendall(data[at:at + PIECE])
