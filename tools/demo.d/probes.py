"""Probes the shop as its users would: from a pod of each node, from the nodes and from outside, over IPv4 and IPv6."""

import time

from lab import tally
from shop import lb, pods_of, vip, with_readiness

FAMILIES = (4, 6)


def name(place):
    return {"cl": "outside"}.get(place.name, f"node {place.name}" if place.name == place.node else place.name)


def at(address, port):
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


class Probes:
    def __init__(self, lab, report):
        self.lab, self.report = lab, report
        self.outside = lab.client
        self.n1, self.n2 = lab.nodes["n1"], lab.nodes["n2"]
        self.shoppers = [lab.pods["shopper-1"], lab.pods["shopper-2"]]

    def run(self):
        for topic in (self.frontend, self.spread, self.backend, self.catalog, self.resolver, self.cart, self.checkout,
                      self.telemetry, self.payments, self.search, self.left_alone, self.leaving):
            topic()

    def reach(self, who, address, port, pods, proto="tcp", sees=None, count=40):
        """All pods answer and nobody else. `sees`: pod -> the client addresses it may have seen."""
        answers = who.fetch(address, port, proto, count)
        counts = tally(answers)
        strangers = {f"{answer.pod} saw {answer.client}" for answer in answers
                     if sees and not answer.error and answer.client not in sees(answer.pod)}
        facts = "  ".join(f"{pod} {count}" for pod, count in sorted(counts.items()))
        seen = sorted({answer.client for answer in answers if answer.client})
        return self.report.probe(set(counts) == set(pods) and not strangers,
                                 f"{name(who)} -> {at(address, port)}/{proto}",
                                 f"{facts}   client seen: {', '.join(sorted(strangers) or seen)}")

    def refused(self, who, address, port, error, timeout=2):
        answer = who.fetch(address, port, timeout=timeout)[0]
        return self.report.probe(answer.error == error, f"{name(who)} -> {at(address, port)}",
                                 f"{answer} (wanted {error})" if answer.error != error else error)

    def as_itself(self, place, family):
        return lambda _: {place.ip[family]}

    def from_outside(self, via, family):
        """A backend on the node that was asked may see the client; another node's sees the node."""
        near, far = {self.outside.ip[family], via.ip[family]}, {via.ip[family]}
        return lambda pod: near if pod in self.lab.pods and self.lab.pods[pod].node == via.name else far

    def frontend(self):
        self.report.section("frontend", "LoadBalancer, two named ports, three servers on two nodes")
        for family in FAMILIES:
            for shopper in self.shoppers:
                self.reach(shopper, vip(10)[family], 80, pods_of("frontend"), sees=self.as_itself(shopper, family))
                self.reach(shopper, lb(10)[family], 80, pods_of("frontend"))
            for node in (self.n1, self.n2):
                self.reach(node, vip(10)[family], 9090, pods_of("frontend"))
                self.reach(self.outside, node.ip[family], 30080, pods_of("frontend"),
                           sees=self.from_outside(node, family))
            for port in (80, 9090):
                self.reach(self.outside, lb(10)[family], port, pods_of("frontend"),
                           sees=self.from_outside(self.n1, family))

    def spread(self):
        self.report.section("spread", "600 connections to the frontend, each")
        for who, address in ((self.outside, lb(10)[4]), (self.outside, lb(10)[6]), (self.shoppers[0], vip(10)[4])):
            counts = tally(who.fetch(address, 80, count=600))
            fair = set(counts) == pods_of("frontend") and min(counts.values()) >= 120
            self.report.probe(fair, f"{name(who)} -> {at(address, 80)}", "every server has a fair share (120 or more)")
            self.report.histogram(counts)

    def backend(self):
        self.report.section("backend", "ClusterIP with a named target port; servers see the pod that calls")
        for family in FAMILIES:
            for who in (self.lab.pods["frontend-1"], self.lab.pods["frontend-2"]):
                self.reach(who, vip(20)[family], 80, pods_of("backend"), sees=self.as_itself(who, family))
            own = self.lab.pods["backend-1"]
            self.reach(own, vip(20)[family], 80, pods_of("backend"))  # itself included

    def catalog(self):
        self.report.section("catalog", "NodePort 30180, and the external IP 198.51.100.30")
        for family in FAMILIES:
            for node in (self.n1, self.n2):
                for who in (*self.shoppers, self.n1, self.outside):
                    self.reach(who, node.ip[family], 30180, pods_of("catalog"))
        for who in (self.shoppers[0], self.n2, self.outside):
            self.reach(who, "198.51.100.30", 80, pods_of("catalog"))

    def resolver(self):
        self.report.section("resolver", "UDP")
        for family in FAMILIES:
            for shopper in self.shoppers:
                self.reach(shopper, vip(53)[family], 53, pods_of("resolver"), "udp",
                           sees=self.as_itself(shopper, family))
            self.reach(self.n1, vip(53)[family], 53, pods_of("resolver"), "udp")
            self.reach(self.outside, self.n2.ip[family], 30053, pods_of("resolver"), "udp",
                       sees=self.from_outside(self.n2, family))

    def cart(self):
        self.report.section("cart", "ClientIP affinity, 4 s after the last connection it ends")
        for family in FAMILIES:
            first = self.sticky_round(family)
            stuck = all(len(servers) == 1 and servers < pods_of("cart") for servers in first.values())
            self.report.probe(stuck, f"{len(first)} clients, 6 connections each, IPv{family}",
                              "each keeps its server" if stuck else f"servers per client: {first}")
            outside = tally(self.outside.fetch(self.n1.ip[family], 30280, count=20))
            self.report.probe(len(outside) == 1 and set(outside) < pods_of("cart"),
                              f"outside -> {at(self.n1.ip[family], 30280)}, 20 connections", f"{dict(outside)}")
        before = self.sticky_round(4)
        self.report.progress("waiting 5 s for the affinity to end")
        time.sleep(5)  # the passing of time is what is tested here
        after = self.sticky_round(4)
        moved = sum(after[pod] != before[pod] for pod in before)
        self.report.probe(moved > 0, "5 s later", f"{moved} of {len(before)} clients have another server")

    def sticky_round(self, family):
        clients = list(self.lab.pods.values())
        return {pod.name: set(tally(pod.fetch(vip(40)[family], 80, count=6))) for pod in clients}

    def checkout(self):
        self.report.section("checkout", "externalTrafficPolicy Local: one server, on n1, which sees the client")
        local = {"checkout-1"}
        for family in FAMILIES:
            self.reach(self.outside, lb(50)[family], 443, local, sees=self.as_itself(self.outside, family))
            self.reach(self.outside, self.n1.ip[family], 30443, local, sees=self.as_itself(self.outside, family))
            self.refused(self.outside, self.n2.ip[family], 30443, "timeout", timeout=0.7)
            for shopper in self.shoppers:
                self.reach(shopper, lb(50)[family], 443, local, sees=self.as_itself(shopper, family))

    def telemetry(self):
        self.report.section("telemetry", "internalTrafficPolicy Local: one server, on n1")
        for family in FAMILIES:
            for who in (self.shoppers[0], self.n1):
                self.reach(who, vip(60)[family], 4317, {"telemetry-1"})
            for who in (self.shoppers[1], self.n2):
                self.refused(who, vip(60)[family], 4317, "EHOSTUNREACH")

    def payments(self):
        self.report.section("payments", "no selector; the slice was written by hand and points out of the cluster")
        for family in FAMILIES:
            for who in (*self.shoppers, self.n2):
                self.reach(who, vip(80)[family], 443, {"cl"}, sees=self.as_itself(who, family))

    def search(self):
        self.report.section("search", "no endpoints: refused at once")
        for family in FAMILIES:
            for who in (self.shoppers[0], self.n2):
                self.refused(who, vip(70)[family], 80, "ECONNREFUSED")
            self.refused(self.outside, self.n1.ip[family], 30380, "ECONNREFUSED")

    def left_alone(self):
        self.report.section("mysql, bank", "headless and ExternalName: nothing is programmed")
        mysql = self.lab.pods["mysql-1"]
        for family in FAMILIES:
            self.reach(self.shoppers[0], mysql.ip[family], 3306, {"mysql-1"},
                       sees=self.as_itself(self.shoppers[0], family))
        for node, agent in self.lab.agents.items():
            known = {row["name"] for row in agent.table("services") if row["name"]}
            self.report.probe("frontend" in known and not known & {"mysql", "bank"}, f"tables of {node}",
                              f"{len(known)} Services: {', '.join(sorted(known))}")

    def leaving(self):
        self.report.section("rolling", "frontend-2 leaves (ready: false in its slice) and comes back")
        leaver = self.lab.pods["frontend-2"]
        flow = self.long_flow(leaver)
        self.edit(leaver, ready=False)
        self.await_frontends(pods_of("frontend") - {leaver.name})
        said = flow.say("still there?")
        self.report.probe(said.pod == leaver.name, "a connection that frontend-2 had before", f"answered by {said}")
        flow.close()
        self.edit(leaver, ready=True)
        self.await_frontends(pods_of("frontend"))

    def long_flow(self, pod):
        """A connection that this pod answers, made by trying."""
        for _ in range(100):
            flow = self.outside.open(lb(10)[4], 80)
            if not flow.error and flow.say().pod == pod.name:
                return flow
            flow.close()
        raise RuntimeError(f"of 100 connections to {at(lb(10)[4], 80)} none was answered by {pod.name}")

    def edit(self, pod, ready):
        manifest = self.lab.objects.path / "frontend.yaml"
        text = manifest.read_text()
        for family in FAMILIES:
            text = with_readiness(text, pod.ip[family], ready)
        manifest.write_text(text)

    def await_frontends(self, pods):
        since = time.monotonic()
        clients = ((self.outside, lb(10)[4]), (self.outside, lb(10)[6]), (self.shoppers[1], vip(10)[4]))
        for who, address in clients:
            while True:
                counts = set(tally(who.fetch(address, 80, count=40)))
                took = time.monotonic() - since
                if counts == pods or took > 5:
                    break
            self.report.probe(counts == pods, f"{name(who)} -> {at(address, 80)}",
                              f"{', '.join(sorted(counts))}, {took:.1f} s after the edit")
