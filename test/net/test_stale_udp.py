"""UDP clients that keep their socket while the backends, policies and Services behind it change."""

import json
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from lab import system  # noqa: E402
from lab.check import SOCKETS, Suite  # noqa: E402
from lab.objects import port, service, slices  # noqa: E402
from lab.system import ip, ip_batch, sysctl  # noqa: E402
from lab.world import FAMILIES  # noqa: E402

suite = Suite("stale-udp")
CLOCK_MONOTONIC_COARSE = 6
UNREADY = {"ready": False, "serving": False, "terminating": False}
ENDED = {"ECONNABORTED", "EDESTADDRREQ"}  # what a socket says that was ended, first and then
AGAIN = 6                                 # flows of one kind: that all stay by chance is unlikely


class Dialled:
    """A socket that keeps its source port, and what it dials."""

    def __init__(self, who, address, number, connected=False):
        self.who, self.address, self.number = who, address, number
        self.flow = who.open(address, number, "udp", timeout=0.7, connected=connected)
        assert not self.flow.error, f"{self}: {self.flow.error}"

    def __str__(self):
        return f"{self.who.name} -> {self.address} port {self.number}/udp"

    def say(self):
        return self.flow.say()


def targets(w, vip, lb, number):
    """(who, address, port): every kind of client and of frontend, both families."""
    for family in FAMILIES:
        node = w.nodes["n1"].ip[family]
        for who in w.insiders:
            yield from ((who, vip[family], 80), (who, lb[family], 80), (who, node, number))
        yield from ((w.client, lb[family], 80), (w.client, node, number))


def dial(w, vip, lb, number, server):
    for who, address, to in targets(w, vip, lb, number):
        w.reaches(who, address, to, [server], "udp", count=1)
    return [Dialled(*target) for target in targets(w, vip, lb, number)]


def answered(w, flows, server):
    for each in flows:
        w.holds(lambda: "" if (answer := each.say()).pod == server else str(answer), f"{each}, wanted {server}")


def fails(w, flows, errors):
    for each in flows:
        w.holds(lambda: "" if (answer := each.say()).error in errors else str(answer), f"{each}, wanted {errors}")


def close(flows):
    for each in flows:
        each.flow.close()


def udp(name, vip, lb=(), number=0, **spec):
    kind = "LoadBalancer" if lb else "ClusterIP"
    return service(name, vip, [port(80, proto="UDP", node_port=number)], kind=kind,
                   lb=lb.values() if lb else (), **spec)


def endpoints(name, rows):
    return slices(name, rows, [port(8080, proto="UDP")])


@suite.scenario("every kind of client follows a replaced endpoint through every kind of frontend")
def replaced(w):
    vip, lb, number = w.vip(), w.lb(), w.node_port()
    w.apply(udp("web", vip, lb, number), *endpoints("web", w.pod("b2")))
    flows = dial(w, vip, lb, number, "b2")
    for server in ("a2", "b3"):
        w.apply(*endpoints("web", w.pod(server)))
        answered(w, flows, server)
    close(flows)


@suite.scenario("under policy Local a client follows its node's endpoint when that one is replaced")
def replaced_locally(w):
    vip, lb, number = w.vip(), w.lb(), w.node_port()
    w.apply(udp("web", vip, lb, number, externalTrafficPolicy="Local", internalTrafficPolicy="Local"),
            *endpoints("web", w.pod("a2", "b2")))
    flows = [Dialled(who, address, to) for family in FAMILIES for who, address, to in
             ((w.pods["a1"], vip[family], 80), (w.client, lb[family], 80),
              (w.client, w.nodes["n1"].ip[family], number))]
    answered(w, flows, "a2")
    w.apply(*endpoints("web", w.pod("a3", "b2")))
    answered(w, flows, "a3")
    close(flows)


@suite.scenario("an endpoint that is unready for a while is refused meanwhile and answers the same sockets again")
def unready(w):
    vip, lb, number = w.vip(), w.lb(), w.node_port()
    w.apply(udp("web", vip, lb, number), *endpoints("web", w.pod("b2")))
    flows = dial(w, vip, lb, number, "b2")
    for _ in range(2):
        w.apply(*endpoints("web", [(w.pods["b2"], UNREADY)]))
        fails(w, flows, {"ECONNREFUSED"})
        w.apply(*endpoints("web", w.pod("b2")))
        answered(w, flows, "b2")
    close(flows)


@suite.scenario("a Service without endpoints for a while serves the same sockets when others come")
def empty(w):
    vip, lb, number = w.vip(), w.lb(), w.node_port()
    w.apply(udp("web", vip, lb, number), *endpoints("web", w.pod("b2")))
    flows = dial(w, vip, lb, number, "b2")
    w.apply(*endpoints("web", []))
    fails(w, flows, {"ECONNREFUSED"})
    w.apply(*endpoints("web", w.pod("a2")))
    answered(w, flows, "a2")
    close(flows)


@suite.scenario("a Service deleted and made again with another ClusterIP is followed by its NodePort, not by its old address")
def made_again(w):
    vip, other, lb, number = w.vip(), w.vip(), w.lb(), w.node_port()
    first = [udp("web", vip, lb, number, uid="first"), *endpoints("web", w.pod("b2"))]
    w.apply(*first)
    flows = dial(w, vip, lb, number, "b2")
    w.remove(*first)
    for each in flows:
        w.fails(each.who, each.address, each.number, None, "udp")
    w.apply(udp("web", other, lb, number, uid="second"), *endpoints("web", w.pod("a2")))
    for each in flows:
        if each.address in vip.values():
            w.fails(each.who, each.address, each.number, None, "udp")
            assert each.say().pod not in ("a2", "b2"), f"{each} is served"
        else:
            answered(w, [each], "a2")
    for who in w.insiders:
        for family in FAMILIES:
            w.reaches(who, other[family], 80, ["a2"], "udp", count=1)
    close(flows)


@suite.scenario("no flow from outside moves when externalTrafficPolicy goes from Local to Cluster and back")
def external_policy(w):
    vip, lb, number = w.vip(), w.lb(), w.node_port()
    objects = {policy: udp("web", vip, lb, number, externalTrafficPolicy=policy) for policy in ("Local", "Cluster")}
    w.apply(objects["Local"], *endpoints("web", w.pod("a2", "b2")))
    flows = {"a2": [], "b2": []}
    for family in FAMILIES:
        for address, to in ((lb[family], 80), (w.nodes["n1"].ip[family], number)):
            w.reaches(w.client, address, to, ["a2"], "udp")
            flows["a2"] += [Dialled(w.client, address, to) for _ in range(AGAIN)]
    answered(w, flows["a2"], "a2")
    w.apply(objects["Cluster"])
    for family in FAMILIES:
        for address, to in ((lb[family], 80), (w.nodes["n1"].ip[family], number)):
            w.reaches(w.client, address, to, ["a2", "b2"], "udp")
            while not flows["b2"] or flows["b2"][-1].address != address:
                other = Dialled(w.client, address, to)
                flows["b2" if other.say().pod == "b2" else "a2"].append(other)
    for _ in range(2):
        for server, those in flows.items():
            for each in those:
                assert (answer := each.say()).pod == server, f"{each}: {answer}, wanted {server}"
        w.apply(objects["Local"])
        for family in FAMILIES:
            w.reaches(w.client, lb[family], 80, ["a2"], "udp")
    for those in flows.values():
        close(those)


@suite.scenario("no flow of a pod or a host moves when internalTrafficPolicy goes from Cluster to Local and back")
def internal_policy(w):
    vip = w.vip()
    objects = {policy: udp("web", vip, internalTrafficPolicy=policy) for policy in ("Local", "Cluster")}
    w.apply(objects["Cluster"], *endpoints("web", w.pod("a2", "b2")))
    flows = {"a2": [], "b2": []}
    for who in w.insiders:
        for family in FAMILIES:
            w.reaches(who, vip[family], 80, ["a2", "b2"], "udp")
            there = set()
            while there != {"a2", "b2"}:
                each = Dialled(who, vip[family], 80)
                server = each.say().pod
                there.add(server)
                flows[server].append(each)
    w.apply(objects["Local"])
    for who in w.insiders:
        own = "a2" if who.name in ("a1", "n1") else "b2"
        for family in FAMILIES:
            w.reaches(who, vip[family], 80, [own], "udp")
            flows[own] += [Dialled(who, vip[family], 80) for _ in range(AGAIN)]
    for _ in range(2):
        for server, those in flows.items():
            for each in those:
                assert (answer := each.say()).pod == server, f"{each}: {answer}, wanted {server}"
        w.apply(objects["Cluster"])
        for who in w.insiders:
            for family in FAMILIES:
                w.reaches(who, vip[family], 80, ["a2", "b2"], "udp")
    for those in flows.values():
        close(those)


def told(w, node, reason):
    return sum(row["packets"] for row in w.lab.agents[node].table("metrics") if row["reason"] == reason)


@suite.scenario("a connected socket hears at once that its server has gone, and its next connection is served", (SOCKETS,))
def connected(w):
    vip = w.vip()
    direct = [Dialled(who, w.pods[server].ip[family], 8080, connected=True)
              for who in w.insiders for server in ("a2", "b2") for family in FAMILIES]
    for server, other in (("b2", "a2"), ("a2", "b3")):
        w.apply(udp("web", vip), *endpoints("web", w.pod(server)))
        before = {node: told(w, node, "backend_gone") for node in w.nodes}
        flows = []
        for who in w.insiders:
            for family in FAMILIES:
                w.reaches(who, vip[family], 80, [server], "udp", count=1)
                flows.append(Dialled(who, vip[family], 80, connected=True))
        answered(w, flows, server)
        w.apply(*endpoints("web", w.pod(other)))
        for each in flows:
            fails(w, [each], ENDED if each.who in w.nodes.values() else {"ECONNREFUSED"})
            w.reaches(each.who, each.address, 80, [other], "udp", count=1)
        for node in w.nodes:
            assert told(w, node, "backend_gone") > before[node], f"{node} counted none"
        for each in direct:
            assert (answer := each.say()).pod and not answer.error, f"{each}, past the Service: {answer}"
        close(flows)
    close(direct)


@suite.scenario("a pod's connected socket is answered again when its server comes back", (SOCKETS,))
def comes_back(w):
    vip = w.vip()
    w.apply(udp("web", vip), *endpoints("web", w.pod("b2")))
    for who in w.pod("a1", "b1"):
        for family in FAMILIES:
            w.reaches(who, vip[family], 80, ["b2"], "udp", count=1)
    flows = [Dialled(who, vip[family], 80, connected=True) for who in w.pod("a1", "b1") for family in FAMILIES]
    answered(w, flows, "b2")
    for gone in ([], [(w.pods["b2"], UNREADY)], w.pod("a2")):
        w.apply(*endpoints("web", gone))
        fails(w, flows, {"ECONNREFUSED"})
        w.apply(*endpoints("web", w.pod("b2")))
        answered(w, flows, "b2")
    close(flows)


@suite.scenario("a connected socket of a Service that is deleted hears of it, also when the agent was away", (SOCKETS,))
def deleted(w):
    vip = w.vip()
    made = [udp("web", vip), *endpoints("web", w.pod("b2"))]
    w.apply(*made)
    for who in w.insiders:
        for family in FAMILIES:
            w.reaches(who, vip[family], 80, ["b2"], "udp", count=1)
    flows = [Dialled(who, vip[family], 80, connected=True) for who in w.insiders for family in FAMILIES]
    answered(w, flows, "b2")
    for agent in w.lab.agents.values():
        agent.kill()
    w.remove(*made)
    answered(w, flows, "b2")
    for agent in w.lab.agents.values():
        agent.restart()
    for each in flows:
        fails(w, [each], ENDED if each.who in w.nodes.values() else {"ECONNREFUSED"})
    close(flows)


INNER = {4: "10.99.0.2", 6: "fd99::2"}
OUTER = {4: "10.99.0.1", 6: "fd99::1"}


@contextmanager
def behind(w, pod):
    """A namespace whose way out is the pod: the node sees its datagrams without their sockets."""
    netns = f"{w.lab.prefix}-inner"
    ip("netns", "add", netns)
    try:
        ip_batch(pod.netns, [f"link add in0 type veth peer name eth0 netns {netns}", "link set in0 up",
                             f"addr add {OUTER[4]}/24 dev in0", f"addr add {OUTER[6]}/64 dev in0 nodad"])
        ip_batch(netns, ["link set lo up", "link set eth0 up", f"addr add {INNER[4]}/24 dev eth0",
                         f"addr add {INNER[6]}/64 dev eth0 nodad", f"route add default via {OUTER[4]}",
                         f"route add default via {OUTER[6]}"])
        sysctl(pod.netns, {"ipv4/ip_forward": 1, "ipv6/conf/all/forwarding": 1})
        yield netns
    finally:
        sysctl(pod.netns, {"ipv4/ip_forward": 0, "ipv6/conf/all/forwarding": 0})
        ip("netns", "del", netns)


def send_from(netns, address, number):
    """What one datagram from there comes to: the name of the error, or "silence"."""
    code = ("import errno, socket, sys\n"
            "s = socket.socket(socket.AF_INET6 if ':' in sys.argv[1] else socket.AF_INET, socket.SOCK_DGRAM)\n"
            "s.settimeout(0.7)\n"
            "s.connect((sys.argv[1], int(sys.argv[2])))\n"
            "try:\n"
            "    s.send(b'hello')\n"
            "    print(s.recv(99))\n"
            "except TimeoutError:\n"
            "    print('silence')\n"
            "except OSError as why:\n"
            "    print(errno.errorcode[why.errno])\n")
    done = subprocess.run(["nsenter", f"--net={system.NETNS / netns}", system.PYTHON, "-c", code, address, str(number)],
                          capture_output=True, text=True, timeout=20)
    return done.stdout.strip() or done.stderr


def grow_older(agent, seconds):
    """Every former backend left so much earlier."""
    pin = str(agent.pins / "current/maps/lb_udp_gone")
    rows = json.loads(subprocess.run(["bpftool", "-j", "map", "dump", "pinned", pin], check=True,
                                     capture_output=True, text=True).stdout)
    hz = round(1 / time.clock_getres(CLOCK_MONOTONIC_COARSE))  # it steps with the tick
    for row in rows:
        since = int.from_bytes(bytes(int(byte, 16) for byte in row["value"]), "little") - seconds * hz
        words = [f"{byte:#04x}" for byte in since.to_bytes(8, "little")]
        subprocess.run(["bpftool", "map", "update", "pinned", pin, "key", *row["key"], "value", *words], check=True)
    return len(rows)


@suite.scenario("who sends to a former server by way of a pod is refused for a minute, and then left alone", (SOCKETS,))
def unknown_sender(w):
    vip = w.vip()
    server, agent = w.pods["b2"], w.lab.agents["n1"]
    w.apply(udp("web", vip), *endpoints("web", [server]))
    w.reaches(w.pods["a1"], vip[4], 80, ["b2"], "udp", count=1)
    with behind(w, w.pods["a1"]) as inner:
        for family in FAMILIES:
            assert send_from(inner, server.ip[family], 8080) == "silence", "nobody routes the answer back"
        w.apply(*endpoints("web", []))
        for family in FAMILIES:
            w.holds(lambda: "" if (got := send_from(inner, server.ip[family], 8080)) == "ECONNREFUSED" else got,
                    f"IPv{family}, just gone")
        assert grow_older(agent, 61) >= 2
        for family in FAMILIES:
            assert send_from(inner, server.ip[family], 8080) == "silence", f"IPv{family}, gone for a minute"


if __name__ == "__main__":
    suite.main()
