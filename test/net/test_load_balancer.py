"""Load-balancer addresses and external IPs: how they come, change and go."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from lab.check import Suite  # noqa: E402
from lab.objects import port, service, slices  # noqa: E402
from lab.world import FAMILIES  # noqa: E402

suite = Suite("load-balancer")
PODS = ["a2", "b2"]


def both_protocols(web=0, dgram=0, number=80):
    return [port(number, "web", "TCP", web), port(number, "dgram", "UDP", dgram)]


TARGETS = [port(8080, "web", "TCP"), port(8080, "dgram", "UDP")]


@suite.scenario("a Service grows from ClusterIP to NodePort to LoadBalancer, changes its ports, and shrinks again")
def life(w):
    vip, lb, first, second = w.vip(), w.lb(), w.node_port(), w.node_port()
    node, pod = w.nodes["n1"], w.pods["a1"]
    w.apply(*slices("web", w.pod(*PODS), TARGETS))

    def step(ports, kind, lbs, port_number, open_node_port, closed_node_port, lb_works):
        w.apply(service("web", vip, ports, kind=kind, lb=lbs))
        for family in FAMILIES:
            for proto in ("tcp", "udp"):
                w.reaches(pod, vip[family], port_number, PODS, proto)
                if open_node_port:
                    w.reaches(w.client, node.ip[family], open_node_port, PODS, proto)
                if closed_node_port:
                    w.fails(w.client, node.ip[family], closed_node_port, None, proto)
                if lb_works:
                    w.reaches(w.client, lb[family], port_number, PODS, proto)
                else:
                    w.untouched(w.client, lb[family], port_number, proto)

    addresses = list(lb.values())
    step(both_protocols(), "ClusterIP", [], 80, 0, first, False)
    step(both_protocols(first, first), "NodePort", [], 80, first, second, False)
    step(both_protocols(first, first), "LoadBalancer", addresses, 80, first, second, True)
    step(both_protocols(second, second, 90), "LoadBalancer", addresses, 90, second, first, True)
    for family in FAMILIES:
        w.refused(w.client, lb[family], 80)
        w.refused(pod, vip[family], 80)
    step(both_protocols(), "ClusterIP", [], 80, 0, second, False)


@suite.scenario("a LoadBalancer without a NodePort is served at its address, from inside and outside")
def no_node_port(w):
    lb = w.lb()
    w.web("web", w.vip(), w.pod(*PODS), kind="LoadBalancer", lb=lb.values(), allocateLoadBalancerNodePorts=False)
    for via in w.nodes:
        w.lab.route_vips(via)
        for family in FAMILIES:
            w.reaches(w.client, lb[family], 80, PODS)
    for who in w.insiders:
        for family in FAMILIES:
            w.reaches(who, lb[family], 80, PODS)


@suite.scenario("an ingress address is intercepted when its mode is VIP or absent, not when it is Proxy or a name")
def ip_mode(w):
    vip, lb = w.vip(), w.lb()

    def ingress(**more):
        w.apply(service("web", vip, [port(80)], kind="LoadBalancer", lb=[{"ip": lb[f]} | more for f in FAMILIES]))

    w.apply(*slices("web", w.pod(*PODS), [port(8080)]))
    ingress()
    for who in (*w.insiders, w.client):
        w.reaches(who, lb[4], 80, PODS)
    ingress(ipMode="Proxy")
    for who in (*w.insiders, w.client):
        for family in FAMILIES:
            w.untouched(who, lb[family], 80)
    ingress(ipMode="VIP")
    for who in (*w.insiders, w.client):
        for family in FAMILIES:
            w.reaches(who, lb[family], 80, PODS)
    w.apply(service("web", vip, [port(80)], kind="LoadBalancer", lb=[{"hostname": "lb.example.com"}]))
    for who in (*w.insiders, w.client):
        for family in FAMILIES:
            w.untouched(who, lb[family], 80)
            if who.node:
                w.reaches(who, vip[family], 80, PODS)


@suite.scenario("two Services share one address, and a listener of the node on a third port is not reached")
def shared_address(w):
    lb = w.lb()
    w.web("one", w.vip(), w.pod("a2"), kind="LoadBalancer", lb=lb.values())
    w.apply(service("two", w.vip(), [port(81)], kind="LoadBalancer", lb=lb.values()),
            *slices("two", w.pod("b2"), [port(8080)]))
    for who in (*w.insiders, w.client):
        for family in FAMILIES:
            w.reaches(who, lb[family], 80, ["a2"])
            w.reaches(who, lb[family], 81, ["b2"])
            w.refused(who, lb[family], 7000)
            w.refused(who, lb[family], 7000, "udp")


@suite.scenario("a Service without endpoints is refused on each of its addresses, over TCP and UDP")
def scaled_to_zero(w):
    vip, lb, external, number = w.vip(), w.lb(), w.external(), w.node_port()
    w.apply(service("web", vip, both_protocols(number, number), kind="LoadBalancer", lb=lb.values(),
                    externalIPs=list(external.values())), *slices("web", w.pod(*PODS), TARGETS))
    for family in FAMILIES:
        w.reaches(w.client, lb[family], 80, PODS)
    w.apply(*slices("web", [], TARGETS))
    for family in FAMILIES:
        for proto in ("tcp", "udp"):
            for who in (*w.insiders, w.client):
                w.refused(who, lb[family], 80, proto)
                w.refused(who, external[family], 80, proto)
                for node in w.nodes.values():
                    w.refused(who, node.ip[family], number, proto)
            for who in w.insiders:
                w.refused(who, vip[family], 80, proto)


@suite.scenario("external IPs are served by default, and pass untouched when switched off")
def external_ips(w):
    external = w.external()
    w.web("web", w.vip(), w.pod(*PODS), externalIPs=list(external.values()))
    for who in (*w.insiders, w.client):
        for family in FAMILIES:
            w.reaches(who, external[family], 80, PODS)
    w.start_agents("--external-ips", "off")
    for who in (*w.insiders, w.client):
        for family in FAMILIES:
            w.untouched(who, external[family], 80)
    w.start_agents("--external-ips", "198.51.100.0/24")
    for who in (*w.insiders, w.client):
        w.reaches(who, external[4], 80, PODS)
        w.untouched(who, external[6], 80)


def waiting(agent):
    """Address -> Services that want what another one owns there."""
    return {row["frontend"].rpartition(":")[0].strip("[]"): row["shadowed"]
            for row in agent.table("services") if row["shadowed"] and row["name"] == "older"}


@suite.scenario("of two Services that claim one address and port the older has it, and the younger when it goes")
def contested(w):
    lb = w.lb()
    younger = w.web("younger", w.vip(), w.pod("a2"), kind="LoadBalancer", lb=lb.values(),
                    meta={"creationTimestamp": "2024-02-01T00:00:00Z"})
    w.reaches(w.client, lb[4], 80, ["a2"])
    older = w.web("older", w.vip(), w.pod("b2"), kind="LoadBalancer", lb=lb.values(),
                  meta={"creationTimestamp": "2024-01-01T00:00:00Z"})
    for family in FAMILIES:
        w.reaches(w.client, lb[family], 80, ["b2"])
    w.logged("n1", "test/younger", lb[4])
    for agent in w.lab.agents.values():  # one address after the other may be settled
        w.holds(lambda: "" if waiting(agent) == {lb[4]: ["test/younger"], lb[6]: ["test/younger"]} else
                str(waiting(agent)), f"naructl on {agent.place.name} shows who waits")
    w.remove(*older)
    for family in FAMILIES:
        w.reaches(w.client, lb[family], 80, ["a2"])
    w.holds(lambda: str(waiting(w.lab.agents["n1"]) or ""), "nobody waits any more")
    w.apply(*older)
    w.reaches(w.client, lb[4], 80, ["b2"])
    w.remove(*younger)
    w.reaches(w.client, lb[4], 80, ["b2"])


@suite.scenario("only clients inside loadBalancerSourceRanges reach a load-balancer address, and ranges change live")
def source_ranges(w):
    vip, lb = w.vip(), w.lb()
    number = w.node_port()
    inside, outside = w.pods["a1"], w.pods["a3"]

    def admit(*ranges):
        w.web("web", vip, w.pod(*PODS), kind="LoadBalancer", lb=lb.values(), node_port=number,
              loadBalancerSourceRanges=list(ranges))

    def only(*admitted):
        for who in (inside, outside, w.client):
            for family in FAMILIES:
                if who in admitted:
                    w.reaches(who, lb[family], 80, PODS)
                else:
                    w.fails(who, lb[family], 80, {"timeout", "EHOSTUNREACH"})

    flows = []

    def open_flows(who):
        for family in FAMILIES:
            flows.append((who, who.open(lb[family], 80)))
            assert flows[-1][1].say().pod in PODS, who.name

    admit(f" {inside.ip[4]}/32 ", f"{inside.ip[6]}/128")
    only(inside)
    open_flows(inside)
    admit("172.18.0.96/28", "fd00:172:18::100/120")
    only(w.client)
    open_flows(w.client)
    w.reaches(w.client, w.nodes["n1"].ip[4], number, PODS)
    admit(f"{outside.ip[4]}/32", f"{outside.ip[6]}/128")
    only(outside)
    for who, flow in flows:  # they began while they were admitted
        answer = flow.say("still there")
        assert answer.pod in PODS, f"{who.name}: {answer}"
        flow.close()
    admit()
    only(inside, outside, w.client)


if __name__ == "__main__":
    suite.main()
