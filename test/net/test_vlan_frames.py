"""Frames with a VLAN tag belong to the VLAN device above the one they arrive on, not to that device."""

import json
import socket
import struct
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from lab import system  # noqa: E402
from lab.check import PACKETS, Suite  # noqa: E402

suite = Suite("vlan-frames", paths=(PACKETS,), pods={"n1": ["a1"], "n2": ["b1"]})

ETH_IP, ETH_VLAN = 0x0800, 0x8100


def mac_of(place):
    shown = subprocess.run(["ip", "-j", "-n", place.netns, "link", "show", "eth0"], capture_output=True, check=True)
    return bytes.fromhex(json.loads(shown.stdout)[0]["address"].replace(":", ""))


def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def syn(source, source_port, target, target_port):
    addresses = socket.inet_aton(source) + socket.inet_aton(target)
    tcp = struct.pack("!HHIIBBHHH", source_port, target_port, 1, 0, 5 << 4, 2, 65535, 0, 0)
    tcp = tcp[:16] + struct.pack("!H", checksum(addresses + struct.pack("!HH", 6, len(tcp)) + tcp)) + tcp[18:]
    ip = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(tcp), 1, 0, 64, 6, 0) + addresses
    return ip[:10] + struct.pack("!H", checksum(ip)) + ip[12:] + tcp


class Wire:
    """Raw frames of the outside client to a node."""

    def __init__(self, client, node):
        self.client, self.node = client, node
        with system.inside(client.netns):
            self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_IP))
            self.socket.bind(("eth0", ETH_IP))
        self.stations = mac_of(node) + mac_of(client)

    def send(self, source_port, target_port, tag=b""):
        packet = syn(self.client.ip[4], source_port, self.node.ip[4], target_port)
        self.socket.send(self.stations + tag + struct.pack("!H", ETH_IP) + packet)

    def answered(self, source_port):
        """A SYN and ACK came back to this port."""
        self.socket.settimeout(2)
        try:
            while True:
                frame = self.socket.recv(2048)
                ports, flags = frame[34:38], frame[47]
                if ports[2:] == struct.pack("!H", source_port) and flags & 0x12 == 0x12:
                    return True
        except TimeoutError:
            return False


def tag(priority, number):
    return struct.pack("!HH", ETH_VLAN, priority << 13 | number)


def tracked(w, source_port):
    return [row for row in w.lab.agents["n1"].table("ct") if str(row["client"]).endswith(f":{source_port}")]


@suite.scenario("a frame of a VLAN that the node has no part in is left alone, one without a tag or VLAN is served")
def foreign_vlan(w):
    for backend in ("a1", "b1"):
        number = w.node_port()
        w.web(f"web-{backend}", w.vip(), w.pod(backend), node_port=number, kind="NodePort")
        w.reaches(w.client, w.nodes["n1"].ip[4], number, [backend])
        wire = Wire(w.client, w.nodes["n1"])
        wire.send(1001, number, tag(0, 5))
        for source_port, shape in ((1002, b""), (1003, tag(5, 0))):
            wire.send(source_port, number, shape)
            assert wire.answered(source_port), f"{backend}: no answer to the frame with tag {shape.hex() or 'none'}"
            assert tracked(w, source_port)
        assert not tracked(w, 1001), f"{backend}: the frame of VLAN 5 became a flow: {tracked(w, 1001)}"


if __name__ == "__main__":
    suite.main()
