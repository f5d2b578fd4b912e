"""Kubernetes objects as dictionaries, and the folder an agent watches."""

import json
import os
from pathlib import Path


def node(name, ip, zone, pod_cidr):
    return {"apiVersion": "v1", "kind": "Node",
            "metadata": {"name": name, "labels": {"topology.kubernetes.io/zone": zone, "kubernetes.io/hostname": name}},
            "spec": {"podCIDR": pod_cidr[4], "podCIDRs": [pod_cidr[4], pod_cidr[6]]},
            "status": {"addresses": [{"type": "InternalIP", "address": ip[4]},
                                     {"type": "InternalIP", "address": ip[6]},
                                     {"type": "Hostname", "address": name}]}}


def port(number, name="", proto="TCP", node_port=0):
    return {"name": name, "port": number, "protocol": proto} | ({"nodePort": node_port} if node_port else {})


def service(name, ips, ports, kind="ClusterIP", lb=(), uid=None, labels=None, meta=None, **spec):
    """`ips`: family -> ClusterIP. `lb`: addresses in status.loadBalancer."""
    if ips:
        spec |= {"clusterIP": next(iter(ips.values())), "clusterIPs": list(ips.values()),
                 "ipFamilies": [f"IPv{family}" for family in ips],
                 "ipFamilyPolicy": "RequireDualStack" if len(ips) == 2 else "SingleStack"}
    made = {"apiVersion": "v1", "kind": "Service",
            "metadata": {"name": name, "namespace": "test", "uid": uid or f"uid-{name}"} | (meta or {}),
            "spec": {"type": kind, "ports": ports} | spec}
    if labels:
        made["metadata"]["labels"] = labels
    if lb:
        made["status"] = {"loadBalancer": {"ingress": [{"ip": address} if isinstance(address, str) else address
                                                       for address in lb]}}
    return made


def endpoint(place, family, **conditions):
    """Without conditions: none are written, as a hand-written slice may do."""
    made = {"addresses": [place.ip[family]]}
    if place.node:
        made["nodeName"] = place.node
    if conditions:
        made["conditions"] = conditions
    return made


def slices(name, places, ports, families=(4, 6), suffix="", **conditions):
    """One EndpointSlice per family. `ports`: of the pods, made by port(). `places`: Place, or (Place, conditions)."""
    made = []
    for family in families:
        rows = [endpoint(place[0], family, **place[1]) if isinstance(place, tuple)
                else endpoint(place, family, **conditions) for place in places]
        made.append({"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
                     "metadata": {"name": f"{name}{suffix}-ipv{family}", "namespace": "test",
                                  "labels": {"kubernetes.io/service-name": name}},
                     "addressType": f"IPv{family}", "ports": ports, "endpoints": rows})
    return made


class Folder:
    """One file per object, replaced by write and rename. JSON is YAML, and the agent reads both."""

    def __init__(self, path):
        self.path = Path(path)

    def flags(self, _):
        """What the agent of any node is started with."""
        return ("--manifests", str(self.path))

    def put(self, *objects):
        for made in objects:
            meta = made["metadata"]
            name = f"{made['kind']}-{meta.get('namespace', '')}-{meta['name']}".lower()
            self.write(f"{name}.yaml", json.dumps(made, indent=1))

    def write(self, name, text):
        self.path.mkdir(parents=True, exist_ok=True)
        hidden = self.path / f".{name}.new"
        hidden.write_text(text)
        os.rename(hidden, self.path / name)

    def remove(self, *objects):
        for made in objects:
            meta = made["metadata"]
            name = f"{made['kind']}-{meta.get('namespace', '')}-{meta['name']}".lower()
            (self.path / f"{name}.yaml").unlink(missing_ok=True)

    def clear(self):
        """All but the nodes."""
        for file in self.path.iterdir():
            if not file.name.startswith("node-"):
                file.unlink()
