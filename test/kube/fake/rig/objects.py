"""Kubernetes objects as dictionaries, short enough to read in a scenario."""


def service(name, ip, number=80, labels=None, annotations=None, **spec):
    meta = {"name": name, "namespace": "test"}
    meta |= ({"labels": labels} if labels else {}) | ({"annotations": annotations} if annotations else {})
    return {"apiVersion": "v1", "kind": "Service", "metadata": meta,
            "spec": {"type": "ClusterIP", "clusterIP": ip, "clusterIPs": [ip], "ipFamilies": ["IPv4"],
                     "ipFamilyPolicy": "SingleStack", "internalTrafficPolicy": "Cluster", "sessionAffinity": "None",
                     "selector": {"app": name},
                     "ports": [{"name": "", "port": number, "protocol": "TCP", "targetPort": 8080}]} | spec,
            "status": {"loadBalancer": {}}}


def slice_of(name, addresses, suffix="1", number=8080, **conditions):
    """One EndpointSlice of the Service `name`."""
    conditions = {"ready": True, "serving": True, "terminating": False} | conditions
    return {"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
            "metadata": {"name": f"{name}-{suffix}", "namespace": "test",
                         "labels": {"kubernetes.io/service-name": name}},
            "ports": [{"name": "", "port": number, "protocol": "TCP"}],
            "endpoints": [{"addresses": [address], "conditions": dict(conditions), "nodeName": "n1",
                           "targetRef": {"kind": "Pod", "namespace": "test", "name": f"pod-{address}"}}
                          for address in addresses]}


def node(name, address):
    return {"apiVersion": "v1", "kind": "Node",
            "metadata": {"name": name, "labels": {"topology.kubernetes.io/zone": "zone-a"}},
            "spec": {"podCIDR": "10.244.1.0/24", "podCIDRs": ["10.244.1.0/24"]},
            "status": {"addresses": [{"type": "InternalIP", "address": address},
                                     {"type": "Hostname", "address": name}]}}


def web(number, pods=2):
    """Service and slice number `number`: ("web-7", 10.96.0.7, 10.244.7.1...)."""
    name = f"web-{number}"
    addresses = [f"10.244.{number}.{host}" for host in range(1, pods + 1)]
    return service(name, f"10.96.0.{number}"), slice_of(name, addresses)
