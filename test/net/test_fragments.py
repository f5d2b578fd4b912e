"""Datagrams too large for one packet: every path of a frontend, beside a firewall that puts them together, and pieces
that come in the wrong order."""

import itertools
import random
import socket
import subprocess
import sys
import zlib
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from lab import pieces  # noqa: E402
from lab.check import PACKETS, Suite  # noqa: E402
from lab.plan import VIP_NETWORKS  # noqa: E402
from lab.system import inside  # noqa: E402
from lab.world import FAMILIES, SILENCE  # noqa: E402

suite = Suite("fragments")

LARGEST = 65_507
SIZES = (1473, 8_000, LARGEST)
ROUNDS = 4                       # so often a piece without its first one is looked at again
WORDS = random.Random(1).choices("abcdefghijklmnopqrstuvwxyz0123456789", k=LARGEST)
gateways = itertools.count(200)
numbers = itertools.count(1)     # no backend still waits for the rest of a datagram with such an identification

# A firewall that tracks connections puts datagrams together behind tc ingress and cuts them again before tc egress.
FIREWALL = """
table inet track {
    chain through { type filter hook forward priority 0; ct state invalid drop; ct state established accept; }
    chain here { type filter hook input priority 0; ct state invalid drop; }
    chain outward { type nat hook postrouting priority 100; oifname "eth0" ip daddr 203.0.113.0/24 masquerade; }
}
"""


def words(size):
    """It asks for an answer as large as itself."""
    return "=" + "".join(WORDS[1:size])


def whole(w, who, address, port, pods, sizes=SIZES):
    """Datagrams of every size, and answers as large, arrive as they were sent."""
    w.reaches(who, address, port, pods, "udp")
    for size in sizes:
        for connected in (True, False):
            flow = who.open(address, port, "udp", connected=connected)
            answer = flow.say(words(size))
            flow.close()
            wanted = (size, zlib.crc32(words(size).encode()), size, address)
            got = (answer.size, answer.crc, answer.length, answer.peer)
            assert str(answer) in pods and got == wanted, f"{who.name} -> {address}, {size}: {answer} {got}"


@contextmanager
def tracking(w):
    """Both nodes track connections for the length of the block."""
    for node in w.nodes.values():
        nft(node, FIREWALL)
    try:
        yield
    finally:
        for node in w.nodes.values():
            nft(node, "delete table inet track")


def nft(node, text):
    done = subprocess.run(["nsenter", f"--net=/run/netns/{node.netns}", "nft", "-f", "-"], input=text,
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def every_way(w, sizes):
    vip, lb, number = w.vip(), w.lb(), w.node_port()
    for target in ("a2", "b2"):
        made = w.web("large", vip, w.pod(target), proto="UDP", node_port=number, kind="LoadBalancer", lb=lb.values())
        for family in FAMILIES:
            for who in w.insiders:
                whole(w, who, vip[family], 80, [target], sizes)
            whole(w, w.client, lb[family], 80, [target], sizes)
            for node in w.nodes.values():
                whole(w, w.client, node.ip[family], number, [target], sizes)
        w.remove(*made)


@suite.scenario("datagrams of up to 65,507 bytes pass, by every kind of frontend, to either node, and back")
def large(w):
    every_way(w, SIZES)


@suite.scenario("the same beside firewalls on both nodes that track connections and drop what is invalid")
def beside_tracking(w):
    with tracking(w):
        every_way(w, (8_000, LARGEST))


@suite.scenario("a pod that reaches itself through its Service sends and gets datagrams of up to 65,507 bytes")
def hairpin(w):
    for who in w.pod("a1", "b1"):
        vip = w.vip()
        w.web(f"self-{who.name}", vip, [who], proto="UDP")
        for family in FAMILIES:
            whole(w, who, vip[family], 80, [who.name])


@suite.scenario("a second client gets its answers while another one's large datagrams lose pieces", paths=(PACKETS,))
def beside_losses(w):
    lb = w.lb()
    serve(w, lb, "b2")
    for family in FAMILIES:
        sender = Sender(w, lb[family])
        for _ in range(30):
            sender.send(sender.pieces(next(numbers), b"lost" * 500)[:2])
        whole(w, w.client, lb[family], 80, ["b2"])
        sender.close()


# Pieces out of order, from outside


def serve(w, lb, target):
    w.web("pieces", w.vip(), w.pod(target), proto="UDP", kind="LoadBalancer", lb=lb.values())
    for family in FAMILIES:
        w.reaches(w.client, lb[family], 80, [target], "udp")


class Sender:
    """The client's kernel for the way of its packets, and a socket for the answer; the pieces are its own."""

    def __init__(self, w, address):
        self.client, self.address = w.client, address
        self.family = 6 if ":" in address else 4
        kind = socket.AF_INET6 if self.family == 6 else socket.AF_INET
        self.raw = pieces.raw(self.client.netns, kind)
        with inside(self.client.netns):
            self.sock = socket.socket(kind, socket.SOCK_DGRAM)
        self.sock.bind(("", 0))
        self.port = self.sock.getsockname()[1]

    def pieces(self, number, payload, each=1000):
        source = self.client.ip[self.family]
        segment = pieces.udp(source, self.port, self.address, 80, payload)
        return [pieces.piece(source, self.address, segment, at, at + each, number)
                for at in range(0, len(segment), each)]

    def send(self, packets):
        for packet in packets:
            self.raw.sendto(packet, (self.address, 0))

    def answer(self, within=SILENCE):
        self.sock.settimeout(within)
        try:
            return self.sock.recv(1 << 16)
        except TimeoutError:
            return b""

    def close(self):
        self.raw.close()
        self.sock.close()


def at_once(w, address):
    number = next(gateways)
    family = 6 if ":" in address else 4
    network = next(net for net in VIP_NETWORKS if (":" in net) == (family == 6))
    return pieces.burst(w.client, w.nodes["n1"], network, {4: f"172.18.0.{number}", 6: f"fd00:172:18::{number}"}[family])


def counted(w, reason):
    return sum(row["packets"] for row in w.lab.agents["n1"].table("metrics")
               if row["reason"] == reason and row["hook"] == "tc_ingress")


@suite.scenario("pieces of one burst arrive whole in any order: the others wait for the first", paths=(PACKETS,))
def out_of_order(w):
    for target in ("a2", "b2"):
        lb = w.lb()
        serve(w, lb, target)
        for family in FAMILIES:
            for order in ([0, 1, 2, 3], [3, 2, 1, 0], [1, 0, 3, 2], [2, 3, 1, 0], [1, 2, 3, 0]):
                sender, before = Sender(w, lb[family]), counted(w, "fragment_wait")
                payload = f"={target}{order}".encode().ljust(3900, b".")
                sent = sender.pieces(next(numbers), payload)
                with at_once(w, lb[family]):
                    sender.send([sent[index] for index in order])
                got = sender.answer(w.budget)
                waited = counted(w, "fragment_wait") - before
                sender.close()
                w.lab.route_vips("n1")
                assert len(got) == len(payload), f"IPv{family}, {target}, {order}: {got[:80]}, {waited} waited"
                assert waited == order.index(0), f"IPv{family}, {order}: {waited} waited"


@suite.scenario("a piece whose first one never comes is looked at again so often and then dropped", paths=(PACKETS,))
def never_first(w):
    lb = w.lb()
    serve(w, lb, "b2")
    for family in FAMILIES:
        sender = Sender(w, lb[family])
        before = {reason: counted(w, reason) for reason in ("fragment_wait", "fragment")}
        sent = sender.pieces(next(numbers), b"x" * 3000)
        sender.send(sent[1:])
        assert sender.answer() == b""
        sender.close()
        after = {reason: counted(w, reason) - count for reason, count in before.items()}
        assert after == {"fragment_wait": ROUNDS * 3, "fragment": 3}, after


@suite.scenario("overlapping pieces reach no backend", paths=(PACKETS,))
def overlapping(w):
    lb = w.lb()
    serve(w, lb, "b2")
    for family in FAMILIES:
        sender, before = Sender(w, lb[family]), counted(w, "fragment_overlap")
        source, number = sender.client.ip[family], next(numbers)
        segment = pieces.udp(source, sender.port, lb[family], 80, b"=" * 2000)
        sender.send([pieces.piece(source, lb[family], segment, start, end, number)
                     for start, end in ((0, 1000), (800, 1600), (1000, 1600), (1600, 2008))])
        assert sender.answer() == b""
        sender.close()
        assert counted(w, "fragment_overlap") - before == 3
        w.reaches(w.client, lb[family], 80, ["b2"], "udp")


if __name__ == "__main__":
    suite.main()
