"""A namespace of the lab as seen from outside it: a pod, a node or the client, with servers and a way to dial."""

import itertools
import json
import subprocess
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from . import system

RESIDENT = Path(__file__).with_name("resident")


@dataclass(frozen=True)
class Answer:
    """What a client saw: a server's own words, or the name of the error."""

    pod: str = ""
    client: str = ""       # the client address the server saw
    client_port: int = 0
    port: int = 0          # the port the server was reached on
    at: str = ""           # the address the server was reached on
    peer: str = ""         # whom the client believes to talk to
    peer_port: int = 0
    error: str = ""
    text: str = ""
    size: int = 0
    crc: int = 0           # of the datagram the server got
    length: int = 0        # of the datagram the client got

    def __str__(self):
        return self.error or self.pod


def tally(answers):
    """How often each pod (or error) answered."""
    return Counter(str(answer) for answer in answers)


@dataclass
class Place:
    name: str                       # "n1", "a1", "cl"
    netns: str
    cgroup: Path
    node: str = ""                  # the node it runs on; empty: outside the cluster
    ip: dict = field(default_factory=dict)  # family (4, 6) -> address

    def __post_init__(self):
        self.process = None
        self.numbers = itertools.count(1)
        self.served = set()

    def start(self):
        self.process = system.spawn([system.PYTHON, "-B", "-S", str(RESIDENT), self.name], self.netns, self.cgroup,
                                    stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def stop(self):
        if self.process:
            self.process.stdin.close()
            self.process.kill()
            self.process.wait()
            self.process.stdout.close()
            self.process = None

    def do(self, what, **ask):
        self.post(what, **ask)
        return self.collect()

    def post(self, what, **ask):
        """Half of do(): several places can work at the same time, then be collected."""
        self.process.stdin.write(json.dumps(ask | {"do": what}) + "\n")
        self.process.stdin.flush()

    def collect(self):
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"the process in {self.netns} is gone")
        answer = json.loads(line)
        if isinstance(answer, dict) and "failed" in answer:
            raise RuntimeError(f"in {self.netns}: {answer['failed']}")
        return answer

    def serve(self, *ports):
        """Ports as "80/tcp" or "53/udp". One that is served already stays so."""
        for text in ports:
            if text not in self.served:
                port, _, proto = text.partition("/")
                self.do("serve", port=int(port), proto=proto or "tcp")
                self.served.add(text)

    def unserve(self, *ports):
        for text in ports:
            port, _, proto = text.partition("/")
            self.do("unserve", port=int(port), proto=proto or "tcp")
            self.served.discard(text)

    def fetch(self, address, port, proto="tcp", count=1, timeout=2 * system.PATIENCE, **more):
        answers = self.do("fetch", address=address, port=port, proto=proto, count=count, timeout=timeout, **more)
        return [Answer(**answer) for answer in answers]

    def get(self, port, path, address="127.0.0.1"):
        """One HTTP request: {"status", "headers", "body"} or {"error"}."""
        return self.do("get", address=address, port=port, path=path, timeout=2 * system.PATIENCE)

    def open(self, address, port, proto="tcp", timeout=2 * system.PATIENCE, **more):
        return Flow(self, next(self.numbers), address, port, proto, timeout, more)

    def trace(self, address, port, proto, hops=6):
        """Who answered a packet of each hop limit: [{"ttl", "at", "said"}]; the last one is from the end of the way."""
        return self.do("trace", address=address, port=port, proto=proto, hops=hops)

    def stay(self):
        self.do("stay")


class Flow:
    """A connection, or a UDP socket that keeps its source port."""

    def __init__(self, place, number, address, port, proto, timeout, more):
        self.place, self.number = place, number
        answer = place.do("open", flow=number, address=address, port=port, proto=proto, timeout=timeout, **more)
        self.error = answer.get("error", "")
        self.source_port = answer.get("source_port", 0)

    def say(self, text="hello", times=1):
        return Answer(**self.place.do("say", flow=self.number, text=text, times=times))

    def mtu(self):
        """What the kernel believes the way of this flow takes."""
        return self.place.do("mtu", flow=self.number)["mtu"]

    def stream(self, interval=0.005):
        self.place.do("stream", flow=self.number, interval=interval)

    def stop(self):
        """{"sent", "answered", "errors", "pods"} since stream()."""
        return self.place.do("stop", flow=self.number)

    def close(self):
        if not self.error:
            self.place.do("close", flow=self.number)
