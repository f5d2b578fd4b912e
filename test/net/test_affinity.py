"""ClientIP affinity: kept, refreshed, ended, switched on and off."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import time

from lab.check import Suite  # noqa: E402
from lab.objects import port, service, slices  # noqa: E402
from lab.place import tally  # noqa: E402
from lab.world import FAMILIES  # noqa: E402

suite = Suite("affinity")
PODS = ["a2", "a3", "b2"]


def sticky(w, name, vip, timeout=None, **more):
    config = {"sessionAffinityConfig": {"clientIP": {"timeoutSeconds": timeout}}} if timeout else {}
    return w.web(name, vip, w.pod(*PODS), sessionAffinity="ClientIP", **config, **more)


def only_server(who, address, number=80, proto="tcp", count=15):
    """The one server of all these connections."""
    counts = tally(who.fetch(address, number, proto, count))
    assert len(counts) == 1 and set(counts) <= set(PODS), f"{who.name} -> {address} port {number}: {dict(counts)}"
    return next(iter(counts))


def served(w, who, address, number=80):
    w.holds(lambda: "" if who.fetch(address, number)[0].pod in PODS else "not served", f"{who.name} -> {address}")


@suite.scenario("all connections of one client go to one server, by each kind of address")
def sticks(w):
    vip, lb, external, number = w.vip(), w.lb(), w.external(), w.node_port()
    w.apply(service("web", vip, [port(80, "web", "TCP", number), port(80, "dgram", "UDP", number)],
                    kind="LoadBalancer", lb=lb.values(), externalIPs=list(external.values()),
                    sessionAffinity="ClientIP"),
            *slices("web", w.pod(*PODS), [port(8080, "web", "TCP"), port(8080, "dgram", "UDP")]))
    for family in FAMILIES:
        for who in (*w.insiders, w.client):
            served(w, who, lb[family])
            for proto in ("tcp", "udp"):
                only_server(who, lb[family], proto=proto)
                only_server(who, external[family], proto=proto)
                only_server(who, w.nodes["n1"].ip[family], number, proto)
                only_server(who, w.nodes["n2"].ip[family], number, proto)
                if who.node:
                    only_server(who, vip[family], proto=proto)


@suite.scenario("clients without an entry are spread over the servers")
def spreads(w):
    vip = w.vip()
    sticky(w, "web", vip)
    for family in FAMILIES:
        served(w, w.pods["a1"], vip[family])
    chosen = {(only_server(who, vip[family], count=3)) for who in w.pods.values() for family in FAMILIES}
    assert len(chosen) > 1, chosen


@suite.scenario("after the timeout without a connection a client can meet another server")
def expires(w):
    vip, lb = w.vip(), w.lb()
    sticky(w, "web", vip, 1, kind="LoadBalancer", lb=lb.values())
    clients = [(who, vip[family]) for who in w.pods.values() for family in FAMILIES]
    clients += [(w.client, lb[family]) for family in FAMILIES]
    for who, address in clients:
        served(w, who, address)
    moved = set()
    for _ in range(10):
        before = {(who.name, address): who.fetch(address, 80)[0].pod for who, address in clients}
        time.sleep(1.1)  # the passing of time is what is tested
        moved |= {(who.name, address) for who, address in clients
                  if who.fetch(address, 80)[0].pod != before[who.name, address]}
        if {("cl", lb[4]), ("cl", lb[6])} <= moved and len(moved) > len(clients) / 2:
            return
    raise AssertionError(f"of {len(clients)} clients only {sorted(moved)} ever met another server")


@suite.scenario("each new connection keeps the affinity alive")
def refreshes(w):
    vip, lb = w.vip(), w.lb()
    sticky(w, "web", vip, 2, kind="LoadBalancer", lb=lb.values())
    clients = [(who, vip[family]) for who in w.pods.values() for family in FAMILIES]
    clients += [(w.client, lb[family]) for family in FAMILIES]
    for who, address in clients:
        served(w, who, address)
    first = {(who.name, address): who.fetch(address, 80)[0].pod for who, address in clients}
    for _ in range(4):
        time.sleep(1.2)  # 0.6 of the timeout, which must not pass between two connections
        now = {(who.name, address): who.fetch(address, 80)[0].pod for who, address in clients}
        assert now == first, f"{first} became {now}"


@suite.scenario("affinity is switched off and on while clients connect")
def toggles(w):
    vip, lb = w.vip(), w.lb()
    clients = [(w.pods["a1"], vip), (w.pods["b1"], vip), (w.client, lb)]
    for affine in (True, False, True):
        if affine:
            sticky(w, "web", vip, kind="LoadBalancer", lb=lb.values())
        else:
            w.web("web", vip, w.pod(*PODS), kind="LoadBalancer", lb=lb.values())
        for who, address in clients:
            for family in FAMILIES:
                if not affine:
                    w.reaches(who, address[family], 80, PODS)
                    continue
                def look():
                    servers = tally(who.fetch(address[family], 80, count=15))
                    return "" if len(servers) == 1 and set(servers) <= set(PODS) else f"{dict(servers)}"
                w.holds(look, f"{who.name} -> {address[family]}")
                only_server(who, address[family])


@suite.scenario("a client whose server leaves gets another and stays with that one, also when the first is back")
def server_leaves(w):
    vip, lb = w.vip(), w.lb()
    sticky(w, "web", vip, kind="LoadBalancer", lb=lb.values())
    for family in FAMILIES:
        for who, address in ((w.pods["a1"], vip[family]), (w.pods["b1"], vip[family]), (w.client, lb[family])):
            served(w, who, address)
            first = only_server(who, address)
            unready = [(w.pods[pod], {"ready": pod != first}) for pod in PODS]
            w.apply(*slices("web", unready, [port(8080)]))
            w.holds(lambda: "" if first not in tally(who.fetch(address, 80, count=15)) else f"still {first}",
                    f"{who.name} -> {address}")
            second = only_server(who, address)
            assert second != first
            w.apply(*slices("web", w.pod(*PODS), [port(8080)]))
            w.settle()
            assert only_server(who, address) == second, f"{who.name} did not stay with {second}"


if __name__ == "__main__":
    suite.main()
