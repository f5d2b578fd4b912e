"""Services whose slices the endpoint slice controller makes from Pods."""

import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[1]), str(Path(__file__).resolve().parent)]

from cluster.store import CORE  # noqa: E402
from cluster.suite import Suite  # noqa: E402
from cluster.world import to  # noqa: E402
from lab.check import PACKETS, SOCKETS  # noqa: E402
from lab.objects import port, service, slices  # noqa: E402
from lab.world import FAMILIES  # noqa: E402

suite = Suite("services")


@suite.scenario("a Service follows its Pods from none to two and back to none")
def follows(w):
    vip = w.vip()
    w.choose("follows", vip)
    for start, end, expected in (((), (), []), (("a2",), (), ["a2"]), (("b2",), (), ["a2", "b2"]),
                                 ((), ("a2",), ["b2"]), ((), ("b2",), [])):
        w.run(*start)
        w.end(*end)
        for who in w.insiders:
            for family in FAMILIES:
                if expected:
                    w.reaches(who, vip[family], 80, expected)
                else:
                    w.refused(who, vip[family], 80)


@suite.scenario("ports are added, removed and renamed, and each reaches the targets of its own name")
def ports(w):
    vip = w.vip()
    w.run("a2", "b2", ports=[("web", 8080)])
    w.run("a3", app="web", ports=[("web", 8081)])
    made = w.choose("ports", vip, [to(80, "web", "first"), to(81, 8081, "second")])

    def served(number, *targets):
        """(pod, port it was reached on) of each answer."""
        for who in w.pod("a1", "b1"):
            for family in FAMILIES:
                def look():
                    answers = who.fetch(vip[family], number, count=40)
                    seen = {(str(answer), answer.port) for answer in answers}
                    return "" if seen == set(targets) else f"{sorted(seen)}, wanted {sorted(targets)}"
                w.holds(look, f"{who.name} -> {vip[family]} port {number}")

    by_name = ("a2", 8080), ("b2", 8080), ("a3", 8081)
    by_number = ("a2", 8081), ("b2", 8081), ("a3", 8081)
    served(80, *by_name)
    served(81, *by_number)
    w.change(made, ports=[to(81, 8081, "second"), to(82, "web", "third")])
    served(82, *by_name)
    served(81, *by_number)
    for family in FAMILIES:
        w.refused(w.pods["a1"], vip[family], 80)
    w.change(made, ports=[to(81, "web", "renamed"), to(82, 8081, "third")])
    served(81, *by_name)
    served(82, *by_number)


@suite.scenario("one port number on TCP and UDP: UDP is taken away, then TCP turns into UDP")
def protocols(w):
    vip = w.vip()
    w.run("a2", "b2")
    tcp, udp = to(80, 8080, "web", "TCP"), to(80, 8080, "dgram", "UDP")
    made = w.choose("protocols", vip, [tcp, udp])
    for wanted in ((tcp, udp), (tcp,), (udp,)):
        w.change(made, ports=list(wanted))
        for who in w.pod("a1", "b1"):
            for family in FAMILIES:
                for row in (tcp, udp):
                    proto = row["protocol"].lower()
                    if row in wanted:
                        w.reaches(who, vip[family], 80, ["a2", "b2"], proto)
                    else:
                        w.refused(who, vip[family], 80, proto)


@suite.scenario("an address that is freed and given to another Service reaches only that one's Pods")
def freed_address(w):
    vips = [w.vip() for _ in range(3)]
    w.run("a2", app="one")
    w.run("b2", app="two")
    w.run("a3", app="three")
    w.run("b3", app="four")
    made = [w.choose(app, vip, app=app) for app, vip in zip(("one", "two", "three"), vips)]
    for family in FAMILIES:
        w.reaches(w.pods["a1"], vips[1][family], 80, ["b2"])
    w.remove(made[1])
    w.choose("four", vips[1], app="four")
    for who in w.pod("a1", "b1"):
        for family in FAMILIES:
            w.reaches(who, vips[1][family], 80, ["b3"])
            w.reaches(who, vips[0][family], 80, ["a2"])
            w.reaches(who, vips[2][family], 80, ["a3"])


@suite.scenario("a Service deleted and made again under its name answers at the new address, and not at the old one")
def made_again(w):
    old, new = w.vip(), w.vip()
    w.run("a2", "b2")
    made = w.choose("again", old)
    for who in w.insiders:
        w.reaches(who, old[4], 80, ["a2", "b2"])
    w.remove(made)
    w.choose("again", new)
    for who in w.insiders:
        for family in FAMILIES:
            w.reaches(who, new[family], 80, ["a2", "b2"])
            w.untouched(who, old[family], 80)


@suite.scenario("a Pod reaches itself through its own Service, alone and among others, and a Pod in the host's network")
def itself(w):
    alone, among, host = w.vip(), w.vip(), w.vip()
    w.run("a1", app="web")
    w.choose("alone", alone)
    w.run("n1", "n2", app="host", on_host=True)
    w.choose("host", host, [to(80, 7000)], app="host")
    for family in FAMILIES:
        w.reaches(w.pods["a1"], alone[family], 80, ["a1"])
        for who in w.insiders:
            w.reaches(who, host[family], 80, ["n1", "n2"])
    w.run("b2")
    w.choose("among", among)
    for family in FAMILIES:
        w.reaches(w.pods["a1"], among[family], 80, ["a1", "b2"])


@suite.scenario("a Service gains and loses its second family, whichever that is, and both reach the Pods")
def families(w):
    w.run("a2", "b2")
    for first in FAMILIES:
        vip = w.vip()
        second = 10 - first
        made = w.choose(f"family-{first}", {first: vip[first]})
        for who in w.pod("a1", "b1"):
            w.reaches(who, vip[first], 80, ["a2", "b2"])
            w.untouched(who, vip[second], 80)
        both = [vip[first], vip[second]]
        w.change(made, ipFamilyPolicy="RequireDualStack", ipFamilies=[f"IPv{first}", f"IPv{second}"], clusterIPs=both)
        for who in w.pod("a1", "b1"):
            for address in both:
                w.reaches(who, address, 80, ["a2", "b2"])
        w.change(made, ipFamilyPolicy="SingleStack", ipFamilies=[f"IPv{first}"], clusterIPs=both[:1])
        for who in w.pod("a1", "b1"):
            w.untouched(who, vip[second], 80)
            w.reaches(who, vip[first], 80, ["a2", "b2"])


@suite.scenario("datagrams too large for one packet arrive whole, by each kind of address", paths=(SOCKETS,))
def large_datagrams(w):
    vip, lb, external, number = w.vip(), w.lb(), w.external(), w.node_port()
    w.run("a2", "b2")
    w.choose("large", vip, [to(80, 8080, proto="UDP", node_port=number)], kind="LoadBalancer", lb=lb.values(),
             externalIPs=list(external.values()))
    for who in w.insiders:
        for family in FAMILIES:
            for address, to_port in ((vip[family], 80), (w.nodes[who.node or who.name].ip[family], number),
                                     (lb[family], 80), (external[family], 80)):
                w.reaches(who, address, to_port, ["a2", "b2"], "udp")
                for size in (2000, 60_000):
                    flow = who.open(address, to_port, "udp")
                    answer = flow.say("x", times=size)
                    flow.close()
                    assert answer.size == size, f"{who.name} -> {address}: {answer}, {answer.size} of {size} bytes"


@suite.scenario("addresses of a second Service range are served like those of the first", paths=(PACKETS,))
def second_range(w):
    path = "/apis/networking.k8s.io/v1/servicecidrs"
    w.api.create(path, {"metadata": {"name": "second"}, "spec": {"cidrs": ["10.97.0.0/24", "fd97::/112"]}})
    try:
        w.holds(lambda: "" if w.api.get(f"{path}/second").get("status") else "no status yet", "the second range")
        w.run("a2", "b2")
        made = w.choose("second-range", {4: "10.97.0.10", 6: "fd97::10"})
        for who in w.pod("a1", "b1"):
            w.reaches(who, "10.97.0.10", 80, ["a2", "b2"])
            w.reaches(who, "fd97::10", 80, ["a2", "b2"])
        w.remove(made)
    finally:
        w.api.delete(f"{path}/second")


@suite.scenario("hand-written slices and mirrored Endpoints serve Services without a selector")
def without_selector(w):
    sliced, mirrored = w.vip(), w.vip()
    w.apply(service("sliced", sliced, [port(80)]), *slices("sliced", w.pod("a2", "b2"), [port(8080)]),
            service("mirrored", {4: mirrored[4]}, [port(80)]),
            {"apiVersion": "v1", "kind": "Endpoints", "metadata": {"name": "mirrored", "namespace": "test"},
             "subsets": [{"addresses": [{"ip": w.pods["b3"].ip[4]}], "ports": [{"port": 8080}]}]})
    for who in w.insiders:
        w.reaches(who, mirrored[4], 80, ["b3"])
        for family in FAMILIES:
            w.reaches(who, sliced[family], 80, ["a2", "b2"])


@suite.scenario("a port for SCTP is served, loads no module of the kernel and harms no other port", paths=(PACKETS,))
def sctp(w):
    def known():
        return "SCTP" in Path("/proc/net/protocols").read_text()

    before, vip = known(), w.vip()
    w.run("a2")
    w.choose("sctp", vip, [to(80, 8080, "web"), to(80, 8080, "other", "SCTP")])
    for family in FAMILIES:
        w.reaches(w.pods["b1"], vip[family], 80, ["a2"])
    wanted = {f"{vip[4]}:80": [f"{w.pods['a2'].ip[4]}:8080"], f"[{vip[6]}]:80": [f"[{w.pods['a2'].ip[6]}]:8080"]}
    for agent in w.lab.agents.values():
        def rows(agent=agent):
            found = {row["frontend"]: row["backends"] for row in agent.table("services") if row["protocol"] == "SCTP"}
            return "" if found == wanted else f"{found}, wanted {wanted}"
        w.holds(rows, f"rows for SCTP on {agent.place.name}")
    assert known() == before, "the kernel knows SCTP now"


@suite.scenario("the Service of the API server itself is reached from Pods and nodes")
def api_server(w):
    for who in w.insiders:
        flow = who.open("10.96.0.1", 443)
        assert not flow.error, f"{who.name} -> the API server at 10.96.0.1 port 443: {flow.error}"
        flow.close()
    ranges = w.api.get(f"{CORE}/namespaces/default/services/kubernetes")["spec"]["clusterIPs"]
    assert "10.96.0.1" in ranges, f"the Service has {ranges}"


if __name__ == "__main__":
    suite.main()
