"""Who lives where, and at which address. Values only; lab.py builds it.

    cl (outside) ---- fabric ---- n1 ---- cni0 ---- pods      a bridge, as bridge and flannel do
                          \\------ n2 ---- pods                one route per pod, as ptp and Calico do
"""

from dataclasses import dataclass

FABRIC_GATEWAY = {4: "172.18.0.1", 6: "fd00:172:18::1"}
CLIENT = {4: "172.18.0.100", 6: "fd00:172:18::100"}
ROUTED_GATEWAY = {4: "169.254.1.1", 6: "fe80::1"}
VIP_NETWORKS = ["192.0.2.0/24", "198.51.100.0/24", "2001:db8::/32"]  # the client's way to them is a node
SERVICE_NETWORKS = ["10.96.0.0/16", "fd96::/108"]
# The router of the fabric answers for every such address: who gets its answer was not served by the cluster.
FABRIC_SERVES = ["80/tcp", "80/udp", "81/tcp", "81/udp", "90/tcp", "90/udp"]
POD_PREFIX = {4: 24, 6: 64}
HOST_PREFIX = {4: 32, 6: 128}


@dataclass(frozen=True)
class NodePlan:
    name: str
    number: int
    zone: str
    bridged: bool

    @property
    def ip(self):
        return {4: f"172.18.0.{10 + self.number}", 6: f"fd00:172:18::{10 + self.number}"}

    @property
    def pod_cidr(self):
        return {4: f"10.244.{self.number}.0/24", 6: f"fd00:10:244:{self.number}::/64"}

    @property
    def pod_gateway(self):
        return self.pod_ip(1) if self.bridged else ROUTED_GATEWAY

    def pod_ip(self, host):
        return {4: f"10.244.{self.number}.{host}", 6: f"fd00:10:244:{self.number}::{host}"}


NODES = [NodePlan("n1", 1, "zone-a", bridged=True), NodePlan("n2", 2, "zone-b", bridged=False)]
FIRST_POD_HOST = 11
