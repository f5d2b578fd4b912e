"""SCTP by real sockets. It needs a kernel that has them, and this file loads the module: naru never does."""

import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from lab.check import PACKETS, SKIP, SOCKETS, Suite  # noqa: E402
from lab.host_state import run  # noqa: E402
from lab.objects import port, service, slices  # noqa: E402
from lab.system import sysctl  # noqa: E402
from lab.world import FAMILIES  # noqa: E402

PROTOCOLS = Path("/proc/net/protocols")
BULK = 20_000  # times ten bytes: packets that the kernel merges, and cuts again where a device cannot take them

suite = Suite("sctp", pods={"n1": ["a1", "a2"], "n2": ["b1", "b2"]})


def known():
    return any(line.startswith("SCTP") for line in PROTOCOLS.read_text().splitlines())


def modprobe(*words):
    return subprocess.run(["modprobe", *words, "sctp"], capture_output=True).returncode == 0


def have_sctp(w):
    assert known() or modprobe(), "the module does not load"
    for pod in w.pods.values():
        pod.serve("8080/sctp")


def serve(w, name, vip, pods, number=0, listens_on=80):
    made = [service(name, vip, [port(listens_on, proto="SCTP", node_port=number)],
                    kind="NodePort" if number else "ClusterIP"),
            *slices(name, w.pod(*pods), [port(8080, proto="SCTP")])]
    w.apply(*made)
    return made


@suite.scenario("a Service of SCTP is taken in without loading the kernel's module")
def loads_nothing(w):
    before, vip = known(), w.vip()
    serve(w, "quiet", vip, ["a2", "b2"])
    for agent in w.lab.agents.values():
        w.holds(lambda agent=agent: "" if any(row["protocol"] == "SCTP" for row in agent.table("services")) else "no row",
                f"the Service on {agent.place.name}")
    assert known() == before, "the kernel knows SCTP now"


@suite.scenario("pods reach a ClusterIP over SCTP, here and on the other node, and are seen as themselves")
def cluster_ip(w):
    have_sctp(w)
    vip = w.vip()
    serve(w, "web", vip, ["a2", "b2"])
    for who in w.pod("a1", "b1"):
        for family in FAMILIES:
            w.reaches(who, vip[family], 80, ["a2", "b2"], "sctp", sees={who.ip[family]})


@suite.scenario("a pod reaches itself over SCTP")
def hairpin(w):
    have_sctp(w)
    vip = w.vip()
    serve(w, "itself", vip, ["a1"])
    for family in FAMILIES:
        w.reaches(w.pods["a1"], vip[family], 80, ["a1"], "sctp")


@suite.scenario("processes of the node reach a ClusterIP over SCTP where their packets are served", paths=(PACKETS,))
def from_the_node(w):
    have_sctp(w)
    vip = w.vip()
    serve(w, "web", vip, ["a2", "b2"])
    for node in w.nodes.values():
        for family in FAMILIES:
            w.reaches(node, vip[family], 80, ["a2", "b2"], "sctp")


@suite.scenario("processes of the node are on their own with SCTP where their sockets are served", paths=(SOCKETS,))
def past_the_sockets(w):
    have_sctp(w)
    vip = w.vip()
    serve(w, "web", vip, ["a2"])
    w.reaches(w.pods["a1"], vip[4], 80, ["a2"], "sctp")
    w.fails(w.nodes["n1"], vip[4], 80, proto="sctp")


@suite.scenario("a NodePort answers SCTP from outside by the node asked, and by the other one under a node's address")
def node_port(w):
    have_sctp(w)
    number = w.node_port()
    serve(w, "web", w.vip(), ["a2", "b2"], number)
    for name, node in w.nodes.items():
        for family in FAMILIES:
            near, far = {w.client.ip[family]}, {node.ip[family]}
            w.reaches(w.client, node.ip[family], number, ["a2", "b2"], "sctp",
                      sees=lambda pod, name=name, near=near, far=far: near if w.node_of(pod) == name else far)


@suite.scenario("a large transfer over SCTP arrives whole by every kind of way")
def bulk(w):
    have_sctp(w)
    vip, number = w.vip(), w.node_port()
    serve(w, "web", vip, ["b2"], number)
    for who, at in ((w.pods["a1"], vip), (w.pods["b1"], vip), (w.client, w.nodes["n1"].ip), (w.client, w.nodes["n2"].ip)):
        for family in FAMILIES:
            to = 80 if at is vip else number
            w.reaches(who, at[family], to, ["b2"], "sctp", count=1)
            flow = who.open(at[family], to, "sctp", timeout=60)
            answer = flow.say("0123456789", times=BULK)
            flow.close()
            assert answer.size == 10 * BULK, f"{who.name}, IPv{family}: {answer} {answer.size}"


@suite.scenario("a transfer over SCTP between pods that is no Service's goes on as without naru")
def past_services(w):
    have_sctp(w)
    for family in FAMILIES:
        flow = w.pods["a1"].open(w.pods["b2"].ip[family], 8080, "sctp", timeout=60)
        answer = flow.say("0123456789", times=BULK)
        flow.close()
        assert answer.size == 10 * BULK, f"IPv{family}: {answer} {answer.size}"


@suite.scenario("an association lives on when its endpoint leaves and when its Service is deleted, a new one does not")
def lives_on(w):
    have_sctp(w)
    vip = w.vip()
    made = serve(w, "web", vip, ["b2"])
    for family in FAMILIES:
        w.reaches(w.pods["a1"], vip[family], 80, ["b2"], "sctp", count=1)
    flows = [w.pods["a1"].open(vip[family], 80, "sctp") for family in FAMILIES]
    assert [flow.say("one").pod for flow in flows] == ["b2", "b2"]
    serve(w, "web", vip, ["a2"])
    for family in FAMILIES:
        w.reaches(w.pods["a1"], vip[family], 80, ["a2"], "sctp", count=1)
    assert [flow.say("two").pod for flow in flows] == ["b2", "b2"]
    w.remove(*made)
    for family in FAMILIES:
        w.fails(w.pods["a1"], vip[family], 80, proto="sctp")
    assert [flow.say("three").pod for flow in flows] == ["b2", "b2"]
    for flow in flows:
        flow.close()


@suite.scenario("an association of ends with two addresses each is set up, and the client learns both of the server")
def two_addresses(w):
    have_sctp(w)
    vip, server, client = w.vip(), w.pods["b1"], w.pods["a1"]
    for place in (server, client):  # else Linux lists no private address to an end that it met at a global one
        sysctl(place.netns, {"sctp/addr_scope_policy": 0})
    server.do("serve", port=8082, proto="sctp", both=True)
    w.apply(service("homes", vip, [port(8082, proto="SCTP")]), *slices("homes", [server], [port(8082, proto="SCTP")]))
    w.reaches(client, vip[6], 8082, ["b1"], "sctp", both=True, count=1)
    flow = client.open(vip[6], 8082, "sctp", both=True)
    known_homes = "\n".join(run(client.netns, ["cat", "/proc/net/sctp/assocs"]))
    assert server.ip[4] in known_homes, f"the client knows no second address of the server:\n{known_homes}"
    flow.close()


@suite.scenario("SCTP to an unserved port of a Service reaches nobody, and another protocol there is not its own")
def unserved(w):
    have_sctp(w)
    vip = w.vip()
    serve(w, "web", vip, ["a2"])
    w.reaches(w.pods["a1"], vip[4], 80, ["a2"], "sctp", count=1)
    for family in FAMILIES:
        w.fails(w.pods["a1"], vip[family], 81, {"timeout", "ECONNREFUSED"}, "sctp")
        w.refused(w.pods["a1"], vip[family], 80, "tcp")


if __name__ == "__main__":
    if not known() and not modprobe("--dry-run"):
        print("skipped: this kernel has no SCTP")
        sys.exit(SKIP)
    suite.main()
