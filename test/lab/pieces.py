"""Datagrams in pieces, sent in whatever order a scenario wants, and burst by burst as a network card delivers them."""

import socket
import struct
from contextlib import contextmanager

from . import system

ETH_P_ALL = 3
UDP, ICMP6, FRAGMENT = 17, 58, 44
NA, TARGET_LINK_ADDRESS = 136, 2
SOLICITED_OVERRIDE = 0x60000000


def checksum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def packed(address):
    return socket.inet_pton(socket.AF_INET6 if ":" in address else socket.AF_INET, address)


def pseudo(src, dst, proto, length):
    return packed(src) + packed(dst) + struct.pack("!II" if ":" in src else "!HH", *((length, proto) if ":" in src
                                                                                     else (proto, length)))


def udp(src, sport, dst, dport, payload):
    head = struct.pack("!HHH", sport, dport, 8 + len(payload))
    check = checksum(pseudo(src, dst, UDP, 8 + len(payload)) + head + b"\0\0" + payload) or 0xffff
    return head + struct.pack("!H", check) + payload


def piece(src, dst, segment, start, end, number):
    """The bytes [start, end) of a UDP segment as one IP packet of datagram `number`."""
    data, more = segment[start:end], end < len(segment)
    if ":" in src:
        head = struct.pack("!IHBB", 6 << 28, 8 + len(data), FRAGMENT, 64) + packed(src) + packed(dst)
        return head + struct.pack("!BBHI", UDP, 0, start | more, number) + data
    return struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(data), number, start // 8 | more << 13, 64, UDP,
                       0) + packed(src) + packed(dst) + data


def raw(netns, family):
    """Sends IP packets as they are; the kernel only finds their way."""
    with system.inside(netns):
        return socket.socket(family, socket.SOCK_RAW, socket.IPPROTO_RAW)


class Gateway:
    """A next hop that does not answer until it is told to: what a place sends by it piles up in its kernel and then
    leaves in one burst, so that all of it is queued at the receiver before the first packet is looked at."""

    def __init__(self, client, stands_for, address, client_mac, gateway_mac):
        self.client, self.address = client, address
        self.client_mac, self.mac = client_mac, gateway_mac
        with system.inside(stands_for.netns):
            self.wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
            self.wire.bind(("eth0", 0))

    def answer(self):
        family = 6 if ":" in self.address else 4
        to = self.client.ip[family]
        if family == 4:
            frame = struct.pack("!HHHBBH", 0x0806, 1, 0x0800, 6, 4, 2)
            frame += self.mac + packed(self.address) + self.client_mac + packed(to)
        else:
            body = struct.pack("!I", SOLICITED_OVERRIDE) + packed(self.address)
            body += struct.pack("!BB", TARGET_LINK_ADDRESS, 1) + self.mac
            head = struct.pack("!BB", NA, 0)
            check = checksum(pseudo(self.address, to, ICMP6, 4 + len(body)) + head + b"\0\0" + body)
            frame = struct.pack("!HIHBB", 0x86dd, 6 << 28, 4 + len(body), ICMP6, 255) + packed(self.address)
            frame += packed(to) + head + struct.pack("!H", check) + body
        self.wire.send(self.client_mac + self.mac + frame)


@contextmanager
def burst(client, node, network, address):
    """Within the block, what `client` sends to `network` waits; at its end it reaches `node` at once."""
    gateway = Gateway(client, node, address, link_address(client), link_address(node))
    system.ip_batch(client.netns, [f"route replace {network} via {address} dev eth0 onlink"])
    try:
        yield
        gateway.answer()
    finally:
        gateway.wire.close()


def link_address(place):
    with system.inside(place.netns):
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as wire:
            wire.bind(("eth0", 0))
            return wire.getsockname()[4]
