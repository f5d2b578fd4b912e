"""naru beside any CNI: one lab per wiring, the whole probe set on both paths, and the node as it was before.

`test_wiring.py [NAME...]` plays the wirings of these names, and all without any."""

import signal
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from lab import lab as labs  # noqa: E402
from lab.agent import binaries  # noqa: E402
from lab.check import PACKETS, PATHS, SKIP, SOCKETS, indent  # noqa: E402
from lab.host_state import changes, host_state  # noqa: E402
from lab.matrix import CALLERS, Frontends, Matrix, Plain  # noqa: E402
from lab.plan import FABRIC_GATEWAY  # noqa: E402
from lab.probes import side_by_side  # noqa: E402
from lab.system import Missing, ip  # noqa: E402
from lab.wired import WiredLab  # noqa: E402
from lab.wiring import Wiring  # noqa: E402
from lab.world import FAMILIES, HOST_SERVED, SERVED, World  # noqa: E402

PODS = {"n1": ["a1", "a2"], "n2": ["b1", "b2"]}
WIRINGS = [
    Wiring("bridge", "bridge", tables="nft"),
    Wiring("bridge-hairpin", "bridge", hairpin=True, tables="iptables-legacy"),
    Wiring("bridge-nf", "bridge", bridge_nf=True, tables="iptables-nft"),
    Wiring("bridge-nf-hairpin", "bridge", bridge_nf=True, hairpin=True, tables="nft", masquerade="flannel"),
    Wiring("ptp", "ptp", tables="iptables-nft"),
    Wiring("routed", "routed", tables="iptables-legacy", masquerade="flannel"),
    Wiring("vxlan", "bridge", tunnel="vxlan", hairpin=True, bridge_nf=True, tables="iptables-nft",
           masquerade="flannel"),
    Wiring("vxlan-routed", "routed", tunnel="vxlan", tables="nft"),
    Wiring("wireguard", "routed", tunnel="wireguard", tables="nft"),
    Wiring("macvlan", "macvlan"),
    Wiring("jumbo", "ptp", mtu=9000, tables="nft", masquerade="flannel"),
    Wiring("vlan", "bridge", uplink="eth0.100"),
    Wiring("bond", "routed", uplink="bond0"),
]
# Linux keeps a macvlan device and the one below it apart.
APART = {(one, other) for node, pods in PODS.items() for pod in pods for one, other in ((node, pod), (pod, node))}


def plain_traffic(lab, wiring):
    """Without naru: what this wiring can do, and that its rules are in force."""
    plain = Plain(lab)
    cut = plain.cut([*CALLERS, *PODS], [*lab.pods, *lab.nodes])
    wanted = {(who, target) for who, target in APART if who in (*CALLERS, *PODS)} if wiring.pods == "macvlan" else set()
    assert cut == wanted, f"cut without naru: {sorted(cut)}, wanted {sorted(wanted)}"
    for family in FAMILIES:
        pod, node = lab.pods["a1"], lab.nodes["n1"]
        sees = pod if wiring.pods == "macvlan" else node
        out = pod.fetch(FABRIC_GATEWAY[family], 80)[0]
        assert out.client == sees.ip[family], f"a pod leaves the cluster as {out}, {out.client}"
        if wiring.tunnel:
            own = wiring.tunnel_ip(lab.plans["n1"])[family]
            assert plain.of(node, "b2", family) == own, f"{plain.of(node, 'b2', family)} instead of the tunnel's {own}"
    return plain


def serve(lab):
    for pod in lab.pods.values():
        pod.serve(*SERVED)
    for node in lab.nodes.values():
        node.serve(*HOST_SERVED)


def settle(w, made):
    """Until both agents serve what was written last."""
    last = f"[{made.itself['b1'].lb[6]}]:80"

    def missing(agent):
        return "" if any(row["frontend"] == last for row in agent.table("services")) else "not yet"

    for name, agent in w.lab.agents.items():
        w.holds(lambda agent=agent: missing(agent), f"{name} serves {last}")


def forget_neighbours(lab):
    """What Plain dialled is known to the nodes, and would be the answer to a question that must be asked."""
    for node in lab.nodes.values():
        ip("-n", node.netns, "neigh", "flush", "all")


def forgetful(w, plain, made):
    """A connection outlives the neighbour entries its first packets found: they go under pressure, and nothing but the
    flow itself is there to bring them back."""
    wrong = []
    for client, backend in (("a1", "a2"), ("b1", "b2"), ("a1", "b2")):
        who = w.pods[client]
        for family in FAMILIES if plain.of(who, backend, 4) else []:
            forget_neighbours(w.lab)
            flow = who.open(made.any[backend].vip[family], 80)
            for number in range(3):
                answer = flow.say(str(number))
                if answer.text != str(number):
                    wrong.append(f"{client} -> ClusterIP, {backend}, IPv{family}, neighbours forgotten: {answer}")
                    break
                forget_neighbours(w.lab)
            flow.close()
    return wrong


def path(w, wiring, plain, made, socket_lb):
    started = time.monotonic()
    w.base_flags = ("--socket-lb", socket_lb)
    w.sockets, w.node_sockets = socket_lb == SOCKETS, socket_lb != PACKETS
    w.start_agents()
    settle(w, made)
    forget_neighbours(w.lab)
    probes = Matrix(w, wiring, plain, made).probes()
    wrong = side_by_side(probes, lambda probe: probe.wrong())
    payload = {4: wiring.pod_mtu - 28, 6: wiring.pod_mtu - 48}
    bulk = [probe for probe in probes if probe.bulk]
    wrong += side_by_side(bulk, lambda probe: probe.transfer(payload[6 if ":" in probe.address else 4]))
    if w.sockets or wiring.pods != "macvlan":
        wrong += forgetful(w, plain, made)
    report(f"{len(probes)} probes and {len(bulk)} transfers by {wiring.name} ({PATHS[socket_lb]}), "
           f"{time.monotonic() - started:.1f} s", wrong)
    return len(wrong)


def untouched(lab, before, when):
    wrong = [f"{name}: {line}" for name, node in lab.nodes.items()
             for line in changes(before[name], host_state(node.netns))]
    report(f"{when}, nothing of the nodes' own is changed", wrong)
    return len(wrong)


def report(what, wrong):
    print("\n".join([f"{'FAIL' if wrong else 'ok'}    {what}", *map(indent, wrong)]), flush=True)


def play(wiring):
    with WiredLab(labs.own_id(f"wiring-{wiring.name}"), PODS, wiring) as lab:
        serve(lab)
        plain = plain_traffic(lab, wiring)
        before = {name: host_state(node.netns) for name, node in lab.nodes.items()}
        w = World(lab, SOCKETS, binaries())
        made = Frontends(w)
        failed = sum(path(w, wiring, plain, made, socket_lb) for socket_lb in (SOCKETS, PACKETS))
        failed += untouched(lab, before, "while agents run")
        for agent in lab.agents.values():
            agent.process.terminate()
            agent.process.wait(10)
            done = agent.run("--cleanup")
            assert done.returncode == 0, f"--cleanup ended with {done.returncode}: {done.stderr}"
        failed += untouched(lab, before, "after --cleanup")
    return failed


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    names = sys.argv[1:] or [wiring.name for wiring in WIRINGS]
    unknown = set(names) - {wiring.name for wiring in WIRINGS}
    if unknown:
        sys.exit(f"no wiring is called {' or '.join(sorted(unknown))}")
    labs.sweep()
    played, failed = 0, 0
    for wiring in WIRINGS:
        if wiring.name not in names:
            continue
        try:
            failed += play(wiring)
            played += 1
        except Missing as why:
            print(f"skipped: {wiring.name}: {why}")
    sys.exit(1 if failed else 0 if played else SKIP)


if __name__ == "__main__":
    main()
