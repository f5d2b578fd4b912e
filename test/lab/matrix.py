"""What must hold beside any CNI. Plain dialling tells what Linux does with this wiring; a frontend must add nothing
to it and take nothing from it: whoever can be reached is reached by every frontend, and sees whom it sees anyway."""

from dataclasses import dataclass

from .objects import port, service, slices
from .probes import SILENCE, Probe
from .world import FAMILIES

PROTOCOLS = ("tcp", "udp")
BACKENDS = ("a2", "b2", "n1", "n2")  # a node is the endpoint of a pod in the host's network
CALLERS = ("a1", "b1")  # pods that dial, themselves included
SERVICE_PORTS = (("web", "TCP"), ("dgram", "UDP"))


@dataclass(frozen=True)
class Frontend:
    pod: str
    vip: dict
    lb: dict
    node_port: dict  # protocol -> number


class Frontends:
    """One Service per backend and policy, so that a probe knows who must answer."""

    def __init__(self, w):
        self.w = w
        self.any = {name: self.make(f"any-{name}", name) for name in BACKENDS}
        self.local = {name: self.make(f"local-{name}", name, externalTrafficPolicy="Local") for name in BACKENDS}
        # Agents read the folder as a whole: once these are there, all are.
        self.itself = {name: self.make(f"itself-{name}", name) for name in CALLERS}

    def make(self, name, pod, **spec):
        w = self.w
        place, target = (w.pods[pod], 8080) if pod in w.pods else (w.nodes[pod], 7000)
        made = Frontend(pod, w.vip(), w.lb(), {proto: w.node_port() for proto in PROTOCOLS})
        ports = [port(80, name, proto, made.node_port[proto.lower()]) for name, proto in SERVICE_PORTS]
        w.apply(*slices(name, [place], [port(target, name, proto) for name, proto in SERVICE_PORTS]),
                service(name, made.vip, ports, kind="LoadBalancer", lb=list(made.lb.values()), **spec))
        return made


class Plain:
    """(client, server, family) -> the client address the server sees without naru; absent where Linux has no way."""

    def __init__(self, lab):
        self.seen = {}
        clients = [*(lab.pods[name] for name in CALLERS), *lab.nodes.values()]
        for who in clients:
            for target in [*lab.pods.values(), *lab.nodes.values()]:
                for family in FAMILIES:
                    number = 8080 if target.name in lab.pods else 7000
                    answer = who.fetch(target.ip[family], number, timeout=SILENCE)[0]
                    if answer.pod:
                        assert answer.pod == target.name, f"{who.name} -> {target.name}: {answer}"
                        self.seen[who.name, target.name, family] = answer.client

    def cut(self, clients, servers):
        """Pairs without a way, in either family."""
        return {(who, target) for who in clients for target in servers for family in FAMILIES
                if (who, target, family) not in self.seen}

    def of(self, who, target, family):
        name = target if isinstance(target, str) else target.name
        return self.seen.get((who.name, name, family))


class Matrix:
    """The probes of one wiring and one path."""

    def __init__(self, w, wiring, plain, made):
        self.w, self.plain, self.made = w, plain, made
        self.unserved = wiring.pods == "macvlan" and not w.sockets  # their packets pass none of the node's hooks

    def probes(self):
        w = self.w
        pods = w.pod(*CALLERS)
        told = []
        for family in FAMILIES:
            for proto in PROTOCOLS:
                for who in pods if self.unserved else []:
                    told += self.unserved_pod(who, family, proto)
                for who in [*([] if self.unserved else pods), *w.nodes.values()]:
                    told += self.inside(who, family, proto)
                for who in [] if self.unserved else pods:
                    told += self.hairpin(who, family, proto)
                for who in [*pods, *w.nodes.values()]:
                    told += self.other_node(who, family, proto)
                told += self.outside(family, proto)
        return told

    def inside(self, who, family, proto):
        """A pod, or a process of a node: seen as if it had dialled the pod itself."""
        own = self.w.nodes[who.node or who.name].ip
        for backend in BACKENDS:
            sees = self.plain.of(who, backend, family)
            if not sees:
                continue
            far, near = self.made.any[backend], self.made.local[backend]
            for what, address, number in (
                    ("ClusterIP", far.vip, 80), ("load balancer", far.lb, 80), ("load balancer, Local", near.lb, 80),
                    ("NodePort here", own, far.node_port[proto]),
                    ("NodePort here, Local", own, near.node_port[proto])):
                yield Probe(who, f"{what}, {backend}", address[family], number, proto, backend, sees,
                            bulk=what == "ClusterIP")

    def hairpin(self, who, family, proto):
        """By its sockets a pod dials itself; by packets it sees its node, as when its node dials it."""
        itself, node = self.made.itself[who.name], self.w.nodes[who.node]
        sees = who.ip[family] if self.w.sockets else self.plain.of(node, who, family)
        for what, address, number in (("ClusterIP", itself.vip, 80), ("load balancer", itself.lb, 80),
                                      ("NodePort here", node.ip, itself.node_port[proto])):
            yield Probe(who, f"{what}, itself", address[family], number, proto, who.name, sees,
                        bulk=what == "ClusterIP")

    def other_node(self, who, family, proto):
        """Plain traffic to that node, which takes it for what it is: a client from outside."""
        for asked in self.w.nodes.values():
            seen_there = self.plain.of(who, asked, family)
            if asked.name == (who.node or who.name) or not seen_there:
                continue
            itself = [self.made.itself[who.name]] if who.name in CALLERS else []
            for made in [*self.made.any.values(), *itself]:
                sees = self.seen_by(asked, made.pod, family, seen_there)
                if sees:
                    yield Probe(who, f"NodePort of {asked.name}, {made.pod}", asked.ip[family],
                                made.node_port[proto], proto, made.pod, sees, bulk=made.pod in BACKENDS)

    def outside(self, family, proto):
        """By both nodes. The client's way to load-balancer addresses is n1."""
        client = self.w.client
        for backend in BACKENDS:
            far, near = self.made.any[backend], self.made.local[backend]
            for asked in self.w.nodes.values():
                sees = self.seen_by(asked, backend, family, client.ip[family])
                if not sees:
                    continue
                here = self.home(backend) == asked.name
                where = f"by {asked.name}, {backend}"
                yield Probe(client, f"NodePort {where}", asked.ip[family], far.node_port[proto], proto, backend, sees,
                            bulk=True)
                if asked.name == "n1":
                    answers = backend if here else ""
                    yield Probe(client, f"NodePort {where}, Local", asked.ip[family], near.node_port[proto], proto,
                                answers, client.ip[family])
                    yield Probe(client, f"load balancer {where}", far.lb[family], 80, proto, backend, sees)
                    yield Probe(client, f"load balancer {where}, Local", near.lb[family], 80, proto, answers,
                                client.ip[family])

    def seen_by(self, asked, backend, family, client):
        """Whom a backend sees when a client from outside asks that node: a pod of the node the client, another one the
        node, under the address its own processes would have."""
        node = self.plain.of(asked, backend, family)
        return node and (client if self.home(backend) == asked.name else node)

    def home(self, backend):
        return self.w.node_of(backend) or backend

    def unserved_pod(self, who, family, proto):
        """What it dials goes to its gateway, which here answers everything."""
        for address in (self.made.any["b2"].vip, self.made.any["b2"].lb):
            yield Probe(who, "address of a Service", address[family], 80, proto, self.w.lab.fabric.name, who.ip[family])
