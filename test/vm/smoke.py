"""naru on the kernel this runs under: what it says it lacks, how its programs are attached, one Service served.

NARU_KERNEL names the kernel's series."""

import os
import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from lab.agent import METRICS_PORT  # noqa: E402
from lab.check import Suite  # noqa: E402
from lab.world import FAMILIES  # noqa: E402

SAID = {
    "tcx": "has no tcx",
    "route source": "route lookup names no source",
    "socket errors": "cannot choose an error",
    "large values": "map values end at",
}
LACKS = {
    "5.10": {"tcx", "route source", "socket errors", "large values"},
    "6.1": {"tcx"},  # Debian's has the source of a route from a later kernel
    "6.12": set(),
    "6.18": set(),
    "7.3": set(),
}
SERIES = os.environ["NARU_KERNEL"]
SOCKET_HOOKS = {"sock_release", "connect4", "connect6", "sendmsg4", "sendmsg6", "recvmsg4", "recvmsg6", "getpeername4",
                "getpeername6"}

suite = Suite("kernel", pods={"n1": ["a1", "a2"], "n2": ["b1"]})


@suite.scenario("what this kernel lacks is said, once each, and nothing else")
def said(w):
    lacks = LACKS[SERIES] - (set() if w.sockets else {"socket errors"})
    for agent in w.lab.agents.values():
        counts = {name: agent.log().count(words) for name, words in SAID.items()}
        assert counts == {name: int(name in lacks) for name in SAID}, f"{agent.place.name}: {counts}"


@suite.scenario("every program is on its hook, by the means this kernel has")
def attached(w):
    mode = "clsact" if "tcx" in LACKS[SERIES] else "tcx"
    for name, node in w.nodes.items():
        text = node.get(METRICS_PORT, "/metrics")["body"]
        found = set(re.findall(r'naru_program_info\{hook="(\w+)",mode="(\w+)",ifname="([\w.-]*)"\} 1', text))
        sockets = {(hook, "cgroup", "") for hook in SOCKET_HOOKS if w.sockets}
        assert {each for each in found if each[1] == "cgroup"} == sockets, f"{name}: {found}"
        devices = {device for _, how, device in found if how != "cgroup"}
        assert "eth0" in devices and "veth1" in devices, f"{name}: {found}"
        # What leaves by other devices with addresses, lo among them, may be a process's that no socket program serves.
        assert ("lo" in devices) != w.sockets, f"{name}: {found}"
        both = devices if w.sockets else {device for device in devices if device.startswith(("eth", "veth"))}
        wanted = {("tc_egress", mode, device) for device in devices} | {("tc_ingress", mode, device) for device in both}
        assert found - sockets == wanted, f"{name}: {found}"


@suite.scenario("a Service answers pods, processes of the node and clients outside, over both families")
def serves(w):
    vip, number = w.vip(), w.node_port()
    # One backend: beside its client, on another node, behind the node that was asked, and the client itself.
    w.web("web", vip, w.pod("b1"), node_port=number, type="NodePort")
    for family in FAMILIES:
        for who in w.insiders:
            w.reaches(who, vip[family], 80, ["b1"], count=2)
        for node in w.nodes.values():
            w.reaches(w.client, node.ip[family], number, ["b1"], count=2)


if __name__ == "__main__":
    suite.main()
