"""The stage of one scenario: an agent's namespace with an uplink, an API server behind it, and what a scenario says about
the two. Everything is made under a name of its own and removed at the end."""

import os
import shutil
import tempfile
import threading
from pathlib import Path

from apiserver import Authority, Cluster, Server, ServerTls
from lab import lab as labs
from lab import system
from lab.agent import binaries

from . import kubeconfig, objects
from .agent import METRICS_PORT, Agent

AGENT_IP, SERVER_IP, SECOND_IP, PORT = "10.77.0.1", "10.77.0.2", "10.77.0.3", 6443
SERVER_NAMES = f"IP:{SERVER_IP},IP:{SECOND_IP},DNS:kubernetes.default.svc"
TOKEN = "planted-token-4f1d9c7e"
BUDGET = 30     # seconds for something to happen that has to: a crowded machine can need most of them


class Pki:
    """Made once: it costs a fraction of a second."""

    def __init__(self):
        self.folder = Path(tempfile.mkdtemp(prefix="naru-fake-pki-"))
        self.numbers, self.lock = 0, threading.Lock()
        self.ca = Authority(self.folder / "ca")
        self.server = self.ca.issue("server", SERVER_NAMES)
        self.client = self.ca.issue("agent")

    def authority(self):
        """Another one, unknown to the agent."""
        with self.lock:
            self.numbers += 1
            return Authority(self.folder / f"other-{self.numbers}", f"other-ca-{self.numbers}")

    def remove(self):
        shutil.rmtree(self.folder, ignore_errors=True)


def prepare():
    system.require_privileges()
    system.mount_bpffs()
    system.cgroup_root()
    labs.sweep()


class Rig:
    def __init__(self, pki, stem, number):
        self.pki = pki
        self.id = f"{stem}{number}-{os.getpid()}"
        prefix = f"naru-{self.id}"
        self.netns, self.far_netns = f"{prefix}-n1", f"{prefix}-api"
        self.folder = Path(tempfile.gettempdir(), prefix)
        self.cgroup = system.cgroup_root() / prefix
        self.token_file = self.folder / "token"
        self.ca_file = self.folder / "ca.crt"
        self.agent = Agent(binaries(), self.netns, self.cgroup, system.BPFFS / f"{prefix}-n1", self.folder)
        self.cluster = Cluster()
        self.servers = []
        self.server = self.add_server()

    def __enter__(self):
        labs.down(self.id)
        self.folder.mkdir(parents=True)
        self.cgroup.mkdir()
        for netns in (self.netns, self.far_netns):
            system.ip("netns", "add", netns)
            system.sysctl(netns, labs.LOOSE)
        system.ip_batch(self.far_netns, ["link set lo up",
                                         f"link add eth0 type veth peer name eth0 netns {self.netns}",
                                         f"addr add {SERVER_IP}/24 dev eth0", f"addr add {SECOND_IP}/24 dev eth0",
                                         "link set eth0 up"])
        system.ip_batch(self.netns, ["link set lo up", f"addr add {AGENT_IP}/24 dev eth0", "link set eth0 up",
                                     f"route add default via {SERVER_IP}"])
        self.token_file.write_text(TOKEN)
        shutil.copy(self.pki.ca.certificate, self.ca_file)
        self.cluster.put(objects.node("n1", AGENT_IP), *objects.web(1), *objects.web(2))
        return self

    def __exit__(self, *_):
        try:
            self.agent.stop()
        finally:
            for server in self.servers:
                server.stop()
            labs.down(self.id)

    def add_server(self, host=SERVER_IP):
        """Another one over the same cluster."""
        server = Server(self.cluster, ServerTls(*self.pki.server, self.pki.ca.certificate), host, PORT,
                        lambda: system.inside(self.far_netns), {TOKEN})
        self.servers.append(server)
        return server

    # The agent

    def user(self):
        return {"tokenFile": str(self.token_file)}

    def kubeconfig(self, user=None, **cluster):
        made = kubeconfig.document(self.server.url, self.ca_file, user or self.user(), **cluster)
        return kubeconfig.write(self.folder / "kubeconfig", made)

    def start_agent(self, *flags, user=None, **cluster):
        self.flags = ("--kubeconfig", str(self.kubeconfig(user, **cluster)), *flags)
        self.agent.start(*self.flags)

    def restart_agent(self):
        self.agent.stop()
        self.agent.start(*self.flags)

    def up(self, *flags, user=None, **cluster):
        """A server that tells the truth and an agent that has heard it all."""
        if not self.server.listener:
            self.server.start()
        self.start_agent(*flags, user=user, **cluster)
        self.agent.wait_ready()
        self.holds(lambda: self.agent.names() == {"web-1", "web-2"}, "the first Services are in the tables")
        return self

    # Statements

    def holds(self, look, what, within=BUDGET):
        """It may take a while to come true. Returns what `look` gave."""
        try:
            return system.wait_until(look, within, what)
        except TimeoutError as why:
            raise AssertionError(str(why)) from None

    def mark(self):
        """What is installed now, with generations: what was taken away and put back is not the same."""
        return Mark(self)

    def applied(self):
        """Changes of the tables in the life of this agent."""
        value = self.agent.metric("naru_sync_changes_total", outcome="applied")
        assert value is not None, "/metrics tells no naru_sync_changes_total"
        return value

    def next_request(self, resource, after, within=BUDGET, **wanted):
        """The first request for `resource` since `after`."""
        def look():
            found = self.server.asked(resource, after, **wanted)
            return found[0] if found else None
        return self.holds(look, f"a request for {resource} {wanted or ''}".strip(), within)

    def watching(self, resource="services"):
        """The open watch of `resource`: its request."""
        streams = self.holds(lambda: self.server.streams.of(resource), f"a watch of {resource} is open")
        return streams[-1].exchange.request

    def interrupt(self, order, resource="services"):
        """Orders something on the open watch that ends it. (The request of that watch, the next one)."""
        before = self.watching(resource)
        self.server.streams.order(resource, order)
        return before, self.next_request(resource, before.at)

    def end_watch(self, resource="services"):
        """The server ends the watch in order. (The request of that watch, the next one)."""
        before = self.watching(resource)
        self.server.streams.end(resource)
        return before, self.next_request(resource, before.at)

    def sequence(self, resource, after, count, within=BUDGET):
        """The first `count` requests for `resource` since `after`."""
        def look():
            return self.server.asked(resource, after)[:count] if len(self.server.asked(resource, after)) >= count else 0
        return self.holds(look, f"{count} requests for {resource}", within)

    def recovers(self, number=100):
        """What happens in the cluster from now on arrives in the tables."""
        made = objects.web(number)
        self.cluster.put(*made)
        name = made[0]["metadata"]["name"]
        self.holds(lambda: self.agent.backends_of(name) == {f"10.244.{number}.1:8080", f"10.244.{number}.2:8080"},
                   f"{name} is served", 40)

    def counted(self, name, at_least=1, **labels):
        """A counter of /metrics has got there."""
        def look():
            value = self.agent.metric(name, **labels)
            return value is not None and value >= at_least
        self.holds(look, f"{name}{labels or ''} >= {at_least}")

    # The end of every scenario

    def check_at_end(self):
        """Whatever happened: the agent lives, says so, and has told no secret."""
        if self.agent.process is None:
            return
        assert self.agent.alive, f"naru-agent ended with {self.agent.process.returncode}"
        assert self.agent.get("/livez").status == 200, "/livez is not 200"
        self.check_secrets()

    def check_secrets(self):
        shown = {"log": self.agent.log(), "/metrics": self.agent.metrics(),
                 "/configz": self.agent.get("/configz", METRICS_PORT).body}
        for where, text in shown.items():
            for secret in ("planted-token", "PRIVATE KEY"):
                assert secret not in text, f"{secret} in {where}"

    def story(self):
        asked = "\n".join(f"{request.at % 1000:8.3f} {request}" for request in self.server.requests[-15:])
        return f"asked:\n{asked}\nagent:\n{self.agent.log(15)}"


class Mark:
    def __init__(self, rig):
        self.rig = rig
        self.tables = self._tables()
        self.applied = rig.applied()

    def _tables(self):
        return {verb: [without_who_waits(row) for row in self.rig.agent.table(verb)]
                for verb in ("services", "backends")}

    def unchanged(self):
        """Not one row was written since."""
        self.kept()
        writes = self.rig.applied() - self.applied
        assert writes == 0, f"{writes:g} changes of the tables"

    def kept(self, *names):
        """Every row (of these Services) is still there as it was; there may be more."""
        now = self._tables()
        for verb, rows in self.tables.items():
            lost = [row for row in rows if row not in now[verb] and (not names or row["name"] in names)]
            assert not lost, f"lost from {verb}: {lost}"


def without_who_waits(row):
    """Who else wants a row is not part of it."""
    kept = {key: value for key, value in row.items() if key != "shadowed"}
    if "flags" in kept:
        kept["flags"] = [flag for flag in kept["flags"] if not flag.startswith("shadows=")]
    return kept
