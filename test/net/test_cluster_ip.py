"""ClusterIP: who is reached, on which port, and which client the server sees."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from lab.check import PACKETS, SOCKETS, Suite  # noqa: E402
from lab.objects import port, service, slices  # noqa: E402
from lab.world import FAMILIES  # noqa: E402

suite = Suite("cluster-ip")


@suite.scenario("a Service follows its endpoints from none to two and back to none")
def follows(w):
    vip = w.vip()
    w.web("web", vip, [])
    for pods in ([], ["a2"], ["a2", "b2"], ["b2"], []):
        w.apply(*slices("web", w.pod(*pods), [port(8080)]))
        for who in w.insiders:
            for family in FAMILIES:
                if pods:
                    w.reaches(who, vip[family], 80, pods)
                else:
                    w.refused(who, vip[family], 80)


@suite.scenario("each named port reaches the endpoints of that port only, while ports come and go")
def named_ports(w):
    vip = w.vip()
    first, second, third = port(80, "first"), port(81, "second"), port(82, "third")

    def slices_of(name, target, pods):
        return slices("web", w.pod(*pods), [port(target, name)], suffix=f"-{name}")

    w.apply(service("web", vip, [first, second]), *slices_of("first", 8080, ["a2"]),
            *slices_of("second", 8081, ["b2"]), *slices_of("third", 8080, ["a3"]))
    for who in w.insiders:
        for family in FAMILIES:
            w.reaches(who, vip[family], 80, ["a2"])
            w.reaches(who, vip[family], 81, ["b2"])
    w.apply(service("web", vip, [second, third]))
    for who in w.insiders:
        for family in FAMILIES:
            w.reaches(who, vip[family], 82, ["a3"])
            w.refused(who, vip[family], 80)
            w.reaches(who, vip[family], 81, ["b2"])


@suite.scenario("a new Service on the address of a deleted one reaches only its own endpoints, others are untouched")
def reused_address(w):
    vips = [w.vip() for _ in range(3)]
    webs = [w.web(f"web{index}", vip, w.pod(pod)) for index, (vip, pod) in enumerate(zip(vips, ("a2", "b2", "a3")))]
    who = w.pods["a1"]
    for family in FAMILIES:
        w.reaches(who, vips[1][family], 80, ["b2"])
    w.remove(*webs[1])
    for family in FAMILIES:
        w.fails(who, vips[1][family], 80)
    w.web("web4", vips[1], w.pod("b3"))
    for family in FAMILIES:
        w.reaches(who, vips[1][family], 80, ["b3"])
        w.reaches(who, vips[0][family], 80, ["a2"])
        w.reaches(who, vips[2][family], 80, ["a3"])


@suite.scenario("a Service that is made anew under its name with another address answers there and not at the old one")
def new_address(w):
    old, new = w.vip(), w.vip()
    made = w.web("web", old, w.pod("a2", "b2"), uid="first")
    for family in FAMILIES:
        w.reaches(w.pods["b1"], old[family], 80, ["a2", "b2"])
    w.remove(*made)
    w.web("web", new, w.pod("a2", "b2"), uid="second")
    for who in w.insiders:
        for family in FAMILIES:
            w.reaches(who, new[family], 80, ["a2", "b2"])
            w.untouched(who, old[family], 80)


@suite.scenario("one port number serves TCP and UDP independently, and may change its protocol")
def two_protocols(w):
    vip = w.vip()
    tcp, udp = port(80, "web", "TCP"), port(80, "dgram", "UDP")
    targets = [port(8080, "web", "TCP"), port(8081, "dgram", "UDP")]
    w.apply(service("web", vip, [tcp, udp]), *slices("web", w.pod("a2", "b2"), targets))
    for who in w.insiders:
        for family in FAMILIES:
            w.reaches(who, vip[family], 80, ["a2", "b2"])
            w.reaches(who, vip[family], 80, ["a2", "b2"], "udp")
    w.apply(service("web", vip, [tcp]))
    for family in FAMILIES:
        w.refused(w.pods["a1"], vip[family], 80, "udp")
        w.reaches(w.pods["a1"], vip[family], 80, ["a2", "b2"])
    w.apply(service("web", vip, [udp]))
    for family in FAMILIES:
        w.refused(w.pods["a1"], vip[family], 80, "tcp")
        w.reaches(w.pods["a1"], vip[family], 80, ["a2", "b2"], "udp")


@suite.scenario("each endpoint is reached on its own target port")
def own_target(w):
    vip = w.vip()
    w.apply(service("web", vip, [port(80)]), *slices("web", w.pod("a2"), [port(8080)], suffix="-one"),
            *slices("web", w.pod("b2"), [port(8081)], suffix="-two"))
    for who in w.insiders:
        for family in FAMILIES:
            w.reaches(who, vip[family], 80, ["a2", "b2"])
            ports = {(answer.pod, answer.port) for answer in who.fetch(vip[family], 80, count=40)}
            assert ports == {("a2", 8080), ("b2", 8081)}, ports


@suite.scenario("servers of both nodes see the pod that calls, or the node whose process does")
def pod_address(w):
    vip, udp = w.vip(), w.vip()
    w.web("web", vip, w.pod("a2", "b2"))
    w.web("dgram", udp, w.pod("a2", "b2"), proto="UDP")
    for who in w.insiders:
        for family in FAMILIES:
            seen = w.seen(who, family)
            w.reaches(who, vip[family], 80, ["a2", "b2"], sees=seen)
            w.reaches(who, udp[family], 80, ["a2", "b2"], "udp", sees=seen)
            w.reaches(who, udp[family], 80, ["a2", "b2"], "udp", sees=seen, connected=False)


@suite.scenario("with --socket-lb host processes of a node are served by their sockets, and pods packet by packet",
                paths=(SOCKETS,))
def host_only(w):
    vip = w.vip()
    w.web("web", vip, w.pod("a2", "b2"))

    def tracked(who, family):
        """Whether the packets of a flow of this client were translated."""
        w.reaches(who, vip[family], 80, ["a2", "b2"], sees=w.seen(who, family))
        flow = who.open(vip[family], 80)
        assert flow.say().pod in ("a2", "b2"), who.name
        rows = w.lab.agents[who.node or who.name].table("ct")
        flow.close()
        ends = {(f"{ip}:" if family == 4 else f"[{ip}]:") + str(flow.source_port) for ip in w.seen(who, family)}
        return any(row["client"] in ends and row["name"] == "web" for row in rows)

    for scope in ("all", "host"):
        w.start_agents(*(("--socket-lb", scope) if scope == "host" else ()))
        for who in w.insiders:
            for family in FAMILIES:
                by_packet = scope == "host" and who.name in w.pods
                assert tracked(who, family) == by_packet, f"{who.name}, --socket-lb {scope}, IPv{family}"


@suite.scenario("a large transfer arrives whole in both directions, from a neighbour and from the other node")
def bulk(w):
    for target in ("a2", "b2"):
        vip = w.vip()
        w.web(f"web-{target}", vip, w.pod(target))
        for who in w.pod("a1", "b1"):
            for family in FAMILIES:
                w.reaches(who, vip[family], 80, [target])
                flow = who.open(vip[family], 80)
                answer = flow.say("0123456789", times=100_000)
                flow.close()
                assert answer.size == 1_000_000, f"{who.name} -> {target}, IPv{family}: {answer} {answer.size}"


@suite.scenario("a pod reaches itself through its own Service, alone and among others")
def hairpin(w):
    alone, among, udp = w.vip(), w.vip(), w.vip()
    for who in w.pod("a1", "b1"):
        w.web("alone", alone, [who])
        w.web("udp", udp, [who], proto="UDP")
        w.web("among", among, w.pod("a1", "b1", "a2"))
        for family in FAMILIES:
            w.reaches(who, alone[family], 80, [who])
            w.reaches(who, udp[family], 80, [who], "udp")
            w.reaches(who, among[family], 80, ["a1", "b1", "a2"])


@suite.scenario("a pod that reaches itself over the packet path is not seen under its own address", paths=(PACKETS,))
def hairpin_source(w):
    for who in w.pod("a1", "b1"):
        vip = w.vip()
        w.web(f"web-{who.name}", vip, [who])
        for family in FAMILIES:
            w.reaches(who, vip[family], 80, [who])
            seen = {answer.client for answer in who.fetch(vip[family], 80, count=4)}
            assert who.ip[family] not in seen, seen
            flow = who.open(vip[family], 80)
            answer = flow.say("0123456789", times=20_000)
            flow.close()
            assert answer.size == 200_000, f"{who.name}, IPv{family}: {answer} {answer.size}"


@suite.scenario("an address of one family has endpoints of that family only, whichever comes first")
def dual_stack(w):
    vip = w.vip()
    for ips in (vip, {6: vip[6], 4: vip[4]}):
        w.apply(service("web", ips, [port(80)]), *slices("web", w.pod("a2"), [port(8080)], families=(4,)),
                *slices("web", w.pod("b2"), [port(8080)], families=(6,)))
        for who in w.insiders:
            w.reaches(who, vip[4], 80, ["a2"])
            w.reaches(who, vip[6], 80, ["b2"])


@suite.scenario("a Service of one family leaves the other family alone")
def single_stack(w):
    vip = w.vip()
    w.apply(service("web", {6: vip[6]}, [port(80)]), *slices("web", w.pod("a2"), [port(8080)]))
    w.reaches(w.pods["b1"], vip[6], 80, ["a2"])
    w.untouched(w.pods["b1"], vip[4], 80)


@suite.scenario("a port that a known address does not serve is refused, over TCP and UDP")
def unserved_port(w):
    vip = w.vip()
    w.web("web", vip, w.pod("a2"))
    for who in w.insiders:
        for family in FAMILIES:
            w.reaches(who, vip[family], 80, ["a2"])
            w.refused(who, vip[family], 7000)
            w.refused(who, vip[family], 7000, "udp")


@suite.scenario("plain traffic between pods, nodes and the client is left alone")
def plain(w):
    vip = w.vip()
    w.web("web", vip, w.pod("a2", "b2"))
    w.reaches(w.pods["a1"], vip[4], 80, ["a2", "b2"])
    for who in (*w.pod("a1", "b1"), w.client):
        for target in w.pod("a2", "b2"):
            for family in FAMILIES:
                for proto in ("tcp", "udp"):
                    w.reaches(who, target.ip[family], 8080, [target], proto, sees={who.ip[family]})


@suite.scenario("a v4-mapped IPv6 socket reaches the IPv4 Service", paths=(SOCKETS,))
def mapped(w):
    vip = w.vip()
    w.web("web", vip, w.pod("a2"))
    w.reaches(w.pods["b1"], vip[4], 80, ["a2"])
    answers = w.pods["b1"].fetch(f"::ffff:{vip[4]}", 80, count=3)
    assert {str(answer) for answer in answers} == {"a2"}, answers
    assert {answer.peer for answer in answers} == {f"::ffff:{vip[4]}"}, answers


if __name__ == "__main__":
    suite.main()
