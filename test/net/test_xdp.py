"""What XDP forwards: traffic from outside to another node, and its replies. All the rest is left to tc."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import json  # noqa: E402
import subprocess  # noqa: E402

from lab.agent import binaries  # noqa: E402
from lab.check import PACKETS, Suite  # noqa: E402
from lab.system import ip_batch  # noqa: E402
from lab.world import FAMILIES  # noqa: E402

suite = Suite("xdp", paths=(PACKETS,))
PROTOCOLS = ("tcp", "udp")
PASS = binaries().parent / "test/net/xdp_pass.o"


def prepared(w):
    """A veth drops what XDP sends unless its peer has a program as well, and hands XDP checksums that were left to a
    NIC which is not there. Real devices do neither."""
    for name in w.nodes:
        ip_batch(w.lab.fabric.netns, [f"link set dev {name} xdp off",
                                      f"link set dev {name} xdp obj {PASS} sec xdp.frags"])
    for place in (w.client, *w.nodes.values()):
        subprocess.run(["nsenter", f"--net=/run/netns/{place.netns}", "ethtool", "-K", "eth0", "tx", "off"],
                       check=True, capture_output=True)


def start(w, mode):
    prepared(w)
    w.start_agents("--xdp", mode)


def on_uplink(node, *words):
    """`ip -n` would hide bpffs."""
    subprocess.run(["nsenter", f"--net=/run/netns/{node.netns}", "ip", "link", "set", "dev", "eth0", *words], check=True,
                   capture_output=True, text=True)


def packets(w, hook, reason, node="n1"):
    return sum(row["packets"] for row in w.lab.agents[node].table("metrics")
               if (row["hook"], row["reason"]) == (hook, reason))


def xdp_mode(w, node="n1"):
    done = subprocess.run(["nsenter", f"--net=/run/netns/{w.nodes[node].netns}", "ip", "link", "show", "dev", "eth0"],
                          check=True, capture_output=True, text=True).stdout
    return "generic" if "xdpgeneric" in done else "native" if " xdp " in done else "none"


def remote_service(w, **spec):
    number, lb = w.node_port(), w.lb()
    made = w.web("far", w.vip(), w.pod("b2"), node_port=number, kind="LoadBalancer", lb=lb.values(), **spec)
    made += w.web("far-dgram", w.vip(), w.pod("b2"), proto="UDP", node_port=number, kind="LoadBalancer",
                  lb=lb.values(), **spec)
    return number, lb, made


def set_mtu(places, mtu):
    for place in places:
        shown = subprocess.run(["ip", "-j", "-n", place.netns, "link"], check=True, capture_output=True).stdout
        ip_batch(place.netns, [f"link set dev {link['ifname']} mtu {mtu}" for link in json.loads(shown)
                               if link["ifname"] != "lo"])


def carried_by_xdp(w, address, number, least):
    """300,000 bytes over one connection, of which tc sees nothing. How many frames it took to the backend."""
    before = {reason: packets(w, "tc_ingress", reason) for reason in ("forward_remote", "reply_snat")}
    seen = {reason: packets(w, "xdp", reason) for reason in before}
    flow = w.client.open(address, number)
    answer = flow.say("0123456789", times=30_000)
    flow.close()
    assert answer.size == 300_000, f"{address}: {answer} {answer.size}"
    for reason in before:
        assert packets(w, "tc_ingress", reason) == before[reason], f"{address}: tc saw {reason} of a known flow"
        assert packets(w, "xdp", reason) > seen[reason] + least, f"{address}: XDP sent too few as {reason}"
    return packets(w, "xdp", "forward_remote") - seen["forward_remote"]


@suite.scenario("connections from outside to a pod of another node never leave XDP, there and back, and arrive whole")
def forwards(w):
    start(w, "native")
    assert xdp_mode(w) == "native"
    number, lb, _ = remote_service(w)
    node = w.nodes["n1"]
    for family in FAMILIES:
        for proto in PROTOCOLS:
            w.reaches(w.client, node.ip[family], number, ["b2"], proto, sees={node.ip[family]})
            w.reaches(w.client, lb[family], 80, ["b2"], proto, sees={node.ip[family]})
        carried_by_xdp(w, node.ip[family], number, least=100)


@suite.scenario("frames of several buffers never leave XDP either, and arrive whole")
def large_frames(w):
    start(w, "native")
    number, _, _ = remote_service(w)
    node, way = w.nodes["n1"], (w.pods["b2"], *w.nodes.values(), w.client, w.lab.fabric)
    try:
        set_mtu(way, 9000)
        assert xdp_mode(w) == "native"
        for family in FAMILIES:
            w.reaches(w.client, node.ip[family], number, ["b2"], sees={node.ip[family]})
            frames = carried_by_xdp(w, node.ip[family], number, least=30)
            assert frames < 100, f"IPv{family}: {frames} frames for 300,000 bytes are no large ones"
            flow = w.client.open(node.ip[family], number, "udp")
            answer = flow.say("0123456789", times=800)
            flow.close()
            assert answer.size == 8000, f"IPv{family}: {answer} {answer.size}"
    finally:
        set_mtu(way, 1500)


@suite.scenario("what XDP cannot finish goes on by tc: local backends, an unknown neighbour, rejects and echoes")
def leaves(w):
    start(w, "native")
    number, lb, _ = remote_service(w)
    near, near_lb, node = w.node_port(), w.lb(), w.nodes["n1"]
    w.web("near", w.vip(), w.pod("a2"), node_port=near, kind="LoadBalancer", lb=near_lb.values())
    for family in FAMILIES:
        w.reaches(w.client, node.ip[family], near, ["a2"], sees={w.client.ip[family]})
        w.reaches(w.client, lb[family], 80, ["b2"])
        w.refused(w.client, lb[family], 81)
        w.refused(w.client, lb[family], 81, "udp")
    ip_batch(node.netns, ["neigh flush dev eth0"])
    for family in FAMILIES:
        for _ in range(3):
            answer = w.client.fetch(lb[family], 80)[0]
            assert answer.pod == "b2", f"IPv{family} after the neighbours were forgotten: {answer}"
            ip_batch(node.netns, ["neigh flush dev eth0"])


@suite.scenario("generic XDP serves where it is asked for")
def generic(w):
    start(w, "generic")
    assert xdp_mode(w) == "generic"
    number, lb, _ = remote_service(w)
    for family in FAMILIES:
        for proto in PROTOCOLS:
            w.reaches(w.client, lb[family], 80, ["b2"], proto)
    assert packets(w, "xdp", "reply_snat") > 0


@suite.scenario("a flow lives on while XDP is switched on and off under it")
def switched(w):
    start(w, "off")
    number, _, _ = remote_service(w)
    node = w.nodes["n1"]
    for family in FAMILIES:
        for proto in PROTOCOLS:
            w.reaches(w.client, node.ip[family], number, ["b2"], proto)
    flows = [w.client.open(node.ip[family], number, proto, connected=proto == "tcp")
             for family in FAMILIES for proto in PROTOCOLS]
    for mode in ("native", "off", "generic", "native"):
        for flow in flows:
            answer = flow.say()
            assert answer.pod == "b2", f"before {mode}: {answer}"
        w.start_agents("--xdp", mode)
        assert xdp_mode(w) == {"off": "none"}.get(mode, mode), f"{xdp_mode(w)} instead of {mode}"
    for flow in flows:
        answer = flow.say()
        assert answer.pod == "b2", f"at the end: {answer}"


@suite.scenario("on a veth XDP is used only when it is asked for, and leaves with --xdp off and --cleanup")
def modest(w):
    w.start_agents()
    assert xdp_mode(w) == "none", "auto puts no program on a veth"
    w.start_agents("--xdp", "native")
    assert xdp_mode(w) == "native"
    agent = w.lab.agents["n1"]
    agent.process.terminate()
    agent.process.wait(10)
    assert xdp_mode(w) == "native", "the program outlives the agent"
    done = agent.run("--cleanup")
    assert done.returncode == 0 and xdp_mode(w) == "none", f"{done.stderr} {xdp_mode(w)}"


@suite.scenario("another XDP program on the uplink is left alone and named once, and tc serves")
def foreign(w):
    start(w, "native")
    _, lb, _ = remote_service(w)
    node, agent = w.nodes["n1"], w.lab.agents["n1"]
    agent.process.terminate()
    agent.process.wait(10)
    agent.run("--cleanup")
    # Any program would do; the other node's knows nothing of this device.
    other = next(w.lab.agents["n2"].pins.glob("v*/progs/xdp"))
    on_uplink(node, "xdp", "pinned", str(other))
    try:
        agent.restart()
        w.logged("n1", "no XDP on this uplink", "device=eth0")
        for family in FAMILIES:
            w.reaches(w.client, lb[family], 80, ["b2"])
        assert packets(w, "xdp", "forward_remote") == 0
        ip_batch(node.netns, ["link add other type veth peer name another", "link del other"])  # it looks again
        w.settle()
        assert agent.log().count("no XDP on this uplink") == 1, agent.log(12)
    finally:
        on_uplink(node, "xdp", "off")


if __name__ == "__main__":
    suite.main()
