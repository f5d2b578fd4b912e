"""Builds and removes the cluster of plan.py. Several labs run side by side, each under an id of its own."""

import fcntl
import os
import re
import shutil
import tempfile
from pathlib import Path

from . import system
from .agent import Agent
from .objects import Folder, node
from .place import Place
from .plan import (CLIENT, FABRIC_GATEWAY, FABRIC_SERVES, FIRST_POD_HOST, HOST_PREFIX, NODES, POD_PREFIX,
                   ROUTED_GATEWAY, SERVICE_NETWORKS, VIP_NETWORKS)
from .system import ip, ip_batch, ip_output, sysctl

# No waiting for duplicate addresses, and no redirects: they would teach a client to go round the node it was told
# to use.
QUIET = {"ipv4/conf/all/accept_redirects": 0, "ipv4/conf/default/accept_redirects": 0,
         "ipv4/conf/all/send_redirects": 0, "ipv4/conf/default/send_redirects": 0,
         "ipv6/conf/all/accept_redirects": 0, "ipv6/conf/default/accept_redirects": 0,
         "ipv6/conf/all/accept_dad": 0, "ipv6/conf/default/accept_dad": 0, "ipv6/conf/default/accept_ra": 0,
         "ipv6/conf/all/disable_ipv6": 0, "ipv6/conf/default/disable_ipv6": 0}
ROUTER = QUIET | {"ipv4/ip_forward": 1, "ipv6/conf/all/forwarding": 1,
                  "ipv4/conf/all/rp_filter": 1, "ipv4/conf/default/rp_filter": 1}
LOOSE = QUIET | {"ipv4/conf/all/rp_filter": 0, "ipv4/conf/default/rp_filter": 0}
BRIDGE_MAC = "02:00:00:00:01:00"
ID = re.compile(r"[a-z0-9-]{1,24}")


class Lab:
    """`pods`: node name -> pod names, in the order of their addresses. `beside`: further machines on the fabric,
    name -> addresses.

    with Lab("demo", {"n1": ["web-1"]}) as lab: ..."""

    def __init__(self, name, pods, beside=None):
        if not ID.fullmatch(name):
            raise ValueError(f"lab id {name!r}: small letters, digits and dashes, 24 at most")
        system.require_privileges()
        self.id = name
        self.prefix = f"naru-{name}"
        self.folder = Path(tempfile.gettempdir(), self.prefix)
        self.cgroup = system.cgroup_root() / self.prefix
        self.plans = {plan.name: plan for plan in NODES}
        self.fabric = self._place("fabric", ip=FABRIC_GATEWAY)
        self.client = self._place("cl", ip=CLIENT)
        self.beside = {other: self._place(other, ip=address) for other, address in (beside or {}).items()}
        self.nodes = {plan.name: self._place(plan.name, plan.name, plan.ip) for plan in NODES}
        self.pods = {pod: self._place(pod, where, self.plans[where].pod_ip(FIRST_POD_HOST + index))
                     for where, names in pods.items() for index, pod in enumerate(names)}
        self.objects = Folder(self.folder / "manifests")
        self.agents = {}
        self.keep = False

    def _place(self, name, node_name="", ip=None):
        return Place(name, f"{self.prefix}-{name}", self.cgroup / (node_name or name), node_name, ip or {})

    @property
    def places(self):
        return [self.fabric, self.client, *self.beside.values(), *self.nodes.values(), *self.pods.values()]

    @property
    def outsiders(self):
        return [self.client, *self.beside.values()]

    def __enter__(self):
        self.lock = lock(self.id)
        down(self.id)
        try:
            self._build()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        """Removes the lab, or leaves it running when `keep` is set."""
        if self.keep:
            for place in self.places:
                place.stay()
            return
        for place in self.places:
            place.stop()
        down(self.id)
        unlock(self.lock)

    def _build(self):
        system.mount_bpffs()
        self.folder.mkdir(parents=True, exist_ok=True)
        for cgroup in {place.cgroup for place in self.places}:
            cgroup.mkdir(parents=True, exist_ok=True)
        for place in self.places:
            ip("netns", "add", place.netns)
        for netns in [self.fabric.netns, *(other.netns for other in self.outsiders), *(pod.netns for pod in self.pods.values())]:
            sysctl(netns, LOOSE)
        for place in self.nodes.values():
            sysctl(place.netns, ROUTER)
        self._build_fabric()
        for name, plan in self.plans.items():
            self._build_node(plan, [pod for pod in self.pods.values() if pod.node == name])
        self._build_outsiders()
        for place in self.places:
            place.start()
        self.fabric.serve(*FABRIC_SERVES)
        for plan in self.plans.values():
            self.objects.put(node(plan.name, plan.ip, plan.zone, plan.pod_cidr))

    def _build_fabric(self):
        lines = ["link set lo up", "link add br0 type bridge forward_delay 0 mcast_snooping 0",
                 f"addr add {FABRIC_GATEWAY[4]}/24 dev br0", f"addr add {FABRIC_GATEWAY[6]}/64 dev br0 nodad",
                 "link set br0 up"]
        for place in [*self.outsiders, *self.nodes.values()]:
            lines += self._port(place)
        lines += [f"route add local {network} dev lo" for network in VIP_NETWORKS + SERVICE_NETWORKS]
        ip_batch(self.fabric.netns, lines + self._pod_routes())

    def _port(self, place):
        return [f"link add eth0 netns {place.netns} type veth peer name {place.name}",
                f"link set {place.name} master br0 up"]

    def _uplink(self, address):
        return ["link set lo up", f"addr add {address[4]}/24 dev eth0", f"addr add {address[6]}/64 dev eth0 nodad",
                "link set eth0 up", f"route add default via {FABRIC_GATEWAY[4]}",
                f"route add default via {FABRIC_GATEWAY[6]}"]

    def _build_node(self, plan, pods):
        lines = self._uplink(plan.ip) + self._pod_routes(but=plan)
        if plan.bridged:
            # A bridge without an address of its own takes another one whenever a port comes or goes.
            lines += [f"link add cni0 address {BRIDGE_MAC} type bridge forward_delay 0 mcast_snooping 0",
                      f"addr add {plan.pod_gateway[4]}/{POD_PREFIX[4]} dev cni0",
                      f"addr add {plan.pod_gateway[6]}/{POD_PREFIX[6]} dev cni0 nodad", "link set cni0 up"]
        for pod in pods:
            lines += self._host_end(pod)
        ip_batch(self.nodes[plan.name].netns, lines)
        for pod in pods:
            ip_batch(pod.netns, self._pod_end(pod))

    def _pod_routes(self, but=None):
        return [f"route add {plan.pod_cidr[family]} via {plan.ip[family]}"
                for plan in self.plans.values() if plan != but for family in (4, 6)]

    def connect_pod(self, pod):
        """A new pair of devices for a pod that has none, as when a pod is made."""
        ip_batch(self.nodes[pod.node].netns, self._host_end(pod))
        ip_batch(pod.netns, self._pod_end(pod))

    def renew_uplink(self, node):
        """Another device takes the place, the name and the hardware address of a node's uplink."""
        mac = next(word for word in ip_output(node.netns, "link", "show", "eth0").split() if word.count(":") == 5)
        ip_batch(node.netns, ["link del eth0"])
        ip_batch(self.fabric.netns, self._port(node))
        ip_batch(node.netns, [f"link set eth0 address {mac}", *self._uplink(node.ip),
                              *self._pod_routes(but=self.plans[node.name])])

    def _index(self, pod):
        return [other for other in self.pods.values() if other.node == pod.node].index(pod) + 1

    def _host_end(self, pod):
        index = self._index(pod)
        lines = [f"link add veth{index} type veth peer name eth0 netns {pod.netns} "
                 f"address {pod_mac(index)}"]
        if self.plans[pod.node].bridged:
            return [*lines, f"link set veth{index} master cni0 up"]
        return [*lines, f"link set veth{index} address {routed_mac(index)}",
                f"addr add {ROUTED_GATEWAY[6]}/64 dev veth{index} nodad", f"link set veth{index} up",
                *(f"route add {pod.ip[family]}/{HOST_PREFIX[family]} dev veth{index}" for family in (4, 6))]

    def _pod_end(self, pod):
        plan = self.plans[pod.node]
        return bridged_pod(pod, plan) if plan.bridged else routed_pod(pod, self._index(pod))

    def _build_outsiders(self):
        for other in self.outsiders:
            ip_batch(other.netns, self._uplink(other.ip) + self._pod_routes())
        self.route_vips("n1")

    def route_vips(self, via):
        """The outside client reaches load-balancer addresses by this node."""
        address = self.plans[via].ip
        ip_batch(self.client.netns, [f"route replace {network} via {address[6 if ':' in network else 4]}"
                                     for network in VIP_NETWORKS])

    def start_agents(self, binaries, *flags):
        """One agent per node, ready when this returns. Flags are added to those every agent needs."""
        for name, place in self.nodes.items():
            if name not in self.agents:
                self.agents[name] = Agent(place, binaries, f"{self.prefix}-{name}", self.folder,
                                          self.objects.flags(name))
            self.agents[name].start(*flags)
        for agent in self.agents.values():
            agent.wait_ready()


def routed_mac(index):
    return f"ee:ee:ee:ee:ee:{index:02x}"


def pod_mac(index):
    """Kept when a pod gets a new device, so that nobody's neighbour table is wrong."""
    return f"02:00:00:00:00:{index:02x}"


def bridged_pod(pod, plan):
    gateway = plan.pod_gateway
    return ["link set lo up", f"addr add {pod.ip[4]}/{POD_PREFIX[4]} dev eth0",
            f"addr add {pod.ip[6]}/{POD_PREFIX[6]} dev eth0 nodad", "link set eth0 up",
            f"route add default via {gateway[4]}", f"route add default via {gateway[6]}"]


def routed_pod(pod, index):
    gateway = ROUTED_GATEWAY
    return ["link set lo up", f"addr add {pod.ip[4]}/32 dev eth0", f"addr add {pod.ip[6]}/128 dev eth0 nodad",
            "link set eth0 up", f"neigh add {gateway[4]} lladdr {routed_mac(index)} dev eth0 nud permanent",
            f"route add {gateway[4]} dev eth0 scope link", f"route add default via {gateway[4]} dev eth0",
            f"route add default via {gateway[6]} dev eth0"]


def lock(lab_id):
    """An open file that no other process can lock while this one lives: two labs of one id would fight."""
    file = Path(tempfile.gettempdir(), f"naru-{lab_id}.lock").open("w")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        raise RuntimeError(f"a lab called {lab_id} is in use by another process") from None
    return file


def unlock(file):
    Path(file.name).unlink(missing_ok=True)
    file.close()


def down(lab_id):
    """Removes everything a lab of this id ever made here; what is not there is no error."""
    prefix = f"naru-{lab_id}"
    system.remove_cgroup(system.cgroup_root() / prefix)
    for pins in system.BPFFS.glob(f"{prefix}-*"):
        system.remove_pins(pins)
    for netns in system.NETNS.glob(f"{prefix}-*"):
        ip("netns", "del", netns.name)
    shutil.rmtree(Path(tempfile.gettempdir(), prefix), ignore_errors=True)


def sweep():
    """Removes the labs of processes that died without doing so. Their ids end in the process's number."""
    for cgroup in system.cgroup_root().glob("naru-*-*"):
        lab_id, _, owner = cgroup.name.removeprefix("naru-").rpartition("-")
        if owner.isdigit() and not Path("/proc", owner).exists():
            down(f"{lab_id}-{owner}")


def own_id(stem):
    return f"{stem[:16]}-{os.getpid()}"
