"""Topology hints of EndpointSlices: n1 is in zone-a, n2 in zone-b."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from lab.check import Suite  # noqa: E402
from lab.objects import node, port, service, slices  # noqa: E402
from lab.world import FAMILIES  # noqa: E402

suite = Suite("hints")


def hinted(w, name, hints, families=FAMILIES):
    """Slices whose endpoints carry hints: pod -> {"forZones": [...]} and such, or None."""
    made = slices(name, w.pod(*hints), [port(8080)], families=families)
    for part in made:
        for row, hint in zip(part["endpoints"], hints.values()):
            if hint:
                row["hints"] = hint
    return made


def zones(*names):
    return {"forZones": [{"name": name} for name in names]}


def nodes(*names):
    return {"forNodes": [{"name": name} for name in names]}


def expect(w, address, by_node):
    for who in w.insiders:
        for family in FAMILIES:
            w.reaches(who, address[family], 80, by_node[who.node])


@suite.scenario("clients stay in their zone when every ready endpoint has a hint and one is for it")
def zone(w):
    vip = w.vip()
    w.apply(service("web", vip, [port(80)]), *hinted(w, "web", {"a2": zones("zone-a"), "b2": zones("zone-b"),
                                                                "b3": zones("zone-b")}))
    expect(w, vip, {"n1": ["a2"], "n2": ["b2", "b3"]})
    w.apply(*hinted(w, "web", {"a2": zones("zone-a"), "b2": zones("zone-c")}))
    expect(w, vip, {"n1": ["a2"], "n2": ["a2", "b2"]})


@suite.scenario("one ready endpoint without a hint switches hints off")
def all_or_nothing(w):
    vip = w.vip()
    w.apply(service("web", vip, [port(80)]), *hinted(w, "web", {"a2": zones("zone-a"), "b2": None}))
    expect(w, vip, {"n1": ["a2", "b2"], "n2": ["a2", "b2"]})


@suite.scenario("hints for nodes go before hints for zones")
def node_hints(w):
    vip = w.vip()
    w.apply(service("web", vip, [port(80)]),
            *hinted(w, "web", {"a2": zones("zone-a") | nodes("n1"), "a3": zones("zone-a", "zone-b") | nodes("n3"),
                               "b2": zones("zone-b") | nodes("n4")}))
    expect(w, vip, {"n1": ["a2"], "n2": ["a3", "b2"]})


@suite.scenario("policy Local takes no notice of hints")
def local(w):
    vip, number = w.vip(), w.node_port()
    w.apply(service("web", vip, [port(80, node_port=number)], kind="NodePort", externalTrafficPolicy="Local"),
            *hinted(w, "web", {"a2": zones("zone-b"), "b2": zones("zone-a")}))
    for family in FAMILIES:
        w.reaches(w.client, w.nodes["n1"].ip[family], number, ["a2"])
        w.reaches(w.client, w.nodes["n2"].ip[family], number, ["b2"])


@suite.scenario("a node that moves to another zone, or loses its zone, is served accordingly at once")
def moves(w):
    vip, plan = w.vip(), w.lab.plans["n1"]
    w.apply(service("web", vip, [port(80)]), *hinted(w, "web", {"a2": zones("zone-a"), "b2": zones("zone-b")}))
    try:
        expect(w, vip, {"n1": ["a2"], "n2": ["b2"]})
        w.apply(node("n1", plan.ip, "zone-b", plan.pod_cidr))
        expect(w, vip, {"n1": ["b2"], "n2": ["b2"]})
        without = node("n1", plan.ip, "", plan.pod_cidr)
        del without["metadata"]["labels"]["topology.kubernetes.io/zone"]
        w.apply(without)
        expect(w, vip, {"n1": ["a2", "b2"], "n2": ["b2"]})
    finally:
        w.apply(node("n1", plan.ip, plan.zone, plan.pod_cidr))


if __name__ == "__main__":
    suite.main()
