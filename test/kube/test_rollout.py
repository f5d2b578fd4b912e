"""All Pods of a Service are replaced, one after the other, while clients connect all the time."""

import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[1]), str(Path(__file__).resolve().parent)]

import itertools
import time
from collections import Counter

from cluster.suite import Suite  # noqa: E402
from cluster.world import to  # noqa: E402
from lab.world import FAMILIES, SERVED  # noqa: E402

suite = Suite("rollout")
DRAIN = 1.0   # seconds a Pod still serves after it was told to end; a usual preStop hook sleeps for 5
AT_ONCE = 50  # connections of each client in one round
SUCCESS = 0.99


class Clients:
    """Everybody connects in rounds, to one of its targets after the other, and counts who answered."""

    def __init__(self, targets):
        self.targets = {name: (who, itertools.cycle(rows)) for name, (who, rows) in targets.items()}
        self.seen = Counter()

    def round(self, change=lambda: None):
        for who, rows in self.targets.values():
            address, number = next(rows)
            who.post("fetch", address=address, port=number, count=AT_ONCE, timeout=1)
        change()
        for who, _ in self.targets.values():
            self.seen.update(answer.get("pod") or answer["error"] for answer in who.collect())

    def rounds(self, seconds):
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self.round()


def replace(w, clients, app, old, new):
    """As a Deployment does it: the new Pod is ready before the old one is told to end."""
    clients.round(lambda: w.run(new, app=app))
    clients.round(lambda: w.terminate(old))
    clients.rounds(DRAIN)
    w.pods[old].unserve(*SERVED)
    try:
        clients.round(lambda: w.end(old))
    finally:
        w.pods[old].serve(*SERVED)


@suite.scenario("while every Pod is replaced hardly a connection fails, under each policy")
def rollout(w):
    for policy in ("Cluster", "Local"):
        vip, lb, number = w.vip(), w.lb(), w.node_port()
        w.run("a2", "b2", app=policy)
        w.choose(f"rolling-{policy.lower()}", vip, [to(80, 8080, node_port=number)], app=policy, kind="LoadBalancer",
                 lb=lb.values(), externalTrafficPolicy=policy)
        inside = [(vip[family], 80) for family in FAMILIES] + [(lb[family], 80) for family in FAMILIES]
        outside = [(lb[family], 80) for family in FAMILIES]
        outside += [(w.nodes["n2"].ip[family], number) for family in FAMILIES]
        for address, to_port in outside:
            w.reaches(w.client, address, to_port, ["a2", "b2"] if policy == "Cluster" else
                      ["a2"] if to_port == 80 else ["b2"])
        for who in w.insiders:
            for address, to_port in inside:
                w.reaches(who, address, to_port, ["a2", "b2"])
        clients = Clients({who.name: (who, inside) for who in w.insiders} | {"cl": (w.client, outside)})
        for old, new in (("a2", "a3"), ("b2", "b3")):
            replace(w, clients, policy, old, new)
        pods = {"a2", "a3", "b2", "b3"}
        served = sum(count for name, count in clients.seen.items() if name in pods)
        total = sum(clients.seen.values())
        assert total > 20 * AT_ONCE and served >= SUCCESS * total, f"policy {policy}: {dict(clients.seen)}"
        assert pods <= set(clients.seen), f"policy {policy}: not everybody served: {dict(clients.seen)}"
        for who in w.insiders:
            w.reaches(who, vip[4], 80, ["a3", "b3"])
        w.end("a3", "b3")


if __name__ == "__main__":
    suite.main()
