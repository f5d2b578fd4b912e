"""internalTrafficPolicy and externalTrafficPolicy: who is served by whom, and whose address is seen."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from lab.check import Suite  # noqa: E402
from lab.objects import port, service, slices  # noqa: E402
from lab.world import FAMILIES  # noqa: E402

suite = Suite("policy")
PORTS = [port(80, "web", "TCP"), port(80, "dgram", "UDP")]
TARGETS = [port(8080, "web", "TCP"), port(8080, "dgram", "UDP")]


def on(w, node):
    return [who for who in w.insiders if who.node == node]


def counted(w, node, *reasons):
    return sum(row["packets"] for row in metric_rows(w, node) if row["reason"] in reasons)


def metric_rows(w, node):
    return w.lab.agents[node].table("metrics")


@suite.scenario("internalTrafficPolicy Local serves clients on nodes with an endpoint, and drops the others, counted")
def internal_local(w):
    vip = w.vip()
    w.apply(service("web", vip, PORTS, internalTrafficPolicy="Local"), *slices("web", w.pod("a2"), TARGETS))
    reasons = ("no_local_endpoints", "sock_unreachable")
    before = counted(w, "n2", *reasons)
    for family in FAMILIES:
        for proto in ("tcp", "udp"):
            for who in on(w, "n1"):
                w.reaches(who, vip[family], 80, ["a2"], proto)
            for who in on(w, "n2"):
                w.dropped(who, vip[family], 80, proto)
    assert counted(w, "n2", *reasons) >= before + 4, metric_rows(w, "n2")
    w.apply(service("web", vip, PORTS))
    for family in FAMILIES:
        for who in w.insiders:
            w.reaches(who, vip[family], 80, ["a2"])


@suite.scenario("internalTrafficPolicy Local serves an endpoint in the network of the node")
def internal_local_host(w):
    vip = w.vip()
    w.apply(service("web", vip, [port(80)], internalTrafficPolicy="Local"),
            *slices("web", [w.nodes["n2"]], [port(7000)]))
    for family in FAMILIES:
        for who in on(w, "n2"):
            w.reaches(who, vip[family], 80, ["n2"])
        for who in on(w, "n1"):
            w.dropped(who, vip[family], 80)


@suite.scenario("externalTrafficPolicy Local keeps the client's address, and a node without endpoints drops, counted")
def external_local(w):
    lb, number = w.lb(), w.node_port()
    ports = [port(80, "web", "TCP", number), port(80, "dgram", "UDP", number)]
    w.apply(service("web", w.vip(), ports, kind="LoadBalancer", lb=lb.values(), externalTrafficPolicy="Local"),
            *slices("web", w.pod("a2"), TARGETS))
    before = counted(w, "n2", "no_local_endpoints")
    for family in FAMILIES:
        client = {w.client.ip[family]}
        for proto in ("tcp", "udp"):
            w.reaches(w.client, w.nodes["n1"].ip[family], number, ["a2"], proto, sees=client)
            w.lab.route_vips("n1")
            w.reaches(w.client, lb[family], 80, ["a2"], proto, sees=client)
            w.dropped(w.client, w.nodes["n2"].ip[family], number, proto)
            w.lab.route_vips("n2")
            w.dropped(w.client, lb[family], 80, proto)
    assert counted(w, "n2", "no_local_endpoints") >= before + 8, metric_rows(w, "n2")


@suite.scenario("pods and nodes reach the endpoints of a Local Service on another node by each address, and are seen")
def short_circuit(w):
    lb, external, number = w.lb(), w.external(), w.node_port()
    ports = [port(80, "web", "TCP", number), port(80, "dgram", "UDP", number)]
    w.apply(service("web", w.vip(), ports, kind="LoadBalancer", lb=lb.values(),
                    externalIPs=list(external.values()), externalTrafficPolicy="Local"),
            *slices("web", w.pod("b2"), TARGETS))
    for family in FAMILIES:
        for who in w.insiders:
            seen, own_node = w.seen(who, family), w.nodes[who.node or who.name]
            for proto in ("tcp", "udp"):
                for address, to in ((lb[family], 80), (external[family], 80), (own_node.ip[family], number)):
                    w.reaches(who, address, to, ["b2"], proto, sees=seen)


@suite.scenario("the two policies do not touch each other's addresses")
def independent(w):
    vip, number = w.vip(), w.node_port()
    ports = [port(80, "web", "TCP", number)]
    targets = slices("web", w.pod("a2"), [port(8080, "web", "TCP")])
    w.apply(service("web", vip, ports, kind="NodePort", internalTrafficPolicy="Local"), *targets)
    for family in FAMILIES:
        for who in on(w, "n2"):
            w.dropped(who, vip[family], 80)
        for who in (w.client, w.pods["b1"]):
            w.reaches(who, w.nodes["n2"].ip[family], number, ["a2"])
    w.apply(service("web", vip, ports, kind="NodePort", externalTrafficPolicy="Local"))
    for family in FAMILIES:
        for who in w.insiders:
            w.reaches(who, vip[family], 80, ["a2"])
        w.dropped(w.client, w.nodes["n2"].ip[family], number)


@suite.scenario("externalTrafficPolicy changes live, and the address the server sees with it")
def changes(w):
    vip, number = w.vip(), w.node_port()
    w.apply(*slices("web", w.pod("b2"), [port(8080)]))
    for policy in ("Local", "Cluster", "Local"):
        w.apply(service("web", vip, [port(80, node_port=number)], kind="NodePort", externalTrafficPolicy=policy))
        for family in FAMILIES:
            client, node = w.client.ip[family], w.nodes["n1"].ip[family]
            w.reaches(w.client, w.nodes["n2"].ip[family], number, ["b2"], sees={client})
            if policy == "Cluster":
                w.reaches(w.client, node, number, ["b2"], sees={node})
            else:
                w.dropped(w.client, node, number)


@suite.scenario("with policy Local a Service without any endpoint is refused, not dropped")
def nothing_anywhere(w):
    vip, lb = w.vip(), w.lb()
    w.apply(service("web", vip, [port(80)], kind="LoadBalancer", lb=lb.values(), externalTrafficPolicy="Local",
                    internalTrafficPolicy="Local"), *slices("web", [], [port(8080)]))
    for family in FAMILIES:
        for who in w.insiders:
            w.refused(who, vip[family], 80)
            w.refused(who, lb[family], 80)
        w.refused(w.client, lb[family], 80)


if __name__ == "__main__":
    suite.main()
