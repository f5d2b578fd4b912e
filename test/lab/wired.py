"""The cluster of plan.py, wired and firewalled as a Wiring says. Outsiders know the nodes, and no way to pods."""

import os
import subprocess

from . import firewall, system
from .lab import Lab
from .plan import FIRST_POD_HOST
from .system import ip, ip_batch, sysctl
from .wiring import VLAN, WIREGUARD_PORT

# Connection tracking believes no connection whose start it did not see.
STRICT = {"ipv4/conf/all/rp_filter": 1, "ipv4/conf/default/rp_filter": 1, "netfilter/nf_conntrack_tcp_loose": 0}


def require_kinds(kinds):
    netns = f"naru-probe-{os.getpid()}"
    ip("netns", "add", netns)
    try:
        ip("-n", netns, "link", "add", "under", "type", "veth", "peer", "name", "far")
        for number, kind in enumerate(kinds):
            below = ["link", "under"] if kind in ("vlan", "macvlan") else []
            more = {"vlan": ["id", "5"], "vxlan": ["id", "5", "dstport", "8472"]}.get(kind, [])
            ip("-n", netns, "link", "add", *below, "name", f"probe{number}", "type", kind, *more)
    except RuntimeError as why:
        raise system.Missing(f"this kernel has no device of kind {kind}: {why}") from None
    finally:
        ip("netns", "del", netns)


def wg(*words, told=""):
    done = subprocess.run(["wg", *words], input=told, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"wg {' '.join(words)}: {done.stderr.strip()}")
    return done.stdout.strip()


class WiredLab(Lab):
    def __init__(self, name, pods, wiring):
        super().__init__(name, pods)
        require_kinds(wiring.kinds)
        self.wiring = wiring
        self.keys = {node: wg("genkey") for node in self.plans if wiring.tunnel == "wireguard"}
        for pod in self.pods.values():
            pod.ip = wiring.pod_ip(self.plans[pod.node], FIRST_POD_HOST + self._index(pod) - 1)

    def _pod_routes(self, but=None):
        return []

    def _build_fabric(self):
        super()._build_fabric()
        lines = []
        for name, place in self.nodes.items():
            if self.wiring.uplink == f"eth0.{VLAN}":
                lines += [f"link set {name} nomaster up",
                          f"link add link {name} name {name}.{VLAN} type vlan id {VLAN}",
                          f"link set {name}.{VLAN} master br0 up"]
            if self.wiring.uplink == "bond0":
                lines += [f"link add eth1 netns {place.netns} type veth peer name {name}-2",
                          f"link set {name}-2 mtu {self.wiring.mtu} master br0 up"]
        lines += [f"link set {place.name} mtu {self.wiring.mtu}" for place in [*self.outsiders, *self.nodes.values()]]
        ip_batch(self.fabric.netns, [*lines, f"link set br0 mtu {self.wiring.mtu}"])

    def _uplink(self, address):
        return [*super()._uplink(address), f"link set eth0 mtu {self.wiring.mtu}"]

    def _build_node(self, plan, pods):
        node, wiring = self.nodes[plan.name], self.wiring
        lines = wiring.uplink_lines(plan) + wiring.pod_network_lines(plan)
        for other in self.plans.values():
            if other != plan:
                lines += wiring.other_node_lines(plan, other)
        for pod in pods:
            lines += wiring.host_end_lines(plan, pod, self._index(pod))
        ip_batch(node.netns, lines)
        if self.keys:
            self._meet_peers(node, plan)
        calls = int(wiring.bridge_nf)
        settings = STRICT | ({"bridge/bridge-nf-call-iptables": calls, "bridge/bridge-nf-call-ip6tables": calls}
                             if wiring.pods == "bridge" else {})
        for pod in pods:
            settings |= wiring.host_end_sysctls(self._index(pod))
            ip_batch(pod.netns, wiring.pod_end_lines(plan, pod))
        sysctl(node.netns, settings)
        firewall.install(node.netns, wiring.tables, wiring.masquerade, plan.pod_cidr)

    def _meet_peers(self, node, plan):
        peers = []
        for other in self.plans.values():
            if other != plan:
                peers += ["peer", wg("pubkey", told=self.keys[other.name]),
                          "endpoint", f"{other.ip[4]}:{WIREGUARD_PORT}",
                          "allowed-ips", ",".join(other.pod_cidr[family] for family in (4, 6))]
        with system.inside(node.netns):
            wg("set", "wg0", "listen-port", str(WIREGUARD_PORT), "private-key", "/dev/stdin", *peers,
               told=self.keys[plan.name])
