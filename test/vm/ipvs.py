"""The kernel's own balancer, by the socket options of <linux/ip_vs.h>: one virtual service over IPv4 and UDP."""

import re
import socket
import struct
from pathlib import Path

from lab.system import inside

SET_ADD, SET_ADDDEST = 1152 + 2, 1152 + 7   # IP_VS_SO_SET_*: above IP_VS_BASE_CTL
DIRECT, NAT = 3, 0                          # IP_VS_CONN_F_DROUTE, IP_VS_CONN_F_MASQ
SERVICE = struct.Struct("=H2x4s2s2xI16sII4s")
SERVER = struct.Struct("=4s2s2xIiII")


def serve(netns, address, port, servers, server_port, forwarding, scheduler="mh"):
    """mh is Maglev, as naru chooses."""
    service = SERVICE.pack(socket.IPPROTO_UDP, socket.inet_aton(address), port_bytes(port), 0, scheduler.encode(), 0, 0,
                           bytes(4))
    with inside(netns), socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as sock:
        sock.setsockopt(socket.IPPROTO_IP, SET_ADD, service)
        for server in servers:
            row = SERVER.pack(socket.inet_aton(server), port_bytes(server_port), forwarding, 1, 0, 0)
            sock.setsockopt(socket.IPPROTO_IP, SET_ADDDEST, service + row)


def packets(netns):
    """What it took from clients, by the counters of each processor: the total follows every two seconds."""
    with inside(netns):
        lines = Path("/proc/thread-self/net/ip_vs_stats_percpu").read_text().splitlines()
    rows = [line.split() for line in lines]
    return sum(int(row[2], 16) for row in rows if len(row) == 6 and re.fullmatch("[0-9A-F]+", row[0]))


def port_bytes(port):
    return port.to_bytes(2, "big")
