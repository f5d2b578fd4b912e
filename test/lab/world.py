"""What a scenario works with: fresh addresses, objects that are applied, and statements about who reaches whom."""

import itertools
import time

from . import system
from .objects import port, service, slices
from .place import tally

FAMILIES = (4, 6)
BUDGET = 5 * system.PATIENCE     # seconds for a change to be seen everywhere, on a busy machine
SILENCE = 0.7 * system.PATIENCE  # seconds without an answer that count as a drop
SERVED = ["8080/tcp", "8081/tcp", "8080/udp", "8081/udp"]
HOST_SERVED = ["7000/tcp", "7000/udp"]


def both(number, net4, net6):
    return {4: net4.format(number), 6: net6.format(number)}


class World:
    budget = BUDGET

    def __init__(self, lab, socket_lb, binaries):
        self.lab, self.binaries = lab, binaries
        self.sockets, self.node_sockets = socket_lb == "all", socket_lb != "off"
        self.base_flags = ("--socket-lb", socket_lb)
        self.client, self.nodes, self.pods = lab.client, lab.nodes, lab.pods
        self.numbers = itertools.count(10)
        for pod in self.pods.values():
            pod.serve(*SERVED)
        for node in self.nodes.values():
            node.serve(*HOST_SERVED)
        lab.start_agents(binaries, *self.base_flags)

    def reset(self):
        """An empty cluster; agents that died or got other flags start again."""
        self.lab.objects.clear()
        self.lab.route_vips("n1")
        self.start_agents()
        for agent in self.lab.agents.values():
            # A removed file counts a moment later; until then its slices would serve the next scenario.
            system.wait_until(lambda agent=agent: self.is_empty(agent), 10, "the last scenario is gone")

    def is_empty(self, agent):
        return not agent.table("backends")

    def start_agents(self, *flags):
        """Agents with these flags beside the usual ones; those that run so already are left alone."""
        wanted = (*self.base_flags, *flags)
        for agent in self.lab.agents.values():
            if agent.process.poll() is None and agent.flags == wanted:
                continue
            if agent.process.poll() is None:
                agent.process.terminate()
                agent.process.wait(10 * system.PATIENCE)
            agent.start(*wanted)
        for agent in self.lab.agents.values():
            agent.wait_ready()

    # Who is who

    def pod(self, *names):
        return [self.pods[name] for name in names]

    def node_of(self, pod):
        return self.pods[pod].node if pod in self.pods else ""

    @property
    def insiders(self):
        """Clients of both nodes: pods, and processes of the nodes themselves."""
        return self.pod("a1", "b1") + list(self.nodes.values())

    def seen(self, who, family):
        """The addresses under which servers may see it. A process of a node may have any of the node's."""
        return system.addresses(who.netns, family) if who.name in self.nodes else {who.ip[family]}

    def by_socket(self, who):
        return self.node_sockets if who in self.nodes.values() else self.sockets and who.node != ""

    # Addresses nobody used before, so that one scenario leaves nothing to the next

    def vip(self):
        return both(next(self.numbers), "10.96.0.{}", "fd96::{}")

    def lb(self):
        return both(next(self.numbers), "192.0.2.{}", "2001:db8::{}")

    def external(self):
        return both(next(self.numbers), "198.51.100.{}", "2001:db8:1::{}")

    def node_port(self):
        return 30000 + next(self.numbers)

    # Objects

    def apply(self, *objects):
        self.lab.objects.put(*objects)

    def remove(self, *objects):
        self.lab.objects.remove(*objects)

    def web(self, name, ips, places, target=8080, node_port=0, proto="TCP", conditions=None, **spec):
        """A Service on port 80 and its slices, applied. Returns the objects."""
        made = [service(name, ips, [port(80, proto=proto, node_port=node_port)], **spec),
                *slices(name, places, [port(target, proto=proto)], **(conditions or {}))]
        self.apply(*made)
        return made

    def settle(self):
        """Waits until all that was applied so far is in force on both nodes: agents read the folder as a whole, so
        a Service that was written last and answers says that the rest was read."""
        vip = self.vip()
        made = self.web(f"marker-{vip[4].rpartition('.')[2]}", vip, self.pod("a1"))
        for who in self.pod("a1", "b1"):
            self.reaches(who, vip[4], 80, ["a1"], count=1)
        self.remove(*made)

    # Statements

    def reaches(self, who, address, number, pods, proto="tcp", sees=None, count=None, **more):
        """Within the budget, and from then on: all of `pods` answer and nobody else does. `sees`: the client
        addresses that servers may see, a set or a function of the pod's name."""
        wanted = {pod if isinstance(pod, str) else pod.name for pod in pods}
        count = count or (8 if len(wanted) == 1 else 16 * len(wanted))

        def round_of():
            answers = who.fetch(address, number, proto, count, **more)
            counts = tally(answers)
            if set(counts) != wanted:
                return f"{dict(counts)}, wanted {sorted(wanted)}"
            for answer in answers:
                allowed = sees(answer.pod) if callable(sees) else sees
                if allowed and answer.client not in allowed:
                    return f"{answer.pod} saw {answer.client}, wanted {sorted(allowed)}"
                if answer.peer != address or answer.peer_port != number:
                    return f"the client believes to talk to {answer.peer} port {answer.peer_port}"
            return ""

        self.holds(round_of, f"{who.name} -> {address} port {number}/{proto}")

    def refused(self, who, address, number, proto="tcp", **more):
        self.fails(who, address, number, {"ECONNREFUSED"}, proto, **more)

    def dropped(self, who, address, number, proto="tcp", **more):
        silent = {"EHOSTUNREACH"} if self.by_socket(who) else {"timeout"}
        if who in self.nodes.values() and not self.node_sockets:
            silent.add("ENOBUFS")  # the kernel tells a process that asks (IP_RECVERR) when its own egress drops
        self.fails(who, address, number, silent, proto, **more)

    def untouched(self, who, address, number, proto="tcp"):
        """It went on as it was to the router of the fabric, which answers whatever comes so far."""
        self.reaches(who, address, number, [self.lab.fabric], proto, sees={who.ip[6 if ":" in address else 4]})

    def fails(self, who, address, number, errors=None, proto="tcp", **more):
        """One of these errors; without any, whatever is not an answer of the cluster."""
        def once():
            answer = who.fetch(address, number, proto, timeout=SILENCE, **more)[0]
            if errors is None and answer.pod == self.lab.fabric.name:
                return ""
            if answer.error and (errors is None or answer.error in errors):
                return ""
            return f"{answer}, wanted {' or '.join(sorted(errors or ['an error']))}"

        self.holds(once, f"{who.name} -> {address} port {number}/{proto}")

    def holds(self, look, what, within=None):
        """`look` says what is wrong, or nothing. It may take the budget to come true; then it must stay true."""
        deadline = time.monotonic() + (within or self.budget)
        while wrong := look():
            if time.monotonic() > deadline:
                raise AssertionError(f"{what}: {wrong}")
            time.sleep(0.02)
        if wrong := look():
            raise AssertionError(f"{what}: came true and then not: {wrong}")

    def logged(self, node, *words):
        """Within the budget one line of the agent's log holds all the words."""
        agent = self.lab.agents[node]

        def look():
            found = any(all(word in line for word in words) for line in agent.log().splitlines())
            return "" if found else f"no line with {words} in:\n{agent.log(8)}"

        self.holds(look, f"log of the agent on {node}")
