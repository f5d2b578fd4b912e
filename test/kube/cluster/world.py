"""What a scenario on a real API server works with: besides what test/lab offers, Pods whose status the test writes."""

from lab.agent import HEALTH_PORT, METRICS_PORT
from lab.objects import port, service
from lab.world import World as Base

from .store import CORE, DISCOVERY, path_of
from .plane import NAMESPACE

BUDGET = 12  # seconds: a controller that is told to wait for its own writes asks again after one, then two


class World(Base):
    budget = BUDGET

    def __init__(self, lab, path, binaries, plane):
        self.plane, self.api = plane, plane.api
        super().__init__(lab, path, binaries)

    def reset(self):
        self.plane.bring_back()  # a scenario that failed may have left it stopped
        super().reset()
        self.lab.objects.put_nodes(self.lab.plans.values())

    def is_empty(self, agent):
        return all(row["namespace"] == "default" for row in agent.table("backends"))  # the API server's own Service

    # Pods, which are the namespaces of the lab

    def run(self, *names, app="web", ready=True, on_host=False, ports=()):
        """Pods of these names, or in the network of these nodes, as if a kubelet had started them."""
        for name in names:
            place = self.nodes[name] if on_host else self.pods[name]
            self.api.create(f"{CORE}/namespaces/{NAMESPACE}/pods", {
                "metadata": {"name": name, "labels": {"app": app}},
                "spec": {"nodeName": name if on_host else place.node, "hostNetwork": on_host,
                         "terminationGracePeriodSeconds": 300,
                         "containers": [{"name": "server", "image": "none",
                                         "ports": [{"name": text, "containerPort": number}
                                                   for text, number in ports]}]}})
            self.set_ready(name, ready, place)

    def set_ready(self, name, ready=True, place=None):
        place = place or self.pods.get(name) or self.nodes[name]
        node = self.nodes[place.node or place.name]
        condition = {"type": "Ready", "status": "True" if ready else "False"}
        self.api.patch(f"{self.pod_path(name)}/status", {"status": {
            "phase": "Running", "conditions": [condition], "podIP": place.ip[4],
            "podIPs": [{"ip": place.ip[4]}, {"ip": place.ip[6]}],
            "hostIP": node.ip[4], "hostIPs": [{"ip": node.ip[4]}, {"ip": node.ip[6]}]}})

    def label(self, name, **labels):
        self.api.patch(self.pod_path(name), {"metadata": {"labels": labels}})

    def terminate(self, *names):
        """They drain: still there, and ready as long as the test says so."""
        for name in names:
            self.api.delete(self.pod_path(name))

    def end(self, *names):
        for name in names:
            self.api.delete(self.pod_path(name), grace=0)

    @staticmethod
    def pod_path(name):
        return path_of({"kind": "Pod", "metadata": {"name": name}})

    # Services that choose Pods

    def choose(self, name, vip, ports=None, app="web", lb=(), **spec):
        """A Service with a selector: its slices are the controller's. Ports as port() makes them, to_port beside."""
        made = service(name, vip, ports or [to(80, 8080)], lb=lb, selector={"app": app}, **spec)
        self.apply(made)
        return made

    def change(self, made, **spec):
        """A merge patch of a Service's spec, as kubectl patch would send it."""
        return self.api.patch(path_of(made), {"spec": spec})

    def publish(self, made, *addresses):
        """What a load-balancer controller writes: addresses, or whole rows of status.loadBalancer.ingress."""
        rows = [{"ip": each} if isinstance(each, str) else each for each in addresses]
        self.api.patch(f"{path_of(made)}/status", {"status": {"loadBalancer": {"ingress": rows}}})

    def mark(self, made, labels):
        """Sets labels, or takes away those whose value is None."""
        self.api.patch(path_of(made), {"metadata": {"labels": labels}})

    def slices_of(self, name):
        return self.api.items(f"{DISCOVERY}/namespaces/{NAMESPACE}/endpointslices"
                              f"?labelSelector=kubernetes.io/service-name%3D{name}")

    def endpoints_of(self, name):
        """(address, ready, serving, terminating) of each endpoint the controller wrote, sorted."""
        rows = [(address, *(row["conditions"].get(key) for key in ("ready", "serving", "terminating")))
                for part in self.slices_of(name) for row in part["endpoints"] or [] for address in row["addresses"]]
        return sorted(rows)

    # What the agents say

    def page(self, node, path):
        """The status of one of /livez, /healthz and /readyz; nothing when nobody answers."""
        return self.nodes[node].get(HEALTH_PORT, path).get("status")

    def metric(self, node, name):
        """The sum over all label sets."""
        body = self.nodes[node].get(METRICS_PORT, "/metrics")["body"]
        rows = [line for line in body.splitlines() if line.startswith((name + " ", name + "{"))]
        assert rows, f"the agent on {node} has no metric {name}"
        return sum(float(line.rpartition(" ")[2]) for line in rows)


def to(number, target, name="", proto="TCP", node_port=0):
    return port(number, name, proto, node_port) | {"targetPort": target}
