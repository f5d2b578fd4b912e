"""Pods become ready and unready, drain and end; the controller's slices say so, and clients notice."""

import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[1]), str(Path(__file__).resolve().parent)]

from cluster.suite import Suite  # noqa: E402
from cluster.world import to  # noqa: E402
from lab.world import FAMILIES  # noqa: E402

suite = Suite("pods")


def served(w, vip, number, pods):
    """By ClusterIP from inside and by the NodePort of both nodes from outside; without pods refused on each."""
    for family in FAMILIES:
        for who in w.insiders:
            if pods:
                w.reaches(who, vip[family], 80, pods)
            else:
                w.refused(who, vip[family], 80)
        for node in w.nodes.values():
            if pods:
                w.reaches(w.client, node.ip[family], number, pods)
            else:
                w.refused(w.client, node.ip[family], number)


def exposed(w, name, **spec):
    vip, number = w.vip(), w.node_port()
    return w.choose(name, vip, [to(80, 8080, node_port=number)], kind="NodePort", **spec), vip, number


@suite.scenario("Pods that drain get nothing while one is ready, serve when none is, and are gone when they stop")
def draining(w):
    _, vip, number = exposed(w, "draining")
    w.run("a2", "b2")
    served(w, vip, number, ["a2", "b2"])
    w.terminate("b2")
    served(w, vip, number, ["a2"])
    w.terminate("a2")
    served(w, vip, number, ["a2", "b2"])
    w.set_ready("a2", False)
    served(w, vip, number, ["b2"])
    w.run("a3")
    served(w, vip, number, ["a3"])
    w.end("a3", "a2")
    w.set_ready("b2", False)
    served(w, vip, number, [])


@suite.scenario("under policy Local the Pods of the node fall back to draining ones by themselves")
def draining_local(w):
    vip, lb = w.vip(), w.lb()
    w.choose("local", vip, kind="LoadBalancer", lb=lb.values(), internalTrafficPolicy="Local",
             externalTrafficPolicy="Local")
    w.run("a2", "b2", "b3")
    w.terminate("a2", "b2")
    for family in FAMILIES:
        w.reaches(w.pods["a1"], vip[family], 80, ["a2"])
        w.reaches(w.pods["b1"], vip[family], 80, ["b3"])
        w.lab.route_vips("n1")
        w.reaches(w.client, lb[family], 80, ["a2"], sees={w.client.ip[family]})
        w.lab.route_vips("n2")
        w.reaches(w.client, lb[family], 80, ["b3"], sees={w.client.ip[family]})
    w.set_ready("a2", False)
    w.lab.route_vips("n1")
    for family in FAMILIES:
        w.dropped(w.pods["a1"], vip[family], 80)
        w.dropped(w.client, lb[family], 80)
        w.reaches(w.pods["a1"], lb[family], 80, ["b3"])


@suite.scenario("a Pod that is not ready gets nothing, until it is, or until the Service publishes what is not ready")
def readiness(w):
    made, vip, number = exposed(w, "readiness")
    w.run("a2", "b2", ready=False)
    served(w, vip, number, [])
    w.set_ready("b2")
    served(w, vip, number, ["b2"])
    w.change(made, publishNotReadyAddresses=True)
    served(w, vip, number, ["a2", "b2"])
    w.terminate("a2")
    w.set_ready("b2", False)
    served(w, vip, number, ["a2", "b2"])
    w.change(made, publishNotReadyAddresses=False)
    served(w, vip, number, [])


@suite.scenario("a Pod that leaves the selector keeps its connections and gets no new ones; one that joins is served")
def selector(w):
    made, vip, number = exposed(w, "selector")
    w.run("a2")
    served(w, vip, number, ["a2"])
    flows = [who.open(vip[family], 80) for family in FAMILIES for who in w.insiders]
    flows += [w.client.open(w.nodes["n2"].ip[family], number) for family in FAMILIES]
    w.run("b2")
    w.label("a2", app="quarantine")
    served(w, vip, number, ["b2"])
    w.end("b2")
    served(w, vip, number, [])
    for flow in flows:
        answer = flow.say("still there")
        assert answer.pod == "a2", f"the open connection of {flow.place.name}: {answer}, wanted a2"
        flow.close()
    w.label("a2", app="web")
    served(w, vip, number, ["a2"])
    w.change(made, selector={"app": "nobody"})
    served(w, vip, number, [])


@suite.scenario("endpoints spread over several slices of the controller are one list")
def many_slices(w):
    w.run("a2", ports=[("web", 8080)])
    w.run("b2", ports=[("web", 8081)])
    made = w.choose("by-name", w.vip(), [to(80, "web")])
    w.holds(lambda: "" if len(w.slices_of("by-name")) == 4 else f"{len(w.slices_of('by-name'))} slices, wanted 4",
            "one slice for each family and target port")
    for address in made["spec"]["clusterIPs"]:
        for who in w.insiders:
            w.reaches(who, address, 80, ["a2", "b2"])


if __name__ == "__main__":
    suite.main()
