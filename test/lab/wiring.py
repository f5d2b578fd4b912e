"""How a CNI plugin wires pods and nodes: values, and the lines for `ip` that set it up."""

from dataclasses import dataclass

from .plan import FABRIC_GATEWAY, HOST_PREFIX, POD_PREFIX, ROUTED_GATEWAY

TUNNEL_ROOM = {  # bytes
    "vxlan": 50,      # Ethernet, IPv4, UDP and VXLAN headers
    "wireguard": 80,  # IPv6, UDP and WireGuard headers: as wg-quick reckons
}
WIREGUARD_PORT = 51820
VLAN = 100
CALICO_MAC = "ee:ee:ee:ee:ee:ee"  # of every host end, and the gateway's address made of it
CALICO_GATEWAY = {4: ROUTED_GATEWAY[4], 6: "fe80::ecee:eeff:feee:eeee"}


@dataclass(frozen=True)
class Wiring:
    name: str
    pods: str                    # bridge, ptp, routed, macvlan
    hairpin: bool = False        # of the bridge's ports
    bridge_nf: bool = False      # bridged frames pass iptables too
    tunnel: str = ""             # vxlan, wireguard: between nodes, with an address of its own
    uplink: str = "eth0"         # eth0, eth0.100 (VLAN), bond0
    mtu: int = 1500              # of the network between the nodes
    masquerade: str = "plugin"   # plugin: what leaves the own pods; flannel: what leaves all pods; "": none
    tables: str = "nft"          # nft, iptables-nft, iptables-legacy

    @property
    def pod_mtu(self):
        return self.mtu - TUNNEL_ROOM.get(self.tunnel, 0)

    @property
    def kinds(self):
        """Device types of `ip link` that the kernel must have, beyond veth."""
        return ([{"bond0": "bond"}.get(self.uplink, "vlan")] if self.uplink != "eth0" else []) + \
               [kind for kind in (self.tunnel, {"bridge": "bridge", "macvlan": "macvlan"}.get(self.pods)) if kind]

    def pod_ip(self, plan, host):
        """A macvlan pod is a station of the nodes' own network."""
        if self.pods != "macvlan":
            return plan.pod_ip(host)
        number = 20 * plan.number + host
        return {4: f"172.18.0.{number}", 6: f"fd00:172:18::{number}"}

    def tunnel_ip(self, plan):
        return plan.pod_ip(0) | {6: plan.pod_ip(0)[6].removesuffix("0")}

    # Lines for the namespace of a node

    def uplink_lines(self, plan):
        lines = ["link set lo up", f"link set eth0 mtu {self.mtu}"]
        if self.uplink == "bond0":
            lines += [f"link add bond0 mtu {self.mtu} type bond mode active-backup miimon 100",
                      "link set eth0 master bond0", f"link set eth1 mtu {self.mtu} master bond0"]
        if self.uplink == f"eth0.{VLAN}":
            lines += ["link set eth0 up", f"link add link eth0 name eth0.{VLAN} type vlan id {VLAN}"]
        return [*lines, f"addr add {plan.ip[4]}/24 dev {self.uplink}",
                f"addr add {plan.ip[6]}/64 dev {self.uplink} nodad", f"link set {self.uplink} up",
                f"route add default via {FABRIC_GATEWAY[4]}", f"route add default via {FABRIC_GATEWAY[6]}"]

    def other_node_lines(self, plan, other):
        """The way from the node of `plan` to the pods of the other node."""
        if self.pods == "macvlan":
            return []
        if not self.tunnel:
            return [f"route add {other.pod_cidr[family]} via {other.ip[family]}" for family in (4, 6)]
        own, far = self.tunnel_ip(plan), self.tunnel_ip(other)
        if self.tunnel == "wireguard":
            return [f"link add wg0 mtu {self.pod_mtu} type wireguard", f"addr add {own[4]}/32 dev wg0",
                    f"addr add {own[6]}/128 dev wg0 nodad", "link set wg0 up",
                    *(f"route add {other.pod_cidr[family]} dev wg0" for family in (4, 6))]
        return [f"link add flannel.1 mtu {self.pod_mtu} address {tunnel_mac(plan)} type vxlan id 1 dstport 8472 "
                f"local {plan.ip[4]} remote {other.ip[4]} nolearning",
                f"addr add {own[4]}/32 dev flannel.1", f"addr add {own[6]}/128 dev flannel.1 nodad",
                "link set flannel.1 up",
                *(f"neigh add {far[family]} lladdr {tunnel_mac(other)} dev flannel.1 nud permanent"
                  for family in (4, 6)),
                *(f"route add {other.pod_cidr[family]} via {far[family]} dev flannel.1 onlink"
                  for family in (4, 6))]

    def pod_network_lines(self, plan):
        if self.pods != "bridge":
            return []
        return [f"link add cni0 mtu {self.pod_mtu} type bridge forward_delay 0 mcast_snooping 0",
                f"addr add {plan.pod_ip(1)[4]}/{POD_PREFIX[4]} dev cni0",
                f"addr add {plan.pod_ip(1)[6]}/{POD_PREFIX[6]} dev cni0 nodad", "link set cni0 up"]

    def host_end_lines(self, plan, pod, index):
        mac = f"02:00:00:00:0{plan.number}:{index:02x}"
        if self.pods == "macvlan":
            return [f"link add link eth0 name eth0 netns {pod.netns} address {mac} type macvlan mode bridge"]
        veth = f"veth{index}"
        lines = [f"link add {veth} mtu {self.pod_mtu} type veth peer name eth0 netns {pod.netns} address {mac} "
                 f"mtu {self.pod_mtu}"]
        if self.pods == "bridge":
            return [*lines, f"link set {veth} master cni0 up",
                    f"link set {veth} type bridge_slave hairpin {'on' if self.hairpin else 'off'}"]
        if self.pods == "routed":
            lines += [f"link set {veth} address {CALICO_MAC}"]
        else:
            lines += [f"addr add {plan.pod_ip(1)[4]}/32 dev {veth}",
                      f"addr add {plan.pod_ip(1)[6]}/128 dev {veth} nodad"]
        return [*lines, f"link set {veth} up",
                *(f"route add {pod.ip[family]}/{HOST_PREFIX[family]} dev {veth}" for family in (4, 6))]

    def host_end_sysctls(self, index):
        """A routed pod asks for a gateway that nobody has: its host end answers for it."""
        if self.pods != "routed":
            return {}
        veth = f"veth{index}"
        return {f"ipv4/conf/{veth}/proxy_arp": 1, f"ipv4/neigh/{veth}/proxy_delay": 0,
                f"ipv6/conf/{veth}/proxy_ndp": 1}

    # Lines for the namespace of a pod

    def pod_end_lines(self, plan, pod):
        if self.pods == "routed":
            return ["link set lo up", f"addr add {pod.ip[4]}/32 dev eth0", f"addr add {pod.ip[6]}/128 dev eth0 nodad",
                    "link set eth0 up", f"route add {CALICO_GATEWAY[4]} dev eth0 scope link",
                    *(f"route add default via {CALICO_GATEWAY[family]} dev eth0" for family in (4, 6))]
        if self.pods == "ptp":
            return ptp_pod(plan, pod)
        gateway = FABRIC_GATEWAY if self.pods == "macvlan" else plan.pod_ip(1)
        return ["link set lo up", f"link set eth0 mtu {self.pod_mtu}", f"addr add {pod.ip[4]}/{POD_PREFIX[4]} dev eth0",
                f"addr add {pod.ip[6]}/{POD_PREFIX[6]} dev eth0 nodad", "link set eth0 up",
                *(f"route add default via {gateway[family]}" for family in (4, 6))]


def tunnel_mac(plan):
    return f"02:00:00:00:ff:{plan.number:02x}"


def ptp_pod(plan, pod):
    """Neighbours are behind the gateway too, although they share the pod's prefix."""
    gateway = plan.pod_ip(1)
    return ["link set lo up", f"addr add {pod.ip[4]}/{POD_PREFIX[4]} dev eth0 noprefixroute",
            f"addr add {pod.ip[6]}/{POD_PREFIX[6]} dev eth0 nodad noprefixroute", "link set eth0 up",
            *(f"route add {gateway[family]}/{HOST_PREFIX[family]} dev eth0" for family in (4, 6)),
            *(f"route add {plan.pod_cidr[family]} via {gateway[family]} src {pod.ip[family]}" for family in (4, 6)),
            *(f"route add default via {gateway[family]}" for family in (4, 6))]
