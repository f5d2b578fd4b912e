"""Direct server return: what comes from outside for a pod of another node goes there encapsulated, and the answer comes
from there. One router beside the nodes is the way wherever a scenario says so."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from lab.check import Suite  # noqa: E402
from lab.objects import port, service, slices  # noqa: E402
from lab.world import FAMILIES  # noqa: E402
from test_icmp import NARROW, ROUTER, believed, by_router, hosts, prepare, straight  # noqa: E402

OVERHEAD = {4: 20, 6: 40}
PROTOCOLS = ("tcp", "udp")
DSR = {"annotations": {"naru.io/forwarding": "dsr"}}
SNAT = {"annotations": {"naru.io/forwarding": "snat"}}

suite = Suite("dsr", beside={"router": ROUTER})


class Far:
    """A Service with every kind of address on pods of n2, asked at n1."""

    def __init__(self, w, *pods, meta=None, **spec):
        self.w, self.pods = w, pods or ("b2",)
        self.vip, self.lb, self.number = w.vip(), w.lb(), w.node_port()
        self.name, self.spec = f"far-{self.number}", spec
        self.say(meta)

    def say(self, meta):
        ports = [port(80, "web", "TCP", self.number), port(80, "dgram", "UDP", self.number)]
        self.w.apply(service(self.name, self.vip, ports, kind="LoadBalancer", lb=list(self.lb.values()), meta=meta and
                             {"name": self.name, "namespace": "test", "uid": f"uid-{self.name}"} | meta, **self.spec),
                     *slices(self.name, self.w.pod(*self.pods), [port(8080, "web", "TCP"), port(8080, "dgram", "UDP")]))

    @property
    def ways(self):
        """(address of each family, port)"""
        return (self.lb, 80), (self.w.nodes["n1"].ip, self.number)

    def reached(self, sees, who=None, **more):
        for address, number in self.ways:
            for family in FAMILIES:
                for proto in PROTOCOLS:
                    self.w.reaches(who or self.w.client, address[family], number, self.pods, proto,
                                   sees={sees[family]}, **more)


def counted(w, node, hook, reason):
    return sum(row["packets"] for row in w.lab.agents[node].table("metrics")
               if (row["hook"], row["reason"]) == (hook, reason))


def counts(w):
    return {(node, reason): counted(w, node, hook, reason)
            for node, hook, reason in (("n1", "tc_ingress", "encapsulated"), ("n1", "tc_ingress", "forward_remote"),
                                       ("n1", "tc_ingress", "reply_snat"), ("n1", "tc_egress", "reply"),
                                       ("n2", "tc_ingress", "decapsulated"), ("n2", "tc_egress", "reply"))}


def carries(who, address, number, text="0123456789", times=30_000):
    flow = who.open(address, number, timeout=10)
    answer = flow.say(text, times=times)
    mtu = flow.mtu()
    flow.close()
    assert answer.size == len(text) * times, f"{who.name} -> {address}: {answer} {answer.size}"
    return mtu


@suite.scenario("a pod of another node sees the client itself, and its answers do not come back by the asked node")
def direct(w):
    w.start_agents("--forwarding", "dsr")
    far = Far(w)
    before = counts(w)
    far.reached(w.client.ip)
    grown = {what: count - before[what] for what, count in counts(w).items()}
    for busy in (("n1", "encapsulated"), ("n2", "decapsulated"), ("n2", "reply")):
        assert grown[busy] > 50, f"{busy}: {grown}"
    for idle in (("n1", "forward_remote"), ("n1", "reply_snat"), ("n1", "reply")):
        assert grown[idle] == 0, f"{idle}: {grown}"
    shown = {row["forwarding"] for row in w.lab.agents["n1"].table("services") if row["name"] == far.name}
    assert shown == {"dsr"}, shown


@suite.scenario("large transfers arrive whole once the client has learnt the room that the outer header leaves")
def bulk(w):
    prepare(w)
    far = Far(w, meta=DSR)
    far.reached(w.client.ip, count=2)
    for address, number in far.ways:
        for family in FAMILIES:
            mtu = carries(w.client, address[family], number)
            assert mtu == 1500 - OVERHEAD[family], f"{address[family]}: the client believes in {mtu}"


@suite.scenario("datagrams too large for one packet arrive whole")
def datagrams(w):
    prepare(w)
    far = Far(w, meta=DSR)
    far.reached(w.client.ip, count=2)
    for address, number in far.ways:
        for family in FAMILIES:
            flow = w.client.open(address[family], number, "udp", timeout=0.5)

            def whole(flow=flow):
                answer = flow.say("0123456789", times=800)
                return "" if answer.size == 8000 else f"{answer} {answer.size}"

            w.holds(whole, f"8000 bytes to {address[family]}")
            flow.close()


@suite.scenario("a narrow hop between the nodes is told to the client, less what the outer header takes")
def narrow_between(w):
    prepare(w)
    far = Far(w, meta=DSR)
    far.reached(w.client.ip, count=2)
    by_router(w, w.nodes["n1"], w.lab.plans["n2"].pod_cidr, w.nodes["n2"].ip, narrow=True)
    try:
        for address, number in far.ways:
            for family in FAMILIES:
                mtu = carries(w.client, address[family], number)
                assert mtu == NARROW - OVERHEAD[family], f"{address[family]}: the client believes in {mtu}"
    finally:
        straight(w)


@suite.scenario("a narrow hop on the way of the answers is told to the backend through the node that was asked")
def narrow_back(w):
    for proto in PROTOCOLS:
        for family in FAMILIES:
            prepare(w)
            far = Far(w, meta=DSR)
            far.reached(w.client.ip, count=2)
            by_router(w, w.nodes["n2"], hosts(w.client), None, narrow=True)
            try:
                for address, number in far.ways:
                    if proto == "tcp":
                        carries(w.client, address[family], number)
                    else:
                        flow = w.client.open(address[family], number, proto, timeout=0.3)
                        flow.say("fill 1450")
                        flow.close()
                    w.holds(lambda family=family: "" if believed(w.pods["b2"], w.client.ip[family]) == NARROW
                            else f"believes in {believed(w.pods['b2'], w.client.ip[family])}",
                            f"b2 answers the client of {address[family]} over {proto}")
            finally:
                straight(w)


@suite.scenario("connections live on while the annotation switches their Service there and back")
def switched(w):
    far = Far(w, meta=SNAT)
    node = w.nodes["n1"].ip
    far.reached(node, count=2)
    flows = []

    def open_more():
        flows.extend((f"{address[family]} over {proto}",
                      w.client.open(address[family], number, proto, connected=proto == "tcp"))
                     for address, number in far.ways for family in FAMILIES for proto in PROTOCOLS)
        for what, flow in flows:
            answer = flow.say()
            assert answer.pod == "b2", f"{what}: {answer}"

    open_more()
    for meta, sees in ((DSR, w.client.ip), (SNAT, node), (DSR, w.client.ip)):
        far.say(meta)
        far.reached(sees, count=2)
        open_more()


@suite.scenario("where the other node does not strip, a connection goes on with an address of the node that was asked")
def unheard(w):
    prepare(w)
    agent = w.lab.agents["n1"]
    agent.process.terminate()
    agent.process.wait(10)
    agent.start(*w.base_flags, "--forwarding", "dsr")
    agent.wait_ready()
    far = Far(w)
    for address, number in far.ways:
        for family in FAMILIES:
            w.reaches(w.client, address[family], number, ["b2"], sees={w.nodes["n1"].ip[family]}, count=1, timeout=4)
    assert counted(w, "n1", "tc_ingress", "tunnel_unheard") > 0


@suite.scenario("a pod beside the backend reaches it by a NodePort of the other node")
def beside(w):
    prepare(w)
    far = Far(w, meta=DSR)
    far.reached(w.client.ip, count=1)
    for family in FAMILIES:
        w.reaches(w.pods["b1"], w.nodes["n1"].ip[family], far.number, ["b2"], count=1, timeout=4)


@suite.scenario("backends that share an address are served as without it, and naructl says why")
def shared(w):
    vip, lb = w.vip(), w.lb()
    w.apply(service("twice", vip, [port(80, "web")], kind="LoadBalancer", lb=list(lb.values()),
                    meta={"name": "twice", "namespace": "test", "uid": "uid-twice"} | DSR),
            *slices("twice", w.pod("b2"), [port(8080, "web")]),
            *slices("twice", w.pod("b2"), [port(8081, "web")], suffix="-more"))
    for family in FAMILIES:
        w.reaches(w.client, lb[family], 80, ["b2"], sees={w.nodes["n1"].ip[family]})
    shown = {row["forwarding"] for row in w.lab.agents["n1"].table("services") if row["name"] == "twice"}
    assert shown == {"snat (backends share an address)"}, shown


@suite.scenario("session affinity and source ranges hold for what goes encapsulated")
def policies(w):
    far = Far(w, "b2", "b3", meta=DSR, sessionAffinity="ClientIP",
              sessionAffinityConfig={"clientIP": {"timeoutSeconds": 60}})
    for address, number in far.ways:
        for family in FAMILIES:
            def one(at=address[family], to=number):
                pods = {answer.pod for answer in w.client.fetch(at, to, count=12)}
                return "" if len(pods) == 1 and pods <= set(far.pods) else f"{pods}"

            w.holds(one, f"affinity of {address[family]}")
    closed = Far(w, meta=DSR, loadBalancerSourceRanges=["203.0.113.0/24", "2001:db8:9::/48"])
    for family in FAMILIES:
        w.dropped(w.client, closed.lb[family], 80)


if __name__ == "__main__":
    suite.main()
