"""Flows that live while endpoints, policies and Services change under them."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from lab.check import Suite  # noqa: E402
from lab.objects import port, service, slices  # noqa: E402
from lab.world import FAMILIES  # noqa: E402

suite = Suite("flows")
GONE = {"ready": False, "serving": False, "terminating": True}
DRAINING = {"ready": False, "serving": True, "terminating": True}


def clients(w, vip, lb):
    """(who, address) for pods of both nodes and for the client, both families."""
    return [(who, address[family]) for family in FAMILIES
            for who, address in ((w.pods["a1"], vip), (w.pods["b1"], vip), (w.client, lb))]


def opened(w, who, address, server, proto="tcp", **more):
    """A flow that this server has, made by trying until it gets one."""
    def attempt():
        flow = who.open(address, 80, proto, **more)
        if flow.error:
            return f"open: {flow.error}"
        answer = flow.say()
        if answer.pod == server:
            found.append(flow)
            return ""
        flow.close()
        return f"answered by {answer}"

    found = []
    for _ in range(300):
        wrong = attempt()
        if not wrong:
            return found[0]
    raise AssertionError(f"{who.name} -> {address} port 80/{proto}: no flow to {server}, at last {wrong}")


@suite.scenario("an established TCP connection lives on when its endpoint drains, is unready, and leaves the Service")
def tcp_lives(w):
    vip, lb = w.vip(), w.lb()
    a2, b2 = w.pod("a2", "b2")
    w.web("web", vip, [a2, b2], kind="LoadBalancer", lb=lb.values())
    for who, address in clients(w, vip, lb):
        w.reaches(who, address, 80, ["a2", "b2"])
    flows = [(who, address, opened(w, who, address, "b2")) for who, address in clients(w, vip, lb)]
    for rows in ([a2, (b2, DRAINING)], [a2, (b2, {"ready": False})], [a2, (b2, GONE)], [a2]):
        w.apply(*slices("web", rows, [port(8080)]))
        for who, address, flow in flows:
            w.reaches(who, address, 80, ["a2"])
            answer = flow.say("still there")
            assert answer.pod == "b2", f"{who.name} -> {address}: {answer}"
    w.apply(*slices("web", [], [port(8080)]))
    for who, address, flow in flows:
        w.refused(who, address, 80)
        assert flow.say("still there").pod == "b2", f"{who.name} -> {address} with no endpoints at all"
        flow.close()


@suite.scenario("an established TCP connection lives on when the policy turns to Local")
def policy_flip(w):
    vip, lb = w.vip(), w.lb()
    objects = {policy: service("web", vip, [port(80)], kind="LoadBalancer", lb=lb.values(),
                               externalTrafficPolicy=policy, internalTrafficPolicy=policy)
               for policy in ("Cluster", "Local")}
    w.apply(objects["Cluster"], *slices("web", w.pod("a2", "b2"), [port(8080)]))
    others = [("a1", vip, "b2"), ("b1", vip, "a2"), ("cl", lb, "b2")]
    flows = []
    for family in FAMILIES:
        for name, address, server in others:
            who = w.client if name == "cl" else w.pods[name]
            w.reaches(who, address[family], 80, ["a2", "b2"])
            flows.append((name, opened(w, who, address[family], server), server))
    w.apply(objects["Local"])
    for family in FAMILIES:
        w.reaches(w.pods["a1"], vip[family], 80, ["a2"])
        w.reaches(w.pods["b1"], vip[family], 80, ["b2"])
        w.reaches(w.client, lb[family], 80, ["a2"])
    for name, flow, server in flows:
        assert flow.say("still there").pod == server, name
        flow.close()


@suite.scenario("a UDP socket that keeps sending follows its Service when the endpoint is replaced")
def udp_moves(w):
    vip, lb = w.vip(), w.lb()
    w.web("web", vip, w.pod("b2"), proto="UDP", kind="LoadBalancer", lb=lb.values())
    for who, address in clients(w, vip, lb):
        w.reaches(who, address, 80, ["b2"], "udp")
    flows = [(who, opened(w, who, address, "b2", "udp", connected=False)) for who, address in clients(w, vip, lb)]
    for server in ("a2", "a3", "b3"):
        w.apply(*slices("web", w.pod(server), [port(8080, proto="UDP")]))
        for who, flow in flows:
            w.holds(lambda: "" if (answer := flow.say()).pod == server else str(answer), f"{who.name}, UDP to {server}")
    for _, flow in flows:
        flow.close()


@suite.scenario("a UDP socket keeps its server while that one serves, whatever others come")
def udp_stays(w):
    vip, lb = w.vip(), w.lb()
    a2, b2 = w.pod("a2", "b2")
    w.web("web", vip, [b2], proto="UDP", kind="LoadBalancer", lb=lb.values())
    for who, address in clients(w, vip, lb):
        w.reaches(who, address, 80, ["b2"], "udp")
    flows = [(who, opened(w, who, address, "b2", "udp", connected=False)) for who, address in clients(w, vip, lb)]
    for rows in ([a2, b2], [a2, (b2, DRAINING)]):
        w.apply(*slices("web", rows, [port(8080, proto="UDP")]))
        w.settle()
        for who, flow in flows:
            assert {flow.say().pod for _ in range(5)} == {"b2"}, who.name
    for _, flow in flows:
        flow.close()


@suite.scenario("a UDP socket that was refused is served as soon as an endpoint is there")
def udp_waits(w):
    vip, lb = w.vip(), w.lb()
    w.web("web", vip, [], proto="UDP", kind="LoadBalancer", lb=lb.values())
    for who, address in clients(w, vip, lb):
        w.refused(who, address, 80, "udp")
    flows = [(who, who.open(address, 80, "udp", timeout=0.5, connected=False)) for who, address in clients(w, vip, lb)]
    for who, flow in flows:
        assert flow.say().error == "ECONNREFUSED", who.name
    w.apply(*slices("web", w.pod("b2"), [port(8080, proto="UDP")]))
    for who, flow in flows:
        w.holds(lambda: "" if (answer := flow.say()).pod == "b2" else str(answer), f"{who.name}, after 0 -> 1")
    w.apply(*slices("web", [], [port(8080, proto="UDP")]))
    for who, flow in flows:
        w.holds(lambda: "" if (answer := flow.say()).error == "ECONNREFUSED" else str(answer), f"{who.name}, 1 -> 0")
        flow.close()


@suite.scenario("a UDP socket follows a Service that is deleted and made anew with other endpoints")
def udp_recreated(w):
    vip, lb = w.vip(), w.lb()
    made = w.web("web", vip, w.pod("b2"), proto="UDP", kind="LoadBalancer", lb=lb.values(), uid="first")
    for who, address in clients(w, vip, lb):
        w.reaches(who, address, 80, ["b2"], "udp")
    flows = [(who, opened(w, who, address, "b2", "udp", connected=False)) for who, address in clients(w, vip, lb)]
    w.remove(*made)
    for who, address in clients(w, vip, lb):
        w.fails(who, address, 80, None, "udp")
    w.web("web", vip, w.pod("a2"), proto="UDP", kind="LoadBalancer", lb=lb.values(), uid="second")
    for who, flow in flows:
        w.holds(lambda: "" if (answer := flow.say()).pod == "a2" else str(answer), f"{who.name}, the second Service")
        flow.close()


@suite.scenario("a source port used again gets a fresh endpoint, not the terminating one of its old connection")
def port_reuse(w):
    vip, lb = w.vip(), w.lb()
    a2, b2 = w.pod("a2", "b2")
    w.web("web", vip, [b2], kind="LoadBalancer", lb=lb.values())
    for family in FAMILIES:
        w.apply(*slices("web", [b2], [port(8080)]))
        used = []
        for who, address in ((w.pods["a1"], vip[family]), (w.pods["b1"], vip[family]), (w.client, lb[family])):
            w.reaches(who, address, 80, ["b2"])
            assert who.fetch(address, 80, source_port=23456)[0].pod == "b2"
            used.append((who, address))
        w.apply(*slices("web", [a2, (b2, DRAINING)], [port(8080)]))
        w.settle()
        for who, address in used:
            answer = who.fetch(address, 80, source_port=23456)[0]
            assert answer.pod == "a2", f"{who.name} -> {address}: {answer}"


@suite.scenario("one client port to two Services over one server: both connections work")
def same_port_twice(w):
    one, two = w.vip(), w.vip()
    lbs = w.lb(), w.lb()
    for name, vip, lb in (("one", one, lbs[0]), ("two", two, lbs[1])):
        w.web(name, vip, w.pod("b2"), kind="LoadBalancer", lb=lb.values())
    for family in FAMILIES:
        for via in w.nodes:
            w.lab.route_vips(via)
            for lb in lbs:
                w.reaches(w.client, lb[family], 80, ["b2"])
            flows = [w.client.open(lb[family], 80, source_port=23500) for lb in lbs]
            for flow in flows:
                assert not flow.error, f"by {via}, IPv{family}: {flow.error}"
            for flow in (*flows, *flows):
                answer = flow.say()
                assert answer.pod == "b2", f"by {via}, IPv{family}: {answer}"
            for flow in flows:
                flow.close()


@suite.scenario("a TCP client that came through a Service reaches the same server directly from the same source port")
def direct_afterwards(w):
    lb, number = w.lb(), w.node_port()
    server = w.pods["b2"]
    w.web("web", w.vip(), [server], node_port=number, kind="LoadBalancer", lb=lb.values())
    for family in FAMILIES:
        w.reaches(w.client, lb[family], 80, ["b2"])
        for source_port, (address, to) in enumerate(((w.nodes["n2"].ip[family], number), (lb[family], 80)), 23600):
            for _ in range(2):
                assert w.client.fetch(address, to, source_port=source_port)[0].pod == "b2"
                answer = w.client.fetch(server.ip[family], 8080, source_port=source_port)[0]
                assert answer.pod == "b2", f"{address} port {to}, then directly: {answer}"


if __name__ == "__main__":
    suite.main()
