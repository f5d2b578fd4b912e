"""What the outside sees: policies, allocated ports, addresses that two Services claim."""

import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[1]), str(Path(__file__).resolve().parent)]

import time

from cluster.plane import NAMESPACE  # noqa: E402
from cluster.store import CORE, path_of  # noqa: E402
from cluster.suite import Suite  # noqa: E402
from cluster.world import to  # noqa: E402
from lab.system import ip_batch  # noqa: E402
from lab.world import FAMILIES  # noqa: E402

suite = Suite("exposed")


@suite.scenario("a NodePort and a load balancer's ports that the API server chose are served, of whatever class it is")
def allocated(w):
    w.run("a2", "b2")
    of_other_class = {"loadBalancerClass": "example.com/other", "loadBalancerIP": "192.0.2.250"}
    for kind, more in (("NodePort", {}), ("LoadBalancer", of_other_class)):
        ports = [to(80, 8080) | {"appProtocol": "kubernetes.io/h2c"}]
        made = w.choose(f"chosen-{kind.lower()}", w.vip(), ports, kind=kind, **more)
        number = w.api.get(path_of(made))["spec"]["ports"][0]["nodePort"]
        for node in w.nodes.values():
            for family in FAMILIES:
                w.reaches(w.client, node.ip[family], number, ["a2", "b2"])


@suite.scenario("externalTrafficPolicy flips: Local keeps the client and serves by the Pod's node only")
def policy(w):
    vip, lb, number = w.vip(), w.lb(), w.node_port()
    w.run("a2")
    made = w.choose("policy", vip, [to(80, 8080, node_port=number)], kind="LoadBalancer", lb=lb.values())
    for policy in ("Local", "Cluster", "Local"):
        w.change(made, externalTrafficPolicy=policy)
        for family in FAMILIES:
            client, other = {w.client.ip[family]}, w.nodes["n2"].ip[family]
            w.lab.route_vips("n1")
            if policy == "Local":
                w.reaches(w.client, w.nodes["n1"].ip[family], number, ["a2"], sees=client)
                w.reaches(w.client, lb[family], 80, ["a2"], sees=client)
                w.dropped(w.client, other, number)
            else:
                w.reaches(w.client, w.nodes["n1"].ip[family], number, ["a2"])
                w.reaches(w.client, other, number, ["a2"], sees={other})
                w.lab.route_vips("n2")
                w.reaches(w.client, lb[family], 80, ["a2"])
            for who in w.insiders:
                w.reaches(who, lb[family], 80, ["a2"], sees={who.ip[family]} if who.name in w.pods else None)
                w.reaches(who, vip[family], 80, ["a2"])
    w.lab.route_vips("n2")
    for family in FAMILIES:
        w.dropped(w.client, lb[family], 80)


@suite.scenario("internalTrafficPolicy Local leaves the other node without the ClusterIP, not without the NodePort")
def internal(w):
    vip, number = w.vip(), w.node_port()
    w.run("a2")
    made = w.choose("internal", vip, [to(80, 8080, node_port=number)], kind="NodePort", internalTrafficPolicy="Local")
    for family in FAMILIES:
        w.reaches(w.pods["a1"], vip[family], 80, ["a2"])
        w.dropped(w.pods["b1"], vip[family], 80)
        for who in (w.client, w.pods["b1"]):
            w.reaches(who, w.nodes["n2"].ip[family], number, ["a2"])
    w.change(made, internalTrafficPolicy="Cluster")
    for family in FAMILIES:
        w.reaches(w.pods["b1"], vip[family], 80, ["a2"])


def conflict_is_seen(w):
    w.holds(lambda: "" if w.metric("n1", "naru_frontend_conflicts") else "no conflict is counted", "the agent on n1")


@suite.scenario("source ranges in any spelling admit whom they name, by family, and the node whose address they hold")
def ranges(w):
    vip, lb = w.vip(), w.lb()
    w.run("a2", "b2")
    made = w.choose("ranged", vip, kind="LoadBalancer", lb=lb.values())
    inside, outside = w.pods["a1"], w.pods["b1"]

    def admit(*texts):
        w.change(made, loadBalancerSourceRanges=list(texts) or None)

    def look(family, *admitted, among):
        for who in among:
            if who in admitted:
                w.reaches(who, lb[family], 80, ["a2", "b2"])
            else:
                w.fails(who, lb[family], 80, {"timeout", "EHOSTUNREACH"})
        w.reaches(outside, vip[family], 80, ["a2", "b2"])

    everybody = inside, outside, w.client
    admit(f"  {inside.ip[4]}/32 ", f"{w.client.ip[6]}/128")
    look(4, inside, among=everybody)
    look(6, w.client, among=everybody)
    admit(f"{w.client.ip[4]}/32")
    look(4, w.client, among=everybody)
    look(6, *everybody, among=everybody)  # no range of that family: nothing to filter by
    node = w.nodes["n1"]
    admit(f"{node.ip[4]}/32", f"{node.ip[6]}/128")
    for family in FAMILIES:
        look(family, *([node] if w.sockets else []), among=[*([node] if w.sockets else []), outside])
    admit()
    for family in FAMILIES:
        look(family, *everybody, among=everybody)


@suite.scenario("no node says that a load balancer's address is its own")
def no_announcement(w):
    lb = w.lb()
    w.run("a2")
    w.choose("silent", w.vip(), kind="LoadBalancer", lb=lb.values())
    for family in FAMILIES:
        w.reaches(w.client, lb[family], 80, ["a2"])
    direct = [f"route add {lb[4]}/32 dev eth0", f"route add {lb[6]}/128 dev eth0"]
    ip_batch(w.client.netns, direct)
    try:
        for family in FAMILIES:
            w.fails(w.client, lb[family], 80)  # or the router answers, in whose network the address is
    finally:
        ip_batch(w.client.netns, [line.replace("add", "del", 1) for line in direct])


@suite.scenario("a NodePort that a process of the node listens on is served, and the process is reached when it goes")
def taken_port(w):
    number = w.node_port()
    node = w.nodes["n1"]
    node.serve(f"{number}/tcp")
    try:
        w.run("a2")
        made = w.choose("taken", w.vip(), [to(80, 8080, node_port=number)], kind="NodePort")
        for family in FAMILIES:
            w.reaches(w.client, node.ip[family], number, ["a2"])
        w.remove(made)
        for family in FAMILIES:
            w.reaches(w.client, node.ip[family], number, ["n1"])
    finally:
        node.unserve(f"{number}/tcp")


@suite.scenario("of two Services that claim one address and port the older has it, and the younger when it goes")
def contested(w):
    lb = w.lb()
    w.run("a2", app="older")
    w.run("b2", app="younger")
    older = w.choose("older", w.vip(), app="older", kind="LoadBalancer", lb=lb.values())
    time.sleep(1.1)  # the API server's time of creation has whole seconds
    younger = w.choose("younger", w.vip(), app="younger", kind="LoadBalancer", lb=lb.values())
    conflict_is_seen(w)
    for family in FAMILIES:
        w.reaches(w.client, lb[family], 80, ["a2"])
    w.api.delete(path_of(older))
    for family in FAMILIES:
        w.reaches(w.client, lb[family], 80, ["b2"])
    time.sleep(1.1)
    w.choose("older", w.vip(), app="older", kind="LoadBalancer", lb=lb.values())
    conflict_is_seen(w)
    for family in FAMILIES:
        w.reaches(w.client, lb[family], 80, ["b2"])
    w.api.delete(path_of(younger))
    for family in FAMILIES:
        w.reaches(w.client, lb[family], 80, ["a2"])


def refused(w, service, words):
    """Whether an Event on this Service says that a frontend is refused, in these words."""
    return any(event["involvedObject"].get("name") == service and event["reason"] == "FrontendRefused"
               and words in event["message"] for event in w.api.items(f"{CORE}/namespaces/{NAMESPACE}/events"))


@suite.scenario("a Service that claims the ClusterIP of another, or the API server's, gets neither")
def claims(w):
    vip = w.vip()
    w.run("a2", app="owner")
    w.run("b2", app="thief")
    w.choose("owner", vip, app="owner")
    w.choose("thief", w.vip(), [to(80, 8080, "web"), to(6443, 8080, "api"), to(443, 8080, "tls")], app="thief",
             externalIPs=[*vip.values(), "10.96.0.1"])
    for family in FAMILIES:
        for who in w.insiders:
            w.reaches(who, vip[family], 80, ["a2"])
    for who in w.insiders:
        assert who.fetch("10.96.0.1", 443)[0].pod != "b2", "the Service of the API server was taken over"
    for address in (*vip.values(), "10.96.0.1"):
        w.holds(lambda: "" if refused(w, "thief", address) else f"none for {address}", "Events about the thief")
    assert not refused(w, "owner", "")


@suite.scenario("the nodes' addresses as load balancer take the one port of the Service and no other")
def node_address(w):
    w.run("a2")
    addresses = [address for node in w.nodes.values() for address in node.ip.values()]
    w.choose("on-node", w.vip(), kind="LoadBalancer", lb=addresses)
    for family in FAMILIES:
        for name, node in w.nodes.items():
            for who in (w.client, *w.insiders):
                w.reaches(who, node.ip[family], 80, ["a2"])
            for who in (w.client, *w.pod("a1", "b1")):
                w.reaches(who, node.ip[family], 7000, [name])
    assert w.page("n1", "/livez") == 200, "a port of the node itself"


if __name__ == "__main__":
    suite.main()
