"""Services change their type, and the labels that hand them to others, while they run."""

import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[1]), str(Path(__file__).resolve().parent)]

from cluster.store import path_of  # noqa: E402
from cluster.suite import Suite  # noqa: E402
from cluster.world import to  # noqa: E402
from lab.objects import service  # noqa: E402
from lab.world import FAMILIES  # noqa: E402

suite = Suite("types")
PODS = ["a2", "b2"]


def ports(node_port=0, number=80):
    return [to(number, 8080, "web", "TCP", node_port), to(number, 8080, "dgram", "UDP", node_port)]


@suite.scenario("a Service is patched from ClusterIP to NodePort to LoadBalancer, gets other ports, and goes back")
def growing(w):
    vip, lb, first, second = w.vip(), w.lb(), w.node_port(), w.node_port()
    w.run(*PODS)
    made = w.choose("growing", vip, ports())

    def look(number, node_port=0, closed=0, with_lb=False):
        for family in FAMILIES:
            for proto in ("tcp", "udp"):
                for who in w.insiders:
                    w.reaches(who, vip[family], number, PODS, proto)
                for who in (w.client, w.pods["a1"]):
                    if node_port:
                        w.reaches(who, w.nodes["n2"].ip[family], node_port, PODS, proto)
                    if closed:
                        w.refused(who, w.nodes["n2"].ip[family], closed, proto)
                    if with_lb:
                        w.reaches(who, lb[family], number, PODS, proto)
                    else:
                        w.untouched(who, lb[family], number, proto)

    look(80)
    w.change(made, type="NodePort", ports=ports(first))
    look(80, first)
    w.change(made, type="LoadBalancer")
    look(80, first)  # the address is another controller's to write
    w.publish(made, *lb.values())
    look(80, first, with_lb=True)
    w.change(made, ports=ports(second, 90))
    look(90, second, closed=first, with_lb=True)
    w.publish(made)
    look(90, second)
    w.publish(made, *lb.values())
    look(90, second, with_lb=True)
    w.change(made, type="NodePort")
    look(90, second)
    w.change(made, type="ClusterIP", ports=ports())
    look(80, closed=second)


@suite.scenario("a Service becomes ExternalName and comes back as ClusterIP, then as NodePort")
def external_name(w):
    vip, number = w.vip(), w.node_port()
    w.run(*PODS)
    made = w.choose("named", vip)
    for kind, node_port in (("ClusterIP", 0), ("NodePort", number)):
        w.change(made, type=kind, externalName=None, clusterIP=vip[4], clusterIPs=list(vip.values()),
                 ipFamilies=["IPv4", "IPv6"], ipFamilyPolicy="RequireDualStack",
                 ports=[to(80, 8080, node_port=node_port)])
        for family in FAMILIES:
            for who in w.insiders:
                w.reaches(who, vip[family], 80, PODS)
            if node_port:
                w.reaches(w.client, w.nodes["n1"].ip[family], number, PODS)
        w.change(made, type="ExternalName", externalName="web.example.com", clusterIP=None, clusterIPs=None,
                 ipFamilies=None, ipFamilyPolicy=None, ports=[to(80, 8080)])
        for family in FAMILIES:
            for who in w.insiders:
                w.untouched(who, vip[family], 80)
            w.refused(w.client, w.nodes["n1"].ip[family], number)


@suite.scenario("a Service is made anew as headless, and again with an address")
def headless(w):
    vip = w.vip()
    w.run(*PODS)
    made = w.choose("headless", vip)
    for who in w.insiders:
        w.reaches(who, vip[4], 80, PODS)
    w.remove(made)
    bare = service("headless", {}, [to(80, 8080)], clusterIP="None", selector={"app": "web"})
    w.apply(bare)
    for who in w.insiders:
        for family in FAMILIES:
            w.untouched(who, vip[family], 80)
    w.remove(bare)
    w.apply(made)
    for who in w.insiders:
        for family in FAMILIES:
            w.reaches(who, vip[family], 80, PODS)


@suite.scenario("the labels that name another proxy, or say headless, take a Service down and up, also by a new value")
def labels(w):
    vip, number = w.vip(), w.node_port()
    w.run(*PODS)
    made = w.choose("labelled", vip, ports(number), kind="NodePort")

    def look(up):
        for family in FAMILIES:
            for who in w.insiders:
                if up:
                    w.reaches(who, vip[family], 80, PODS)
                else:
                    w.untouched(who, vip[family], 80)
            if up:
                w.reaches(w.client, w.nodes["n2"].ip[family], number, PODS)
            else:
                w.refused(w.client, w.nodes["n2"].ip[family], number)

    proxy, bare = "service.kubernetes.io/service-proxy-name", "service.kubernetes.io/headless"
    for text, values in ((proxy, ["mesh", "other"]), (bare, ["", "true"])):
        look(up=True)
        for value in values:
            w.mark(made, {text: value})
            look(up=False)
        w.mark(made, {text: None})
    look(up=True)


@suite.scenario("a proxy name of its own makes naru serve the Services of that name and no others")
def own_name(w):
    mine, plain = w.vip(), w.vip()
    w.run(*PODS)
    labelled = w.choose("mine", mine)
    w.choose("plain", plain)
    w.mark(labelled, {"service.kubernetes.io/service-proxy-name": "edge"})
    w.start_agents("--service-proxy-name", "edge")
    for who in w.insiders:
        for family in FAMILIES:
            w.reaches(who, mine[family], 80, PODS)
            w.untouched(who, plain[family], 80)
    w.mark(labelled, {"service.kubernetes.io/service-proxy-name": "other"})
    for who in w.insiders:
        w.untouched(who, mine[4], 80)


def spreads(w, who, address, wanted, when):
    """Whether connections of one client reach several Pods or one only."""
    def look():
        seen = {str(answer) for answer in who.fetch(address, 80, count=24)}
        good = len(seen) > 1 if wanted else len(seen) == 1
        return "" if good and seen <= {"a2", "a3", "b2"} else f"{sorted(seen)} with {when}"
    w.holds(look, f"{who.name} -> {address}")


@suite.scenario("session affinity is switched on, off and on by a patch")
def affinity(w):
    vip = w.vip()
    w.run("a2", "a3", "b2")
    made = w.choose("sticky", vip)

    for mode, spread in (("None", True), ("ClientIP", False), ("None", True), ("ClientIP", False)):
        w.change(made, sessionAffinity=mode, sessionAffinityConfig=None)
        for who in w.insiders:
            for family in FAMILIES:
                spreads(w, who, vip[family], spread, f"affinity {mode}")


@suite.scenario("an algorithm is named, changed and taken back by an annotation, and one nobody knows is as none")
def algorithm(w):
    vip = w.vip()
    w.run("a2", "a3", "b2")
    made = w.choose("placed", vip)
    for name, spread in (("dh", False), ("random", True), ("sh", False), ("roundabout", True), ("dh", False), ("rr", True),
                         ("lc", False), ("wrr", True), (None, True)):
        w.api.patch(path_of(made), {"metadata": {"annotations": {"naru.io/algorithm": name}}})
        for who in w.insiders:
            for family in FAMILIES:
                spreads(w, who, vip[family], spread, f"algorithm {name}")


@suite.scenario("direct return is switched on, off and to nonsense by an annotation, and clients outside are seen so")
def forwarding(w):
    vip, lb, number = w.vip(), w.lb(), w.node_port()
    w.run("b2")
    made = w.choose("sent-on", vip, ports(number), kind="LoadBalancer", lb=lb.values())
    node = w.nodes["n1"].ip
    for name, sees in (("dsr", w.client.ip), ("snat", node), ("teleport", node), ("dsr", w.client.ip), (None, node)):
        w.api.patch(path_of(made), {"metadata": {"annotations": {"naru.io/forwarding": name}}})
        for family in FAMILIES:
            for address, dialled in ((lb[family], 80), (node[family], number)):
                w.reaches(w.client, address, dialled, ["b2"], sees={sees[family]})


@suite.scenario("a deleted Service of every type is gone at once, and its slices may stay")
def deleted(w):
    vip, lb, number = w.vip(), w.lb(), w.node_port()
    w.run(*PODS)
    made = w.choose("going", vip, ports(number), kind="LoadBalancer", lb=lb.values())
    for family in FAMILIES:
        w.reaches(w.client, lb[family], 80, PODS)
        w.reaches(w.client, w.nodes["n1"].ip[family], number, PODS)
    w.api.delete(path_of(made))
    for family in FAMILIES:
        for who in w.insiders:
            w.untouched(who, vip[family], 80)
        w.untouched(w.client, lb[family], 80)
        w.refused(w.client, w.nodes["n1"].ip[family], number)


if __name__ == "__main__":
    suite.main()
