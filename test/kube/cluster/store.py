"""Objects on their way to the API server, with the same calls as the folder of manifests in test/lab."""

import copy

from lab.objects import node

from .api import Refused
from .plane import NAMESPACE

CORE, DISCOVERY = "/api/v1", "/apis/discovery.k8s.io/v1"
PATHS = {"Service": (CORE, "services"), "Pod": (CORE, "pods"), "Endpoints": (CORE, "endpoints"),
         "EndpointSlice": (DISCOVERY, "endpointslices")}
NODES = f"{CORE}/nodes"


def folder_of(kind):
    if kind == "Node":
        return NODES
    group, name = PATHS[kind]
    return f"{group}/namespaces/{NAMESPACE}/{name}"


def path_of(made):
    return f"{folder_of(made['kind'])}/{made['metadata']['name']}"


class Store:
    """`configs`: node name -> kubeconfig of its agent."""

    def __init__(self, api, configs):
        self.api, self.configs = api, configs

    def flags(self, node_name):
        return ("--kubeconfig", str(self.configs[node_name]))

    def put(self, *objects):
        for made in objects:
            self._put(prepared(made))

    def create(self, *objects):
        """Those that were never there before, and have no status: half the questions of put()."""
        for made in objects:
            self.api.create(folder_of(made["kind"]), prepared(made))

    def _put(self, made):
        """Created, or made so. What may not change in place is made anew, as `kubectl replace --force` does."""
        status = made.pop("status", None)
        found = self.api.find(path_of(made))
        now = self._replace(made, found) if found else self.api.create(folder_of(made["kind"]), made)
        self._put_status(made, now, status)

    def _replace(self, made, found):
        version = {"resourceVersion": found["metadata"]["resourceVersion"]}
        try:
            return self.api.replace(path_of(made), made | {"metadata": made["metadata"] | version})
        except Refused as why:
            if why.status != 422:
                raise
        self.api.delete(path_of(made))
        return self.api.create(folder_of(made["kind"]), made)

    def _put_status(self, made, now, status):
        if made["kind"] == "Service":
            wanted = (status or {}).get("loadBalancer", {}).get("ingress", [])
            if wanted == [strip(row) for row in now["status"]["loadBalancer"].get("ingress", [])]:
                return
            status = {"loadBalancer": {"ingress": wanted}}
        if status is not None:
            self.api.patch(f"{path_of(made)}/status", {"status": status})

    def remove(self, *objects):
        for made in objects:
            self.api.delete(path_of(made), 0 if made["kind"] == "Pod" else None)

    def clear(self):
        """All but the nodes. Services first: their controller would make their slices anew."""
        for kind in ("Service", "Pod", "Endpoints", "EndpointSlice"):
            self.api.delete(folder_of(kind), 0 if kind == "Pod" else None)

    def put_nodes(self, plans):
        self.put(*(node(plan.name, plan.ip, plan.zone, plan.pod_cidr) for plan in plans))


def prepared(made):
    """A copy without what is the server's own business."""
    made = copy.deepcopy(made)
    for key in ("uid", "creationTimestamp"):
        made["metadata"].pop(key, None)
    return made


def strip(row):
    """Without what the server added."""
    return {key: value for key, value in row.items() if (key, value) != ("ipMode", "VIP")}
