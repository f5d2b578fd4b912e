"""ICMP errors about flows through frontends: both ends learn what happens to their packets on the way, as if there were
no frontend. A router beside the nodes is the way wherever a scenario says so."""

import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from lab.check import PACKETS, Suite  # noqa: E402
from lab.objects import port, service, slices  # noqa: E402
from lab.system import ip_batch, sysctl  # noqa: E402
from lab.world import FAMILIES  # noqa: E402

ROUTER = {4: "172.18.0.50", 6: "fd00:172:18::50"}
NARROW = 1400
# Errors are limited for each receiver, which here is one and the same for many tries.
ERRORS = {"ipv4/icmp_ratelimit": 0, "ipv6/icmp/ratelimit": 0, "ipv4/ping_group_range": "0 0"}
FORWARDS = {"ipv4/ip_forward": 1, "ipv6/conf/all/forwarding": 1}

suite = Suite("icmp", paths=(PACKETS,), beside={"router": ROUTER})


def prepare(w):
    """The router routes, errors are not held back, and nobody remembers what ways took before."""
    router = w.lab.beside["router"]
    for place in w.lab.places:
        sysctl(place.netns, ERRORS)
        ip_batch(place.netns, ["route flush cache"])
        subprocess.run(["ip", "-n", place.netns, "-6", "route", "flush", "cache"], check=True, capture_output=True)
    sysctl(router.netns, FORWARDS)
    ip_batch(router.netns, [f"route replace {network} via {w.nodes['n1'].ip[family]}"
                            for family, network in ((4, "192.0.2.0/24"), (6, "2001:db8::/32"))])
    return router


def by_router(w, who, target, gateway, narrow):
    """`who` reaches `target` (family -> network) by way of the router, which reaches it by `gateway` (None: directly)
    and can send no more than NARROW bytes there if `narrow`."""
    router = w.lab.beside["router"]
    ip_batch(who.netns, [f"route replace {target[family]} via {ROUTER[family]}" for family in FAMILIES])
    limit = f" mtu lock {NARROW}" if narrow else ""
    ip_batch(router.netns, [f"route replace {target[family]} " +
                            (f"via {gateway[family]}" if gateway else "dev eth0") + limit for family in FAMILIES])


def straight(w):
    """Undoes by_router() and narrow_at()."""
    client, n1, n2 = w.client, w.nodes["n1"], w.nodes["n2"]
    for place in (n1, n2, w.lab.beside["router"]):
        for family, bits in ((4, 32), (6, 128)):
            subprocess.run(["ip", "-n", place.netns, "route", "del", f"{client.ip[family]}/{bits}"],
                           capture_output=True, check=False)
    pods = w.lab.plans["n2"].pod_cidr
    for place in (n1, w.lab.beside["router"]):
        ip_batch(place.netns, [f"route replace {pods[family]} via {n2.ip[family]}" for family in FAMILIES])
    w.lab.route_vips("n1")


def hosts(place):
    return {4: f"{place.ip[4]}/32", 6: f"{place.ip[6]}/128"}


def believed(place, target):
    """What a place believes the way to an address takes."""
    told = subprocess.run(["ip", "-n", place.netns, "route", "get", target], capture_output=True, text=True, check=True)
    words = told.stdout.split()
    return int(words[words.index("mtu") + 1]) if "mtu" in words else 1500


def carries_bulk(who, address, number):
    flow = who.open(address, number, timeout=10)
    answer = flow.say("0123456789", times=20_000)
    mtu = flow.mtu()
    flow.close()
    assert answer.size == 200_000, f"{who.name} -> {address}: {answer} {answer.size}"
    return mtu


def sends_whole(w, who, address, number):
    """A socket that does not let its datagrams be cut is told their size, and then gets through."""
    flow = who.open(address, number, "udp", timeout=0.5, whole=True)

    def told():
        answer = flow.say("x", times=1450)
        return "" if answer.error == "EMSGSIZE" else f"{answer}, wanted EMSGSIZE"

    w.holds(told, f"{who.name} -> {address}: a datagram that is too big")
    mtu, fits = flow.mtu(), flow.say("x", times=1300)
    flow.close()
    assert fits.size == 1300, f"{who.name} -> {address}: {fits}"
    return mtu


def exposed(w, pod, **more):
    """A Service with every kind of address on one pod: [(client, family -> address, port)]."""
    vip, lb, number = w.vip(), w.lb(), w.node_port()
    ports = [port(80, "web", "TCP", number), port(80, "dgram", "UDP", number)]
    w.apply(service("web", vip, ports, kind="LoadBalancer", lb=list(lb.values()), **more),
            *slices("web", w.pod(pod), [port(8080, "web", "TCP"), port(8080, "dgram", "UDP")]))
    ways = [(w.client, lb, 80), (w.client, w.nodes["n1"].ip, number), (w.pods["a1"], vip, 80)]
    for who, address, dialled in ways:
        for family in FAMILIES:
            for proto in ("tcp", "udp"):
                w.reaches(who, address[family], dialled, [pod], proto, count=2)
    return ways


@suite.scenario("a narrow hop between the nodes is told to the client, outside or a pod, over TCP and UDP")
def narrow_behind(w):
    prepare(w)
    ways = exposed(w, "b2")
    by_router(w, w.nodes["n1"], w.lab.plans["n2"].pod_cidr, w.nodes["n2"].ip, narrow=True)
    try:
        for who, address, number in ways:
            for family in FAMILIES:
                assert carries_bulk(who, address[family], number) == NARROW, f"{who.name} -> {address[family]}, TCP"
                assert sends_whole(w, who, address[family], number) == NARROW, f"{who.name} -> {address[family]}, UDP"
    finally:
        straight(w)


@suite.scenario("a narrow way that begins at the node itself is told to the client by the node")
def narrow_here(w):
    prepare(w)
    ways = exposed(w, "b2")
    n1, pods = w.nodes["n1"], w.lab.plans["n2"].pod_cidr
    ip_batch(n1.netns, [f"route replace {pods[family]} via {w.nodes['n2'].ip[family]} mtu lock {NARROW}"
                        for family in FAMILIES])
    try:
        for who, address, number in ways:
            for family in FAMILIES:
                assert carries_bulk(who, address[family], number) == NARROW, f"{who.name} -> {address[family]}, TCP"
                assert sends_whole(w, who, address[family], number) == NARROW, f"{who.name} -> {address[family]}, UDP"
    finally:
        straight(w)


def answers_learn(w, pod, make_narrow):
    """The backend learns how much fits into answers to the client outside, over TCP and over UDP."""
    for proto in ("tcp", "udp"):
        for family in FAMILIES:
            prepare(w)
            ways = exposed(w, pod)
            make_narrow()
            try:
                for who, address, number in ways[:2]:
                    if proto == "tcp":
                        carries_bulk(who, address[family], number)
                    else:
                        flow = who.open(address[family], number, "udp", timeout=0.3)
                        flow.say("fill 1450")
                        flow.close()
                    # An answer to a source of the node is an answer to the node.
                    asked = who.ip[family] if w.node_of(pod) == "n1" else w.nodes["n1"].ip[family]
                    w.holds(lambda asked=asked: "" if believed(w.pods[pod], asked) == NARROW
                            else f"believes in {believed(w.pods[pod], asked)}",
                            f"{pod} answers {asked} over {proto}")
            finally:
                straight(w)


@suite.scenario("a narrow hop on the way back to a client is told to a backend of the node that was asked")
def narrow_back(w):
    answers_learn(w, "a2", lambda: by_router(w, w.nodes["n1"], hosts(w.client), None, narrow=True))


@suite.scenario("a narrow hop on the way back to a client is told to a backend of the other node")
def narrow_back_far(w):
    answers_learn(w, "b2", lambda: by_router(w, w.nodes["n1"], hosts(w.client), None, narrow=True))


@suite.scenario("a narrow way back that begins at the node itself is told to backends of both nodes")
def narrow_back_here(w):
    def narrow():
        ip_batch(w.nodes["n1"].netns, [f"route replace {hosts(w.client)[family]} dev eth0 mtu lock {NARROW}"
                                       for family in FAMILIES])

    answers_learn(w, "a2", narrow)
    answers_learn(w, "b2", narrow)


@suite.scenario("a UDP port that is closed on its backend refuses clients outside and pods, by every kind of address")
def closed_port(w):
    prepare(w)
    for pod in ("a2", "b2", "a1"):  # a1 is also the client, so it meets itself
        vip, lb, number = w.vip(), w.lb(), w.node_port()
        w.apply(service(f"shut-{pod}", vip, [port(80, "dgram", "UDP", number)], kind="LoadBalancer",
                        lb=list(lb.values())),
                *slices(f"shut-{pod}", w.pod(pod), [port(9999, "dgram", "UDP")]))
        for family in FAMILIES:
            for who, address, dialled in ((w.client, lb, 80), (w.client, w.nodes["n1"].ip, number),
                                          (w.pods["a1"], vip, 80), (w.pods["b1"], vip, 80)):
                w.refused(who, address[family], dialled, "udp")


def hears_unreachable(who, address, number, proto):
    """Linux sends one such error a second to a neighbour, and one that comes while connect() still holds its socket
    waits for the next SYN."""
    for _ in range(4):
        answer = who.fetch(address, number, proto, timeout=1.2 if proto == "udp" else 4)[0]
        if answer.error in ("EHOSTUNREACH", "ENETUNREACH"):
            return
    raise AssertionError(f"{who.name} -> {address} port {number}/{proto}: {answer}, wanted to hear of no way")


@suite.scenario("a router that knows no way to the backend is heard by the client")
def unreachable(w):
    router = prepare(w)
    ways = exposed(w, "b2")
    pods = w.lab.plans["n2"].pod_cidr
    by_router(w, w.nodes["n1"], pods, w.nodes["n2"].ip, narrow=False)
    try:
        for family in FAMILIES:  # not replaced: over IPv6 both kinds of route would stay side by side
            ip_batch(router.netns, [f"route del {pods[family]}", f"route add unreachable {pods[family]}"])
        for who, address, number in ways:
            for family in FAMILIES:
                for proto in ("tcp", "udp"):
                    hears_unreachable(who, address[family], number, proto)
    finally:
        for family in FAMILIES:
            subprocess.run(["ip", "-n", router.netns, "route", "del", "unreachable", pods[family]],
                           check=False, capture_output=True)
        straight(w)


def way(who, address, number, proto):
    return [(hop["at"], hop["said"]) for hop in who.trace(address, number, proto)]


@suite.scenario("traceroute through a frontend shows the way and its end, by TCP, UDP and echo requests")
def traceroute(w):
    prepare(w)
    n1, n2 = w.nodes["n1"], w.nodes["n2"]
    near, far = exposed(w, "a2"), None
    by_router(w, w.client, {4: "192.0.2.0/24", 6: "2001:db8::/32"}, n1.ip, narrow=False)
    try:
        for family in FAMILIES:
            first = [(ROUTER[family], "time exceeded"), (n1.ip[family], "time exceeded")]
            address = near[0][1][family]
            for proto in ("tcp", "udp"):
                found = way(w.client, address, 80, proto)
                assert found == [*first, (address, "answer")], f"{proto} to a backend here: {found}"
            found = way(w.client, address, 80, "icmp")
            assert found == [first[0], (address, "answer")], f"echo: {found}"
            found = way(w.client, address, 33434, "udp")
            assert found == [first[0], (address, "port unreachable")], f"a port that is not served: {found}"
        far = exposed(w, "b2")
        for family in FAMILIES:
            first = [(ROUTER[family], "time exceeded"), (n1.ip[family], "time exceeded")]
            address = far[0][1][family]
            for proto in ("tcp", "udp"):
                # What comes from behind the node has the frontend's name.
                found = way(w.client, address, 80, proto)
                assert found == [*first, (address, "time exceeded"), (address, "answer")], f"{proto} onward: {found}"
                vip = far[2][1][family]
                found = way(w.pods["a1"], vip, 80, proto)
                gateway = w.lab.plans["n1"].pod_gateway[family]
                assert found == [(gateway, "time exceeded"), (n2.ip[family], "time exceeded"), (vip, "answer")], \
                    f"{proto} from a pod: {found}"
    finally:
        straight(w)


if __name__ == "__main__":
    suite.main()
