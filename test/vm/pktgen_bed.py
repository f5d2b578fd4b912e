"""What pktgen is measured on, inside a machine: two namespaces and one wire. `peer` sends, and is where every backend is;
`lb` balances, on one arm. Whatever comes back to `peer` is counted and dropped before it costs more."""

import json
import subprocess
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

from lab import system
from lab.agent import Agent, binaries
from lab.lab import LOOSE
from lab.objects import Folder, node, port, service
from lab.place import Place
from lab.system import ip, ip_batch, sysctl

from . import ipvs

TOOL = Path(__file__).resolve().parents[2] / "tools/pktgen"
VERDICTS = binaries().parent / "test/vm/xdp_verdicts.o"
LB, PEER = {4: "172.18.0.11", 6: "fd00:172:18::11"}, {4: "172.18.0.100", 6: "fd00:172:18::100"}
VIP, PORT, BACKEND_PORT = {4: "192.0.2.10", 6: "2001:db8::10"}, 80, 8080
BACKENDS = {4: [f"172.18.0.{50 + each}" for each in range(10)], 6: [f"fd00:172:18::{50 + each}" for each in range(10)]}
PREFIX = {4: 24, 6: 64}
LB_MAC, PEER_MAC = "02:00:00:00:00:01", "02:00:00:00:00:02"
QUIET_AFTER = 20  # seconds: until then hosts tell each other what groups they are in, once more
SOURCE_PORTS = "20000-20063"
FRAME = 78        # the smallest over IPv6, for both


class Bed:
    """with Bed() as bed: ..."""

    def __init__(self):
        self.lb = Place("n1", "naru-pktgen-lb", system.cgroup_root() / "naru-pktgen/lb")
        self.peer = "naru-pktgen-peer"
        self.folder = Path(tempfile.mkdtemp(prefix="naru-pktgen-"))
        self.agent = None

    def __enter__(self):
        system.mount_bpffs()
        self.lb.cgroup.mkdir(parents=True, exist_ok=True)
        for netns in (self.lb.netns, self.peer):
            ip("netns", "add", netns)
            sysctl(netns, LOOSE)
        sysctl(self.lb.netns, {"ipv4/ip_forward": 1, "ipv6/conf/all/forwarding": 1})
        sysctl(self.peer, {"ipv6/conf/default/disable_ipv6": 1})
        ip("link", "add", "eth0", "netns", self.lb.netns, "address", LB_MAC, "type", "veth",
           "peer", "name", "eth0", "netns", self.peer, "address", PEER_MAC)
        ip_batch(self.peer, ["link set lo up", f"addr add {PEER[4]}/{PREFIX[4]} dev eth0", "link set eth0 up",
                             f"neigh add {LB[4]} lladdr {LB_MAC} dev eth0 nud permanent",
                             f"route add {VIP[4]} via {LB[4]}"])
        lines = ["link set lo up"]
        for family in (4, 6):
            nodad = " nodad" if family == 6 else ""
            lines.append(f"addr add {LB[family]}/{PREFIX[family]} dev eth0{nodad}")
        lines.append("link set eth0 up")
        lines += [f"neigh add {each} lladdr {PEER_MAC} dev eth0 nud permanent"
                  for family in (4, 6) for each in (PEER[family], *BACKENDS[family])]
        ip_batch(self.lb.netns, lines)
        for netns in (self.lb.netns, self.peer):
            # XDP takes a checksum that was left to a network card for a wrong one.
            self.within(netns, "ethtool", "-K", "eth0", "tx", "off")
        # A veth takes frames that XDP sends from its peer only while it has a program as well.
        self.xdp(self.peer, "drop")
        time.sleep(QUIET_AFTER)
        self.lb.start()
        return self

    def __exit__(self, *_):
        """The machine ends with the measurement; only what would outlive this process in it is ended here."""
        if self.agent and self.agent.process:
            self.agent.kill()
        self.lb.stop()

    @staticmethod
    def within(netns, *words):
        done = subprocess.run(["nsenter", f"--net=/run/netns/{netns}", *words], capture_output=True, text=True)
        if done.returncode != 0:
            raise RuntimeError(f"{' '.join(words)}: {done.stderr.strip()}")
        return done.stdout

    def xdp(self, netns, program):
        """`program`: of xdp_verdicts, or "" for none."""
        chosen = ("obj", str(VERDICTS), "program", program) if program else ("off",)
        self.within(netns, "ip", "link", "set", "dev", "eth0", "xdpdrv", *chosen)

    def pktgen(self, *words, family=4):
        """One run of the tool, as its JSON says it."""
        given = ["--device", "eth0", "--dst", VIP[family], "--dst-port", str(PORT), "--src-ports", SOURCE_PORTS,
                 "--size", str(FRAME), "-o", "json"]
        if family == 6:  # this end of the wire has no IPv6 of its own, which would not be quiet
            given += ["--src", PEER[6], "--dst-mac", LB_MAC]
        return json.loads(self.within(self.peer, str(TOOL), *given, *words))

    def arrived_at_lb(self):
        """The counter for what does not come back."""
        return ("--counter", f"nsenter --net=/run/netns/{self.lb.netns} awk '$1 == \"eth0:\" {{print $3}}' /proc/net/dev")

    @contextmanager
    def verdict(self, program):
        self.xdp(self.lb.netns, program)
        yield
        self.xdp(self.lb.netns, "")

    @contextmanager
    def naru(self, mode):
        """The agent with --xdp `mode`, on one Service with a load-balancer address of each family."""
        if not self.agent:
            objects = Folder(self.folder / "manifests")
            objects.put(node("n1", LB, "zone-a", {4: "10.244.1.0/24", 6: "fd00:10:244:1::/64"}), *balanced())
            self.agent = Agent(self.lb, binaries(), "naru-pktgen", self.folder, objects.flags("n1"))
        self.agent.start("--xdp", mode, "--devices", "eth0", "--socket-lb", "off")
        self.agent.wait_ready()
        yield
        self.agent.process.terminate()
        self.agent.process.wait(10 * system.PATIENCE)

    def forwarded(self, hook):
        """Packets that naru sent on to other machines from this hook."""
        return sum(row["packets"] for row in self.agent.table("metrics")
                   if (row["hook"], row["reason"]) == (hook, "forward_remote"))

    @contextmanager
    def ipvs(self, forwarding):
        """One mode a machine: its connections outlive its services."""
        ip_batch(self.lb.netns, [f"addr add {VIP[4]}/32 dev lo"])
        for module in ("ip_vs", "ip_vs_mh"):
            subprocess.run(["modprobe", module], check=True)
        backend_port = PORT if forwarding == ipvs.DIRECT else BACKEND_PORT
        ipvs.serve(self.lb.netns, VIP[4], PORT, BACKENDS[4], backend_port, forwarding)
        yield


def balanced():
    """The Service, and the ten backends of each family on other nodes."""
    made = [service("web", {4: "10.96.0.10", 6: "fd96::10"}, [port(PORT, proto="UDP")], kind="LoadBalancer",
                    lb=VIP.values())]
    for family, addresses in BACKENDS.items():
        made.append({"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
                     "metadata": {"name": f"web-ipv{family}", "namespace": "test",
                                  "labels": {"kubernetes.io/service-name": "web"}},
                     "addressType": f"IPv{family}", "ports": [port(BACKEND_PORT, proto="UDP")],
                     "endpoints": [{"addresses": [each], "nodeName": "n2"} for each in addresses]})
    return made
