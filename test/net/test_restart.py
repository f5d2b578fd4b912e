"""The agent is killed, stopped and started; flows and Services live on."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import signal
import subprocess

from lab.check import PACKETS, Suite  # noqa: E402
from lab.objects import port, slices  # noqa: E402
from lab.system import ip_batch, wait_until  # noqa: E402
from lab.world import FAMILIES, SILENCE  # noqa: E402

suite = Suite("restart")
REPAIR = 15  # the agent looks every ten seconds


def streams(w, vip, lb, number):
    """Flows that talk all the time, in each direction naru knows, TCP and UDP, both families."""
    flows = []
    for family in FAMILIES:
        for who, address, to in ((w.pods["a1"], vip[family], 80), (w.pods["b1"], vip[family], 80),
                                 (w.client, lb[family], 80), (w.client, w.nodes["n2"].ip[family], number)):
            for proto, add in (("tcp", 0), ("udp", 1)):
                flow = who.open(address, to + add, proto, connected=proto == "tcp")
                assert not flow.error, f"{who.name} -> {address}: {flow.error}"
                assert not flow.say().error
                flow.stream(interval=0.02)
                flows.append((f"{who.name} -> {address} port {to + add}/{proto}", flow))
    return flows


def shop(w, vip, lb, number, pods=("a2", "b2")):
    for proto, add in (("TCP", 0), ("UDP", 1)):
        w.apply({"apiVersion": "v1", "kind": "Service",
                 "metadata": {"name": f"web-{proto.lower()}", "namespace": "test", "uid": f"uid-{proto}"},
                 "spec": {"type": "LoadBalancer", "clusterIPs": list(vip.values()), "clusterIP": vip[4],
                          "ipFamilies": ["IPv4", "IPv6"],
                          "ports": [{"port": 80 + add, "protocol": proto, "nodePort": number + add}]},
                 "status": {"loadBalancer": {"ingress": [{"ip": address} for address in lb.values()]}}},
                *slices(f"web-{proto.lower()}", w.pod(*pods), [port(8080, proto=proto)]))


def all_served(w, vip, lb, number, pods):
    for family in FAMILIES:
        for proto, add in (("tcp", 0), ("udp", 1)):
            for who in w.insiders:
                w.reaches(who, vip[family], 80 + add, pods, proto)
            w.reaches(w.client, lb[family], 80 + add, pods, proto)
            w.reaches(w.client, w.nodes["n2"].ip[family], number + add, pods, proto)


@suite.scenario("a killed agent breaks no flow and loses no packet, and what changed meanwhile is applied later")
def killed(w):
    vip, lb, number = w.vip(), w.lb(), w.node_port()
    w.node_port()
    shop(w, vip, lb, number)
    all_served(w, vip, lb, number, ["a2", "b2"])
    flows = streams(w, vip, lb, number)
    for agent in w.lab.agents.values():
        agent.kill(signal.SIGKILL)
    for family in FAMILIES:  # the datapath needs no agent
        w.reaches(w.client, lb[family], 80, ["a2", "b2"])
        w.reaches(w.pods["a1"], vip[family], 81, ["a2", "b2"], "udp")
    shop(w, vip, lb, number, ("a2", "b2", "b3"))
    for agent in w.lab.agents.values():
        agent.restart()
    all_served(w, vip, lb, number, ["a2", "b2", "b3"])
    for name, flow in flows:
        told = flow.stop()
        flow.close()
        assert told["sent"] > 20 and told["answered"] == told["sent"], f"{name}: {told}"
        assert len(told["pods"]) == 1, f"{name} changed its server: {told['pods']}"


@suite.scenario("programs and tables are taken over on a restart, not made anew beside the old ones")
def adopted(w):
    vip, lb, number = w.vip(), w.lb(), w.node_port()
    w.node_port()
    shop(w, vip, lb, number)
    all_served(w, vip, lb, number, ["a2", "b2"])
    agent = w.lab.agents["n1"]
    links, tables = pins(agent), agent.naructl("backends", "-o", "json")
    agent.kill(signal.SIGKILL)
    agent.restart()
    w.settle()
    assert pins(agent) == links, f"{sorted(links)} became {sorted(pins(agent))}"
    w.holds(lambda: "" if agent.naructl("backends", "-o", "json") == tables else agent.naructl("backends"),
            "the rows keep positions and generations")


def pins(agent):
    return {str(path.relative_to(agent.pins)) for path in agent.pins.rglob("*")}


@suite.scenario("an object deleted while the agent is down is gone after its start")
def deleted_meanwhile(w):
    vip, other = w.vip(), w.vip()
    made = w.web("web", vip, w.pod("a2", "b2"))
    w.web("other", other, w.pod("a2"))
    for who in w.insiders:
        w.reaches(who, vip[4], 80, ["a2", "b2"])
    for agent in w.lab.agents.values():
        agent.kill(signal.SIGKILL)
    w.remove(*made)
    for agent in w.lab.agents.values():
        agent.restart()
    for who in w.insiders:
        for family in FAMILIES:
            w.untouched(who, vip[family], 80)
            w.reaches(who, other[family], 80, ["a2"])


def uplink_links(agent):
    """Pins of what the node has on its first device that is not its loopback: the uplink."""
    def index(path):
        return int(path.name.rpartition("-")[2])
    found = [path for path in agent.pins.glob("v*/links/tc_*-*") if index(path) > 1]
    return [path for path in found if index(path) == min(map(index, found))]


@suite.scenario("programs that somebody detaches, or whose pins somebody removes, are back within ten seconds")
def repaired(w):
    vip, number = w.vip(), w.node_port()
    w.web("web", vip, w.pod("a2", "b2"), node_port=number, kind="NodePort")
    node, agent = w.nodes["n1"], w.lab.agents["n1"]
    for family in FAMILIES:
        w.reaches(w.client, node.ip[family], number, ["a2", "b2"])
    sockets = list(agent.pins.glob("v*/links/connect*"))
    for spoil in (detach, unpin):
        for attempt in range(3):
            for path in (*uplink_links(agent), *sockets):
                spoil(path)
            try:
                w.fails(w.client, node.ip[4], number)
                break
            except AssertionError:  # mended before anybody could see it
                if attempt == 2:
                    raise
        for family in FAMILIES:
            def look():
                # One call may find a backend that needs no more than what is repaired so far.
                for _ in range(8):
                    answers = [w.client.fetch(node.ip[family], number, timeout=SILENCE)[0]]
                    answers += [node.fetch(vip[family], 80, timeout=SILENCE)[0]] if w.sockets else []
                    if not all(answer.pod in ("a2", "b2") for answer in answers):
                        return f"{answers}"
                return ""
            w.holds(look, f"IPv{family} after {spoil.__name__}", within=REPAIR)
        w.holds(lambda: "" if set(sockets) <= set(agent.pins.glob("v*/links/*")) and uplink_links(agent)
                else f"{pins(agent)}", f"the pins after {spoil.__name__}", within=REPAIR)


def detach(pin):
    done = subprocess.run(["bpftool", "link", "detach", "pinned", str(pin)], capture_output=True, text=True)
    assert done.returncode == 0, f"bpftool link detach pinned {pin}: {done.stderr}"


def unpin(pin):
    pin.unlink()


@suite.scenario("a pod's device that appears while the agent runs is served within the budget", paths=(PACKETS,))
def new_device(w):
    vip = w.vip()
    w.web("web", vip, w.pod("a2", "b2"))
    for name in ("a1", "b1"):
        who, node = w.pods[name], w.nodes[w.pods[name].node]
        for family in FAMILIES:
            w.reaches(who, vip[family], 80, ["a2", "b2"])
        ip_batch(node.netns, ["link del veth1"])
        wait_until(lambda who=who: who.fetch(w.pods["a2"].ip[4], 8080, timeout=0.1)[0].error, 5, "the pod is cut off")
        w.lab.connect_pod(who)
        for family in FAMILIES:
            w.reaches(who, vip[family], 80, ["a2", "b2"], sees={who.ip[family]})


if __name__ == "__main__":
    suite.main()
