"""NodePorts: which addresses answer, for whom; endpoints and clients in the network of a node."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from lab.check import SOCKETS, Suite  # noqa: E402
from lab.objects import port, service, slices  # noqa: E402
from lab.system import ip  # noqa: E402
from lab.world import FAMILIES  # noqa: E402

suite = Suite("node-port")


@suite.scenario("a NodePort answers on both nodes, to pods, nodes and the outside, over TCP and UDP")
def everywhere(w):
    vip, number = w.vip(), w.node_port()
    ports = [port(80, "web", "TCP", number), port(80, "dgram", "UDP", number)]
    w.apply(service("web", vip, ports, kind="NodePort"),
            *slices("web", w.pod("a2", "b2"), [port(8080, "web", "TCP"), port(8080, "dgram", "UDP")]))
    for who in (*w.insiders, w.client):
        for node in w.nodes.values():
            for family in FAMILIES:
                for proto in ("tcp", "udp"):
                    w.reaches(who, node.ip[family], number, ["a2", "b2"], proto)
    for who in w.insiders:
        for family in FAMILIES:
            w.reaches(who, vip[family], 80, ["a2", "b2"])


@suite.scenario("a server of the node that was asked may see the outside client, one of the other node sees the node")
def source(w):
    number = w.node_port()
    w.web("web", w.vip(), w.pod("a2", "b2"), node_port=number, kind="NodePort")
    for name, node in w.nodes.items():
        for family in FAMILIES:
            near, far = {w.client.ip[family], node.ip[family]}, {node.ip[family]}
            w.reaches(w.client, node.ip[family], number, ["a2", "b2"],
                      sees=lambda pod, name=name, near=near, far=far: near if w.node_of(pod) == name else far)


@suite.scenario("a large transfer through a NodePort arrives whole, by the node asked and by the other")
def bulk(w):
    for target in ("a2", "b2"):
        number = w.node_port()
        w.web(f"web-{target}", w.vip(), w.pod(target), node_port=number, kind="NodePort")
        for node in w.nodes.values():
            for family in FAMILIES:
                w.reaches(w.client, node.ip[family], number, [target])
                flow = w.client.open(node.ip[family], number)
                answer = flow.say("0123456789", times=100_000)
                flow.close()
                assert answer.size == 1_000_000, f"{node.name} -> {target}, IPv{family}: {answer} {answer.size}"


@suite.scenario("one Service port of each protocol has a NodePort of its own")
def two_protocols(w):
    vip, tcp, udp = w.vip(), w.node_port(), w.node_port()
    w.apply(service("web", vip, [port(80, "web", "TCP", tcp), port(80, "dgram", "UDP", udp)], kind="NodePort"),
            *slices("web", w.pod("a2"), [port(8080, "web", "TCP")], suffix="-tcp"),
            *slices("web", w.pod("b2"), [port(8080, "dgram", "UDP")], suffix="-udp"))
    for family in FAMILIES:
        address = w.nodes["n2"].ip[family]
        w.reaches(w.client, address, tcp, ["a2"], "tcp")
        w.reaches(w.client, address, udp, ["b2"], "udp")
        w.refused(w.client, address, udp, "tcp")
        w.refused(w.client, address, tcp, "udp")


@suite.scenario("a NodePort that changes its number or goes answers no more, and nothing listens on the node")
def number_changes(w):
    vip, old, new = w.vip(), w.node_port(), w.node_port()
    w.web("web", vip, w.pod("a2", "b2"), node_port=old, kind="NodePort")
    for family in FAMILIES:
        w.reaches(w.client, w.nodes["n1"].ip[family], old, ["a2", "b2"])
    w.web("web", vip, w.pod("a2", "b2"), node_port=new, kind="NodePort")
    for family in FAMILIES:
        w.reaches(w.client, w.nodes["n1"].ip[family], new, ["a2", "b2"])
        w.refused(w.client, w.nodes["n1"].ip[family], old)
    w.web("web", vip, w.pod("a2", "b2"))
    for who in (*w.insiders, w.client):
        for family in FAMILIES:
            w.refused(who, w.nodes["n1"].ip[family], new)


@suite.scenario("a node's other ports are the node's own")
def own_ports(w):
    number = w.node_port()
    w.web("web", w.vip(), w.pod("a2"), node_port=number, kind="NodePort")
    for family in FAMILIES:
        w.reaches(w.client, w.nodes["n1"].ip[family], number, ["a2"])
        for who in (*w.pod("a1", "b1"), w.client):
            for proto in ("tcp", "udp"):
                w.reaches(who, w.nodes["n1"].ip[family], 7000, ["n1"], proto, sees={who.ip[family]})


@suite.scenario("an answer to what a node sent from the number of a NodePort is the node's, by TCP and UDP")
def own_source_port(w):
    number = w.node_port()
    ports = [port(80, "web", "TCP", number), port(80, "dgram", "UDP", number)]
    w.apply(service("web", w.vip(), ports, kind="NodePort"),
            *slices("web", w.pod("a2"), [port(8080, "web", "TCP"), port(8080, "dgram", "UDP")]))
    w.client.serve("9000/tcp", "9000/udp")
    node = w.nodes["n1"]
    for family in FAMILIES:
        for proto in ("tcp", "udp"):
            w.reaches(w.client, node.ip[family], number, ["a2"], proto)
            for who in (w.client, *w.pod("a1")):
                target = 9000 if who is w.client else 8080
                w.reaches(node, who.ip[family], target, [who], proto, count=1, source_port=number)
            w.reaches(w.client, node.ip[family], number, ["a2"], proto)


@suite.scenario("servers in the network of a node are endpoints like others, from inside and outside, by each address")
def host_endpoints(w):
    vip, lb, external, number = w.vip(), w.lb(), w.external(), w.node_port()
    ports = [port(80, "web", "TCP", number), port(80, "dgram", "UDP", number)]
    w.apply(service("web", vip, ports, kind="LoadBalancer", lb=lb.values(), externalIPs=list(external.values())),
            *slices("web", w.nodes.values(), [port(7000, "web", "TCP"), port(7000, "dgram", "UDP")]))
    for family in FAMILIES:
        of_both = [(lb[family], 80), (external[family], 80), *((node.ip[family], number) for node in w.nodes.values())]
        for proto in ("tcp", "udp"):
            for who in w.insiders:
                for address, to in [(vip[family], 80), *of_both]:
                    w.reaches(who, address, to, ["n1", "n2"], proto)
            for address, to in of_both:
                w.reaches(w.client, address, to, ["n1", "n2"], proto)


@suite.scenario("only the addresses selected by --nodeport-addresses answer, those that appear later too")
def selected(w):
    number = w.node_port()
    node = w.nodes["n1"]
    extra = {4: "172.18.0.51", 6: "fd00:172:18::51"}
    made = w.web("web", w.vip(), w.pod("a2", "b2"), node_port=number, kind="NodePort")
    for family in FAMILIES:
        w.reaches(w.client, node.ip[family], number, ["a2", "b2"])
    ip("-n", node.netns, "addr", "add", f"{extra[4]}/24", "dev", "eth0")
    ip("-n", node.netns, "addr", "add", f"{extra[6]}/64", "dev", "eth0", "nodad")
    try:
        for family in FAMILIES:
            w.refused(w.client, extra[family], number)
        w.start_agents("--nodeport-addresses", "172.18.0.48/28,fd00:172:18::50/124")
        for family in FAMILIES:
            w.reaches(w.client, extra[family], number, ["a2", "b2"])
            w.refused(w.client, node.ip[family], number)
        w.start_agents("--nodeport-addresses", "all")
        for family in FAMILIES:
            w.reaches(w.client, extra[family], number, ["a2", "b2"])
            w.reaches(w.client, node.ip[family], number, ["a2", "b2"])
        for family in FAMILIES:
            ip("-n", node.netns, "addr", "del", f"{extra[family]}/{24 if family == 4 else 64}", "dev", "eth0")
            w.fails(w.client, extra[family], number)
        ip("-n", node.netns, "addr", "add", f"{extra[4]}/24", "dev", "eth0")
        w.reaches(w.client, extra[4], number, ["a2", "b2"])
    finally:
        w.remove(*made)
        for family, length in ((4, 24), (6, 64)):
            try:
                ip("-n", node.netns, "addr", "del", f"{extra[family]}/{length}", "dev", "eth0")
            except RuntimeError:
                pass  # gone already


@suite.scenario("with localhost selected a process of the node reaches all endpoints by 127.0.0.1 and ::1, TCP and UDP",
                paths=(SOCKETS,))
def localhost(w):
    plain, sticky = w.node_port(), w.node_port()
    targets = [port(8080, "web", "TCP"), port(8080, "dgram", "UDP")]
    for name, number, pods, affinity in (("web", plain, ("a2", "b2"), "None"),
                                         ("sticky", sticky, ("a2", "a3", "b2"), "ClientIP")):
        ports = [port(80, "web", "TCP", number), port(80, "dgram", "UDP", number)]
        w.apply(service(name, w.vip(), ports, kind="NodePort", sessionAffinity=affinity),
                *slices(name, w.pod(*pods), targets))
    w.start_agents("--nodeport-addresses", "primary,localhost")
    for node in w.nodes.values():
        for address in ("127.0.0.1", "::1"):
            for proto, connected in (("tcp", True), ("udp", True), ("udp", False)):
                w.reaches(node, address, plain, ["a2", "b2"], proto, connected=connected)
                one = {str(answer) for answer in node.fetch(address, sticky, proto, 15, connected=connected)}
                assert len(one) == 1 and one < {"a2", "a3", "b2"}, f"{node.name}, {address}, {proto}: {one}"
            flow = node.open(address, plain)
            answer = flow.say("0123456789", times=100_000)
            flow.close()
            assert answer.size == 1_000_000, f"{node.name}, {address}: {answer} {answer.size}"


@suite.scenario("a pod's own loopback addresses are never translated")
def pod_loopback(w):
    number = w.node_port()
    w.web("web", w.vip(), w.pod("a2", "b2"), node_port=number, kind="NodePort")
    w.start_agents("--nodeport-addresses", "primary,localhost")
    w.reaches(w.client, w.nodes["n1"].ip[4], number, ["a2", "b2"])
    for who in w.pod("a1", "b1"):
        for address in ("127.0.0.1", "::1"):
            w.refused(who, address, number)


if __name__ == "__main__":
    suite.main()
