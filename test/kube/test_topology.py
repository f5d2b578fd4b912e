"""The own Node and the hints that the controller makes of it. n1 is in zone-a, n2 in zone-b."""

import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[1]), str(Path(__file__).resolve().parent)]

from cluster.store import NODES  # noqa: E402
from cluster.suite import Suite  # noqa: E402
from cluster.world import to  # noqa: E402
from lab.system import ip  # noqa: E402
from lab.world import FAMILIES  # noqa: E402

suite = Suite("topology")
ZONE = "topology.kubernetes.io/zone"


def expect(w, vip, **by_node):
    for who in w.insiders:
        for family in FAMILIES:
            w.reaches(who, vip[family], 80, by_node[who.node or who.name])


def label(w, node, zone):
    w.api.patch(f"{NODES}/{node}", {"metadata": {"labels": {ZONE: zone}}})


@suite.scenario("PreferSameZone keeps clients in their zone, and one without endpoints there uses all")
def same_zone(w):
    vip = w.vip()
    w.run("a2", "b2", "b3")
    made = w.choose("near", vip, trafficDistribution="PreferSameZone")
    expect(w, vip, n1=["a2"], n2=["b2", "b3"])
    w.end("a2")
    expect(w, vip, n1=["b2", "b3"], n2=["b2", "b3"])
    w.run("a2")
    expect(w, vip, n1=["a2"], n2=["b2", "b3"])
    w.change(made, trafficDistribution=None)
    expect(w, vip, n1=["a2", "b2", "b3"], n2=["a2", "b2", "b3"])


@suite.scenario("PreferSameNode keeps clients on their node, then in their zone, then anywhere")
def same_node(w):
    vip = w.vip()
    label(w, "n2", "zone-a")
    w.run("a2", "b2")
    w.choose("nearest", vip, trafficDistribution="PreferSameNode")
    expect(w, vip, n1=["a2"], n2=["b2"])
    w.end("b2")
    expect(w, vip, n1=["a2"], n2=["a2"])
    w.run("b2")
    expect(w, vip, n1=["a2"], n2=["b2"])


@suite.scenario("two nodes of one zone share the endpoints of both")
def one_zone(w):
    vip = w.vip()
    label(w, "n2", "zone-a")
    w.run("a2", "b2")
    w.choose("shared", vip, trafficDistribution="PreferSameZone")
    expect(w, vip, n1=["a2", "b2"], n2=["a2", "b2"])


@suite.scenario("a draining Pod has no vote on hints, and policy Local takes no notice of them")
def no_vote(w):
    vip, local = w.vip(), w.vip()
    w.run("a2", "a3", "b2")
    w.choose("vote", vip, trafficDistribution="PreferSameZone")
    w.choose("local", local, trafficDistribution="PreferSameZone", internalTrafficPolicy="Local")
    w.terminate("a3")
    expect(w, vip, n1=["a2"], n2=["b2"])
    expect(w, local, n1=["a2"], n2=["b2"])
    w.end("a2")
    expect(w, local, n1=["a3"], n2=["b2"])


@suite.scenario("a node whose zone label changes or goes is served accordingly at once")
def moves(w):
    vip = w.vip()
    w.run("a2", "b2")
    w.choose("moves", vip, trafficDistribution="PreferSameZone")
    expect(w, vip, n1=["a2"], n2=["b2"])
    label(w, "n1", "zone-b")
    expect(w, vip, n1=["b2"], n2=["b2"])
    label(w, "n1", None)
    expect(w, vip, n1=["a2", "b2"], n2=["b2"])
    label(w, "n1", "zone-a")
    expect(w, vip, n1=["a2"], n2=["b2"])


@suite.scenario("NodePorts follow the addresses of the Node object")
def addresses(w):
    number, node = w.node_port(), w.nodes["n1"]
    other = {4: "172.18.0.61", 6: "fd00:172:18::61"}
    w.run("a2", "b2")
    w.choose("addresses", w.vip(), [to(80, 8080, node_port=number)], kind="NodePort")
    ip("-n", node.netns, "addr", "add", f"{other[4]}/24", "dev", "eth0")
    ip("-n", node.netns, "addr", "add", f"{other[6]}/64", "dev", "eth0", "nodad")
    try:
        for asked, silent in ((node.ip, other), (other, node.ip), (node.ip, other)):
            rows = [{"type": "InternalIP", "address": asked[family]} for family in FAMILIES]
            w.api.patch(f"{NODES}/n1/status", {"status": {"addresses": rows}})
            for family in FAMILIES:
                w.reaches(w.client, asked[family], number, ["a2", "b2"])
                w.refused(w.client, silent[family], number)
    finally:
        ip("-n", node.netns, "addr", "del", f"{other[4]}/24", "dev", "eth0")
        ip("-n", node.netns, "addr", "del", f"{other[6]}/64", "dev", "eth0")


@suite.scenario("a node that is about to be deleted says so to load balancers, and serves on")
def leaving(w):
    vip = w.vip()
    w.run("a2")
    w.choose("leaving", vip)

    def says(healthz):
        w.holds(lambda: "" if (answer := w.page("n1", "/healthz")) == healthz
                else f"{answer}, wanted {healthz}", "/healthz of n1")
        assert w.page("n1", "/livez") == 200, "/livez of n1"
        assert w.page("n2", "/healthz") == 200, "/healthz of the other node"
        w.reaches(w.pods["a1"], vip[4], 80, ["a2"])

    says(200)
    taint = {"key": "ToBeDeletedByClusterAutoscaler", "effect": "NoSchedule"}
    w.api.patch(f"{NODES}/n1", {"spec": {"taints": [taint]}})
    says(503)
    w.api.patch(f"{NODES}/n1", {"spec": {"taints": None}})
    says(200)
    w.api.patch(f"{NODES}/n1", {"metadata": {"finalizers": ["naru.test/hold"]}})
    w.api.delete(f"{NODES}/n1")
    says(503)
    w.api.patch(f"{NODES}/n1", {"metadata": {"finalizers": None}})
    w.reaches(w.pods["a1"], vip[6], 80, ["a2"])


if __name__ == "__main__":
    suite.main()
