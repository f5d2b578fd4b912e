"""Packets made by hand, for clients that no socket path can serve: sent through a raw socket, answers read from it."""

import socket
import struct
import time

from . import system

SYN, RST, ACK = 0x02, 0x04, 0x10


def checksum(data):
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def family_of(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def packed(address):
    return socket.inet_pton(family_of(address), address)


def pseudo(source, target, proto, length):
    return packed(source) + packed(target) + struct.pack("!I", length) + struct.pack("!I", proto)


def tcp_syn(source, target, source_port, port):
    head = struct.pack("!HHIIBBHHH", source_port, port, 1000, 0, 5 << 4, SYN, 64000, 0, 0)
    total = checksum(pseudo(source, target, socket.IPPROTO_TCP, len(head)) + head)
    return head[:16] + struct.pack("!H", total) + head[18:]


def datagram(source, target, source_port, port, payload):
    length = 8 + len(payload)
    head = struct.pack("!HHHH", source_port, port, length, 0)
    total = checksum(pseudo(source, target, socket.IPPROTO_UDP, length) + head + payload) or 0xffff
    return head[:6] + struct.pack("!H", total) + payload


class RawClient:
    """A raw socket in the namespace of a place. Packets carry its own address; IPv4 headers are the kernel's."""

    def __init__(self, place, family, proto):
        self.source = place.ip[family]
        self.family = socket.AF_INET if family == 4 else socket.AF_INET6
        with system.inside(place.netns):
            self.socket = socket.socket(self.family, socket.SOCK_RAW, proto)
        self.socket.settimeout(1)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def ask(self, segment, target, source_port, within=1):
        """What came back from `target` to this source port: the transport header and all behind it, or nothing."""
        self.socket.sendto(segment, (target, 0))
        deadline = time.monotonic() + within
        while time.monotonic() < deadline:
            try:
                data, sender = self.socket.recvfrom(1 << 16)
            except TimeoutError:
                return b""
            if self.family == socket.AF_INET:
                data = data[(data[0] & 15) * 4:]
            if sender[0] == target and struct.unpack_from("!H", data, 2)[0] == source_port:
                return data
        return b""
