"""Runs scenarios against a real control plane: one for the whole of a file, agents anew for each path."""

import signal
from contextlib import ExitStack, contextmanager

from lab import Lab, check, system
from lab import lab as labs
from lab.agent import binaries

from . import plane
from .store import Store
from .world import World

CONTROL = "cp"


class Suite(check.Suite):
    def __init__(self, name, paths=(check.SOCKETS, check.PACKETS), pods=None):
        super().__init__(f"kube-{name}", paths, pods)
        self.stack = ExitStack()
        self.lab = None

    def main(self):
        with self.stack:
            super().main()

    @contextmanager
    def stage(self, path):
        if not self.lab:
            self.build()
        try:
            yield World(self.lab, path, binaries(), self.plane)
        finally:
            self.forget_agents()

    def build(self):
        tools = plane.binaries()
        labs.sweep()
        self.lab = self.stack.enter_context(Lab(labs.own_id(self.name), self.pods, {CONTROL: plane.ADDRESS}))
        self.plane = plane.Plane(self.lab.beside[CONTROL], self.lab.folder / "control", tools)
        self.stack.callback(self.plane.stop)
        self.plane.start()
        configs = {name: self.plane.agent_config(name, certificate=index % 2 == 1)
                   for index, name in enumerate(self.lab.nodes)}
        self.lab.objects = Store(self.plane.api, configs)
        self.lab.objects.put_nodes(self.lab.plans.values())

    def forget_agents(self):
        """The next path starts on a machine that never saw an agent."""
        for agent in self.lab.agents.values():
            if agent.process.poll() is None:
                agent.kill(signal.SIGTERM)
            system.remove_pins(agent.pins)
        self.lab.agents.clear()
