"""Traceroute with TCP, UDP or echo requests: who answers a packet of each hop limit, and how."""

import errno
import select
import socket
import struct
import time

IP_RECVERR, IPV6_RECVERR = 11, 25
MSG_ERRQUEUE = 0x2000
IPPROTO_ICMPV6 = 58
ECHO = {socket.AF_INET: 8, socket.AF_INET6: 128}
WAIT = 1.5
EXTENDED_ERROR = struct.Struct("=IBBBBII")  # struct sock_extended_err; the address of who sent it follows


def trace(ask):
    family = socket.AF_INET6 if ":" in ask["address"] else socket.AF_INET
    seen = []
    for ttl in range(1, ask["hops"] + 1):
        at, said = probe(family, ask, ttl)
        seen.append({"ttl": ttl, "at": at, "said": said})
        if said not in ("time exceeded", "nothing"):
            break
    return seen


def probe(family, ask, ttl):
    """Who said what: "time exceeded", "port unreachable", "nothing", or that it is the end of the way ("answer")."""
    with open_socket(family, ask["proto"]) as sock:
        v4 = family == socket.AF_INET
        sock.setsockopt(socket.IPPROTO_IP if v4 else socket.IPPROTO_IPV6,
                        socket.IP_TTL if v4 else socket.IPV6_UNICAST_HOPS, ttl)
        sock.setsockopt(socket.IPPROTO_IP if v4 else socket.IPPROTO_IPV6, IP_RECVERR if v4 else IPV6_RECVERR, 1)
        sock.setblocking(False)
        try:
            sock.connect((ask["address"], ask["port"]))
        except BlockingIOError:
            pass
        if ask["proto"] == "udp":
            sock.send(b"hello")
        elif ask["proto"] == "icmp":
            sock.send(struct.pack("!BBHHH", ECHO[family], 0, 0, 0, ttl) + b"hello")
        return outcome(sock, ask)


def open_socket(family, proto):
    if proto == "icmp":
        return socket.socket(family, socket.SOCK_DGRAM,
                             socket.IPPROTO_ICMP if family == socket.AF_INET else IPPROTO_ICMPV6)
    return socket.socket(family, socket.SOCK_STREAM if proto == "tcp" else socket.SOCK_DGRAM)


def outcome(sock, ask):
    poll = select.poll()
    poll.register(sock, select.POLLIN | select.POLLERR | (select.POLLOUT if ask["proto"] == "tcp" else 0))
    deadline = time.monotonic() + WAIT
    while (left := deadline - time.monotonic()) > 0:
        if not poll.poll(left * 1000):
            break
        try:
            return told(*sock.recvmsg(256, 512, MSG_ERRQUEUE)[1:2])
        except BlockingIOError:
            pass  # no ICMP error is queued
        failed = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if failed:
            return ask["address"], errno.errorcode[failed]
        return ask["address"], "answer"
    return "", "nothing"


def told(control):
    """From the control data of the error queue."""
    for level, _, data in control:
        _, _, kind, code, _, _, _ = EXTENDED_ERROR.unpack_from(data)
        sender = data[EXTENDED_ERROR.size:]
        v4 = level == socket.IPPROTO_IP
        at = socket.inet_ntop(socket.AF_INET, sender[4:8]) if v4 else socket.inet_ntop(socket.AF_INET6, sender[8:24])
        names = ({(11, 0): "time exceeded", (3, 3): "port unreachable"} if v4
                 else {(3, 0): "time exceeded", (1, 4): "port unreachable"})
        return at, names.get((kind, code), f"type {kind} code {code}")
    return "", "nothing"
