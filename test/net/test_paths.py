"""Ways to a Service that no socket program sees: processes of a node, raw sockets, devices without a link layer, and
devices that come and go under traffic."""

import socket
import struct
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from lab.check import PACKETS, SOCKETS, Suite  # noqa: E402
from lab.objects import port, service, slices  # noqa: E402
from lab.raw import ACK, RST, SYN, RawClient, datagram, tcp_syn  # noqa: E402
from lab.system import ip_batch, sysctl, wait_until  # noqa: E402
from lab.wire import Wire  # noqa: E402
from lab.world import FAMILIES, SILENCE  # noqa: E402

suite = Suite("paths")
PROTOS = ("tcp", "udp")


def exposed(w, name, places, target=8080, **more):
    """One Service of all kinds, over TCP and UDP: its addresses by kind, and its NodePort."""
    vip, lb, external, number = w.vip(), w.lb(), w.external(), w.node_port()
    for proto in ("TCP", "UDP"):
        ports = [port(80, proto=proto, node_port=number)]
        w.apply(service(f"{name}-{proto.lower()}", vip, ports, kind="LoadBalancer", lb=list(lb.values()),
                        externalIPs=list(external.values()), **more),
                *slices(f"{name}-{proto.lower()}", places, [port(target, proto=proto)]))
    return [vip, lb, external], number


def strict(w, node):
    """Whatever else is tested here is tested under strict reverse path filtering."""
    sysctl(node.netns, {"ipv4/conf/all/rp_filter": 1, "ipv4/conf/eth0/rp_filter": 1, "ipv4/conf/lo/rp_filter": 1})


@suite.scenario("a process of a node reaches every kind of Service over the packet path, whatever rp_filter says",
                paths=(PACKETS,))
def host_process(w):
    places = {"pods of both nodes": w.pod("a2", "b2"), "processes of the nodes": list(w.nodes.values())}
    for index, (what, backends) in enumerate(places.items()):
        addresses, number = exposed(w, f"web{index}", backends, target=8080 if index == 0 else 7000)
        names = [backend.name for backend in backends]
        for node in w.nodes.values():
            strict(w, node)
            for family in FAMILIES:
                for proto in PROTOS:
                    for kind in addresses:
                        w.reaches(node, kind[family], 80, names, proto)
                    for at in w.nodes.values():
                        w.reaches(node, at.ip[family], number, names, proto)


@suite.scenario("a process of a node is told at once when nobody serves, and never meets a listener of its own node",
                paths=(PACKETS,))
def host_refused(w):
    vip = w.vip()
    w.web("web", vip, w.pod("a2"))
    empty, number = exposed(w, "empty", [])
    for node in w.nodes.values():
        for family in FAMILIES:
            w.reaches(node, vip[family], 80, ["a2"])
            for proto in PROTOS:
                w.refused(node, vip[family], 7000, proto)
                w.refused(node, node.ip[family], number, proto)
                for kind in empty:
                    w.refused(node, kind[family], 80, proto)


@suite.scenario("a large transfer by a process of a node arrives whole, from either node and from its own",
                paths=(PACKETS,))
def host_bulk(w):
    for name, backend, target in (("near", w.pods["a2"], 8080), ("far", w.pods["b2"], 8080),
                                  ("own", w.nodes["n1"], 7000)):
        vip = w.vip()
        w.web(name, vip, [backend], target=target)
        for family in FAMILIES:
            w.reaches(w.nodes["n1"], vip[family], 80, [backend])
            flow = w.nodes["n1"].open(vip[family], 80)
            answer = flow.say("0123456789", times=100_000)
            flow.close()
            assert answer.size == 1_000_000, f"{name}, IPv{family}: {answer} {answer.size}"


@suite.scenario("with localhost selected a process of the node reaches every endpoint by its loopback over packets",
                paths=(PACKETS,))
def host_localhost(w):
    number = w.node_port()
    w.web("web", w.vip(), w.pod("a2", "b2"), node_port=number, kind="NodePort")
    w.start_agents("--nodeport-addresses", "primary,localhost")
    for node in w.nodes.values():
        for address in ("127.0.0.1", "::1"):
            w.reaches(node, address, number, ["a2", "b2"])


@suite.scenario("a node without a route to its Services says so, and serves its processes when it has one",
                paths=(PACKETS,))
def no_route(w):
    vip, node = w.vip(), w.nodes["n1"]
    w.web("web", vip, w.pod("a2"))
    w.reaches(node, vip[4], 80, ["a2"])
    gateway = w.lab.fabric.ip
    ip_batch(node.netns, [f"route del default via {gateway[4]}", "route add 172.18.0.1/32 dev eth0"])
    try:
        w.logged("n1", "no route to", "--socket-lb off")
        assert node.fetch(vip[4], 80, timeout=SILENCE)[0].error == "ENETUNREACH"
        w.reaches(node, vip[6], 80, ["a2"])
    finally:
        ip_batch(node.netns, ["route del 172.18.0.1/32 dev eth0", f"route add default via {gateway[4]}"])
    w.reaches(node, vip[4], 80, ["a2"])


@suite.scenario("packets that a pod makes by hand are served whatever becomes of sockets")
def raw_clients(w):
    vip = w.vip()
    for proto in ("TCP", "UDP"):
        w.apply(service(f"raw-{proto.lower()}", vip, [port(80, proto=proto)]),
                *slices(f"raw-{proto.lower()}", w.pod("a2", "b2"), [port(8080, proto=proto)]))
    for who in w.pod("a1", "b1"):
        for family in FAMILIES:
            for proto in PROTOS:
                w.reaches(who, vip[family], 80, ["a2", "b2"], proto)
            with RawClient(who, family, socket.IPPROTO_TCP) as client:
                source_port = 20000 + family
                answer = client.ask(tcp_syn(client.source, vip[family], source_port, 80), vip[family], source_port)
                assert answer, f"{who.name}, IPv{family}: no answer to the SYN"
                assert answer[13] & (SYN | ACK | RST) == SYN | ACK, f"{who.name}, IPv{family}: flags {answer[13]:#x}"
                assert struct.unpack_from("!H", answer)[0] == 80
                refused = client.ask(tcp_syn(client.source, vip[family], source_port, 7000), vip[family], source_port)
                assert refused and refused[13] & RST, f"{who.name}, IPv{family}: {refused!r}"
            with RawClient(who, family, socket.IPPROTO_UDP) as client:
                segment = datagram(client.source, vip[family], 20001, 80, b"hello")
                answer = client.ask(segment, vip[family], 20001)
                assert b'"pod": "a2"' in answer or b'"pod": "b2"' in answer, f"{who.name}, IPv{family}: {answer!r}"


@suite.scenario("a client behind a device without a link layer is served, by backends here and behind other devices")
def tunnel(w):
    node, far = w.nodes["n1"], {4: "10.77.0.2", 6: "fd77::2"}
    near = {4: "10.77.0.1", 6: "fd77::1"}
    addresses, number = exposed(w, "web", w.pod("a2", "b2"))
    empty, _ = exposed(w, "empty", [])
    lengths = {4: 24, 6: 64}
    with Wire(node, w.client, "tun7"):
        for place, own in ((node, near), (w.client, far)):
            ip_batch(place.netns, ["link set tun7 up", *(f"addr add {own[f]}/{lengths[f]} dev tun7" +
                                                         (" nodad" if f == 6 else "") for f in FAMILIES)])
        # The way of the pods' answers, and the client's to what it dials here.
        ways = [f"route add {address[family]} via {near[family]}" for family in FAMILIES
                for address in (*addresses, *empty)]
        ip_batch(w.client.netns, ways)
        for family in FAMILIES:
            for proto in PROTOS:
                for kind in addresses:
                    w.reaches(w.client, kind[family], 80, ["a2", "b2"], proto)
                for kind in empty:
                    w.refused(w.client, kind[family], 80, proto)
            flow = w.client.open(addresses[0][family], 80)
            answer = flow.say("0123456789", times=20_000)
            flow.close()
            assert answer.size == 200_000, f"IPv{family}: {answer} {answer.size}"
        if not w.sockets:
            host_over_tunnel(w, node, near)


def host_over_tunnel(w, node, near):
    """Processes of the node whose way to a Service is the tunnel: nobody at its other end is asked."""
    vip = w.vip()
    w.web("host", vip, w.pod("a3", "b3"))
    ip_batch(node.netns, [f"route add {vip[family]} dev tun7" for family in FAMILIES])
    for family in FAMILIES:
        w.reaches(node, vip[family], 80, ["a3", "b3"])
        w.refused(node, vip[family], 7000)
        assert node.fetch(vip[family], 80)[0].pod in ("a3", "b3")


@suite.scenario("a pod's device that is made anew is served again within the budget, and nobody else notices")
def workload_again(w):
    vip = w.vip()
    w.web("web", vip, w.pod("a2", "b2"), proto="UDP")
    for who in w.pod("a3", "b3"):
        w.reaches(who, vip[4], 80, ["a2", "b2"], "udp")
    others = [w.pods[name].open(vip[4], 80, "udp") for name in ("a3", "b3")]
    for flow in others:
        assert not flow.say().error
        flow.stream()
    for _ in range(3):
        for name in ("a1", "b1"):
            who, node = w.pods[name], w.nodes[w.pods[name].node]
            w.reaches(who, vip[4], 80, ["a2", "b2"], "udp")
            ip_batch(node.netns, ["link del veth1"])
            wait_until(lambda who=who: who.fetch(w.pods["a2"].ip[4], 8080, timeout=0.1)[0].error, 5, "it is cut off")
            w.lab.connect_pod(who)
            for family in FAMILIES:
                w.reaches(who, vip[family], 80, ["a2", "b2"], "udp")
    for flow in others:
        tally = flow.stop()
        assert tally["sent"] - tally["answered"] <= 1 and not tally["errors"], tally
        flow.close()


@suite.scenario("an uplink that is made anew under traffic serves again within the budget, and connections go on")
def uplink_again(w):
    lb, node = w.lb(), w.nodes["n1"]
    w.apply(service("web", w.vip(), [port(80)], kind="LoadBalancer", lb=list(lb.values())),
            *slices("web", w.pod("a2", "b2"), [port(8080)]))
    flows = []
    for family in FAMILIES:
        w.reaches(w.client, lb[family], 80, ["a2", "b2"])
        flows += [w.client.open(lb[family], 80) for _ in range(4)]
    assert not any(flow.say().error for flow in flows)
    for _ in range(2):
        w.lab.renew_uplink(node)
        wait_until(lambda: not w.client.fetch(lb[4], 80, timeout=0.1)[0].error, w.budget, "the uplink serves")
        for family in FAMILIES:
            w.reaches(w.client, lb[family], 80, ["a2", "b2"])
    for flow in flows:
        assert not flow.say().error, "a connection did not outlive its uplink"
        flow.close()


if __name__ == "__main__":
    suite.main()
