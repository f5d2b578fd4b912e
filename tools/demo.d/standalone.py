"""naru without Kubernetes: two balancers share two addresses, three plain machines hold them and answer for themselves."""

import json
import time
from contextlib import ExitStack
from pathlib import Path

from lab import Lab, tally
from lab.agent import binaries
from lab.plain_host import PlainHost, finish_packets
from lab.system import ip_output
from shop import with_readiness

ROOT = Path(__file__).resolve().parents[2]
MANIFEST = ROOT / "examples/standalone/web.yaml"
HOSTS = {f"h{number}": {4: f"172.18.0.20{number}", 6: f"fd00:172:18::20{number}"} for number in (1, 2, 3)}
VIP = {4: "192.0.2.80", 6: "2001:db8::80"}
FAMILIES = (4, 6)
LARGE = 1 << 20


def at(address, port):
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


class Standalone:
    def __init__(self, lab, report):
        self.lab, self.report, self.client = lab, report, lab.client

    def run(self):
        for topic in (self.spread, self.direct, self.group, self.leaving):
            topic()

    def spread(self):
        self.report.section("spread", "every machine serves, and sees the client itself")
        for family in FAMILIES:
            for port, proto in ((80, "tcp"), (443, "udp")):
                answers = self.client.fetch(VIP[family], port, proto, count=300)
                counts = tally(answers)
                seen = {answer.client for answer in answers}
                fair = set(counts) == set(HOSTS) and min(counts.values()) >= 60
                self.report.probe(fair and seen == {self.client.ip[family]}, f"{at(VIP[family], port)}/{proto}, 300 times",
                                  f"{dict(sorted(counts.items()))}   client seen: {', '.join(sorted(seen))}")

    def direct(self):
        self.report.section("direct return", "answers do not pass the balancer")
        for family in FAMILIES:
            before = self.forwarded()
            flow = self.client.open(VIP[family], 80)
            flow.say("x" * LARGE)
            flow.close()
            passed = self.forwarded() - before
            self.report.probe(LARGE <= passed < 1.9 * LARGE, f"1 MiB to {at(VIP[family], 80)}, and 1 MiB back",
                              f"n1 sent {passed / LARGE:.2f} MiB")

    def forwarded(self):
        """Bytes that left n1 by its uplink."""
        link, = json.loads(ip_output(self.lab.nodes["n1"].netns, "-s", "-json", "link", "show", "eth0"))
        return link["stats64"]["tx"]["bytes"]

    def group(self):
        self.report.section("a group of balancers", "the client's way changes to n2 under connections that n1 began")
        flows = {(family, number): self.client.open(VIP[family], 80) for family in FAMILIES for number in range(20)}
        first = {key: flow.say("hello").pod for key, flow in flows.items()}
        self.lab.route_vips("n2")
        then = {key: flow.say("still there?").pod for key, flow in flows.items()}
        self.report.probe(first == then and set(first.values()) == set(HOSTS), f"{len(flows)} connections",
                          "each goes on with its machine" if first == then else f"{first} became {then}")
        self.lab.route_vips("n1")
        for flow in flows.values():
            flow.close()

    def leaving(self):
        self.report.section("maintenance", "h2 is taken out (ready: false) with connections on it")
        flows = [self.client.open(VIP[4], 80) for _ in range(30)]
        on_h2 = [flow for flow in flows if flow.say("who?").pod == "h2"]
        self.edit("h2", ready=False)
        self.await_machines(set(HOSTS) - {"h2"})
        kept = sum(flow.say("still there?").pod == "h2" for flow in on_h2)
        self.report.probe(on_h2 and kept == len(on_h2), "connections that h2 had", f"{kept} of {len(on_h2)} go on")
        self.edit("h2", ready=True)
        self.await_machines(set(HOSTS))
        for flow in flows:
            flow.close()

    def edit(self, host, ready):
        text = (self.lab.objects.path / MANIFEST.name).read_text()
        self.lab.objects.write(MANIFEST.name, with_readiness(text, HOSTS[host][4], ready))

    def await_machines(self, wanted):
        deadline = time.monotonic() + 10
        while (got := set(tally(self.client.fetch(VIP[4], 80, count=60)))) != wanted and time.monotonic() < deadline:
            time.sleep(0.2)
        self.report.probe(got == wanted, "new connections", f"served by {', '.join(sorted(got))}")


def standalone(report, name):
    with Lab(name, {}, beside=HOSTS) as lab, ExitStack() as stack:
        for place in lab.beside.values():
            host = stack.enter_context(PlainHost(place, VIP))
            place.serve("80/tcp", "443/udp")
        if host.stripper:
            finish_packets(lab.client)
        report.progress(f"{len(HOSTS)} machines hold {VIP[4]} and {VIP[6]}")
        for file in lab.objects.path.iterdir():
            file.unlink()
        lab.objects.write(MANIFEST.name, MANIFEST.read_text())
        lab.start_agents(binaries())
        report.progress("two balancers are ready, on examples/standalone")
        Standalone(lab, report).run()
        report.section("naructl services -o wide", "on n1")
        print(lab.agents["n1"].naructl("services", "-o", "wide"), end="")
        held = report.close()
        if not held:
            for node, agent in lab.agents.items():
                print(f"\nlast words of the agent on {node}:\n{agent.log(15)}")
    return 0 if held else 1
