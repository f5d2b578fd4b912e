"""healthCheckNodePort: what load balancers ask each node about a Service with externalTrafficPolicy Local."""

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from lab.check import PACKETS, SOCKETS, Suite  # noqa: E402
from lab.objects import port, service, slices  # noqa: E402
from lab.world import FAMILIES  # noqa: E402

suite = Suite("health")
CHECK = 32100
TERMINATING = {"ready": False, "serving": True, "terminating": True}


def load_balancer(w, name="web", vip=None, lb=None, policy="Local", number=CHECK, kind="LoadBalancer", **spec):
    """The Service; a ClusterIP and an address of its own unless they are given."""
    if number and kind == "LoadBalancer" and policy == "Local":
        spec["healthCheckNodePort"] = number
    lb = (lb or w.lb()).values() if kind == "LoadBalancer" else ()
    return service(name, vip or w.vip(), [port(80)], kind=kind, lb=lb, externalTrafficPolicy=policy, **spec)


def answers(w, node, expected, name="web", number=CHECK, families=FAMILIES, who=None):
    """`expected`: how many endpoints the node tells to have; None: nobody listens."""
    who = who or w.client
    for family in families:
        def look(family=family):
            got = who.get(number, "/", w.nodes[node].ip[family])
            if expected is None:
                return "" if got.get("error") == "ECONNREFUSED" else str(got)
            if got.get("status") != (200 if expected else 503):
                return str(got)
            body = {"service": {"namespace": "test", "name": name}, "localEndpoints": expected,
                    "serviceProxyHealthy": True}
            headers = {"Content-Type": "application/json", "X-Content-Type-Options": "nosniff",
                       "X-Load-Balancing-Endpoint-Weight": str(expected)}
            wrong = json.loads(got["body"]) != body or not headers.items() <= got["headers"].items()
            return str(got) if wrong else ""

        w.holds(look, f"{who.name} asks {node} over IPv{family} on port {number}, expects {expected}")


@suite.scenario("the health port follows an endpoint from one node to the other, and only ready ones count")
def moves(w):
    w.apply(load_balancer(w), *slices("web", w.pod("a1", "a2"), [port(8080)]))
    answers(w, "n1", 2)
    answers(w, "n2", 0)
    answers(w, "n1", 2, who=w.pods["b1"])
    answers(w, "n1", 2, who=w.nodes["n1"])
    w.apply(*slices("web", [w.pods["a1"], (w.pods["a2"], {"ready": False})], [port(8080)]))
    answers(w, "n1", 1)
    w.apply(*slices("web", w.pod("b1"), [port(8080)]))
    answers(w, "n1", 0)
    answers(w, "n2", 1)


@suite.scenario("the health port opens, closes and opens with externalTrafficPolicy, and who serves with it")
def policy(w):
    vip, lb = w.vip(), w.lb()
    w.apply(*slices("web", w.pod("b2"), [port(8080)]))
    for turn in ("Local", "Cluster", "Local"):
        w.apply(load_balancer(w, vip=vip, lb=lb, policy=turn))
        for family in FAMILIES:
            w.lab.route_vips("n1")
            if turn == "Cluster":
                w.reaches(w.client, lb[family], 80, ["b2"], sees={w.nodes["n1"].ip[family]})
            else:
                w.dropped(w.client, lb[family], 80)
            w.lab.route_vips("n2")
            w.reaches(w.client, lb[family], 80, ["b2"], sees={w.client.ip[family]})
        answers(w, "n1", 0 if turn == "Local" else None)
        answers(w, "n2", 1 if turn == "Local" else None)


@suite.scenario("the health port closes with the type, moves with its number and goes with the Service", (SOCKETS,))
def changes(w):
    vip = w.vip()
    w.apply(load_balancer(w, vip=vip), *slices("web", w.pod("a1"), [port(8080)]))
    answers(w, "n1", 1)
    w.apply(load_balancer(w, vip=vip, kind="NodePort"))
    answers(w, "n1", None)
    w.apply(load_balancer(w, vip=vip, number=CHECK + 1))
    answers(w, "n1", 1, number=CHECK + 1)
    answers(w, "n1", None)
    w.remove(load_balancer(w, vip=vip))
    answers(w, "n1", None, number=CHECK + 1)


@suite.scenario("an endpoint that terminates still serves and is not counted")
def terminating(w):
    lb = w.lb()
    w.apply(load_balancer(w, lb=lb), *slices("web", w.pod("a2"), [port(8080)]))
    answers(w, "n1", 1)
    w.apply(*slices("web", w.pod("a2"), [port(8080)], **TERMINATING))
    answers(w, "n1", 0)
    for family in FAMILIES:
        w.reaches(w.client, lb[family], 80, ["a2"], sees={w.client.ip[family]})


@suite.scenario("each family has a count of its own, and one without a ClusterIP has no health port", (PACKETS,))
def families(w):
    vip = w.vip()
    w.apply(load_balancer(w, vip=vip), *slices("web", w.pod("a1", "a2"), [port(8080)], families=(4,)))
    answers(w, "n1", 2, families=(4,))
    answers(w, "n1", 0, families=(6,))
    w.apply(load_balancer(w, vip={6: vip[6]}), *slices("web", w.pod("a1"), [port(8080)], families=(6,)))
    answers(w, "n1", 1, families=(6,))
    answers(w, "n1", None, families=(4,))


@suite.scenario("of two Services with one health port the older answers, and the younger when it goes", (SOCKETS,))
def contested(w):
    older = load_balancer(w, "older", meta={"creationTimestamp": "2024-01-01T00:00:00Z"})
    younger = load_balancer(w, "younger", meta={"creationTimestamp": "2024-02-01T00:00:00Z"})
    w.apply(younger, *slices("younger", w.pod("a1"), [port(8080)]))
    answers(w, "n1", 1, "younger")
    w.apply(older, *slices("older", w.pod("a1", "a2"), [port(8080)]))
    answers(w, "n1", 2, "older")
    w.logged("n1", "FailedToStartServiceHealthcheck", "test/younger", "test/older")
    w.remove(older)
    answers(w, "n1", 1, "younger")


@suite.scenario("a health port that another process holds is told once, and answers when it is free", (SOCKETS,))
def taken(w):
    agent = w.lab.agents["n1"]
    told = agent.log().count("FailedToStartServiceHealthcheck")
    w.nodes["n1"].serve(f"{CHECK}/tcp")
    try:
        w.apply(load_balancer(w), *slices("web", w.pod("a1"), [port(8080)]))
        answers(w, "n2", 0)
        w.logged("n1", "FailedToStartServiceHealthcheck", "test/web", str(CHECK), "Address already in use")
    finally:
        w.nodes["n1"].unserve(f"{CHECK}/tcp")
    answers(w, "n1", 1)
    assert agent.log().count("FailedToStartServiceHealthcheck") == told + 1, agent.log(10)


@suite.scenario("health ports listen on the addresses of NodePorts only", (PACKETS,))
def addresses(w):
    w.apply(load_balancer(w), *slices("web", w.pod("a1"), [port(8080)]))
    node = w.nodes["n1"]
    answers(w, "n1", 1)
    assert node.get(CHECK, "/", "127.0.0.1").get("error") == "ECONNREFUSED"
    w.start_agents("--nodeport-addresses", "localhost,172.18.0.0/24")
    answers(w, "n1", 1, families=(4,))
    for address in ("127.0.0.1", "::1"):
        assert node.get(CHECK, "/", address).get("status") == 200, address
    answers(w, "n1", None, families=(6,))
    w.start_agents("--nodeport-addresses", "all")
    answers(w, "n1", 1)
    for address in ("127.0.0.1", "::1", w.lab.plans["n1"].pod_gateway[4]):
        assert node.get(CHECK, "/", address).get("status") == 200, address


@suite.scenario("health ports answer again after a restart of the agent", (SOCKETS,))
def restart(w):
    w.apply(load_balancer(w), *slices("web", w.pod("a1"), [port(8080)]))
    answers(w, "n1", 1)
    agent = w.lab.agents["n1"]
    agent.kill()
    agent.restart()
    answers(w, "n1", 1)
    answers(w, "n2", 0)


if __name__ == "__main__":
    suite.main()
