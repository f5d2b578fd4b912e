"""Faults that only time can tell: silence on a dead link, and a set whose end never comes."""

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[1])]

import time

from apiserver import faults  # noqa: E402
from lab import system  # noqa: E402
from rig.rig import AGENT_IP, SERVER_IP  # noqa: E402
from rig.stage import suite_of_rigs  # noqa: E402

suite = suite_of_rigs("slow")
NOBODY = "02:00:00:00:00:fe"


def established(r):
    """Connections of the agent to the server: local ports, from /proc/net/tcp of its namespace."""
    with system.inside(r.netns):
        rows = Path("/proc/thread-self/net/tcp").read_text().splitlines()[1:]
    fields = [row.split() for row in rows]
    return {local.rpartition(":")[2] for _, local, remote, state, *_ in fields if state == "01"
            and remote.endswith(":192B")}  # 6443


@suite.scenario("a link that is dead without a word is given up within a minute, and forwarding does not notice")
def half_open(r):
    mark = r.up().mark()
    links = established(r)
    assert len(links) == 3, links
    for netns, peer in ((r.netns, SERVER_IP), (r.far_netns, AGENT_IP)):
        system.ip("-n", netns, "neigh", "replace", peer, "lladdr", NOBODY, "dev", "eth0", "nud", "permanent")
    since = time.monotonic()
    r.holds(lambda: not links & established(r), "the dead connections are gone", 60)
    print(f"      dead links were given up after {time.monotonic() - since:.1f} s", flush=True)
    assert r.agent.get("/livez").status == r.agent.get("/readyz").status == 200
    mark.unchanged()
    for netns, peer in ((r.netns, SERVER_IP), (r.far_netns, AGENT_IP)):
        system.ip("-n", netns, "neigh", "del", peer, "dev", "eth0")
    r.recovers()
    mark.kept()


@suite.scenario("a server that overlooks sendInitialEvents is asked for a list after 30 seconds without an end")
def overlooked(r):
    r.server.always("services", faults.ignoring_initial_events)
    r.server.start()
    r.start_agent()
    first = r.next_request("services", 0)
    listed = r.next_request("services", first.at, 45)
    assert first.is_watch_list and listed.is_list, (first, listed)
    assert 28 < listed.at - first.at < 36, f"{listed.at - first.at:.1f} s"
    r.agent.wait_ready()
    r.recovers()
    watch = r.watching()
    r.interrupt(faults.gone())
    assert not [each for each in r.server.asked("services", watch.at) if each.is_watch_list]


@suite.scenario("an agent that has nothing to do asks for nothing and writes nothing")
def idle(r):
    mark = r.up().mark()
    time.sleep(40)
    assert len(r.server.requests) == 3, r.server.requests
    mark.unchanged()
    r.recovers()
    assert len(r.server.requests) == 3, r.server.requests


@suite.scenario("a frame that is begun and never ended is given up, and the watch goes on from its version")
def stuck_frame(r):
    mark = r.up().mark()
    made = r.cluster.objects["services"]["test", "web-1"]
    before = r.watching()

    def half(exchange):
        data = exchange.encoding.event("MODIFIED", made)
        exchange.write(data[:len(data) // 2])
        time.sleep(50)
        exchange.cut()

    r.server.streams.order("services", half)
    again = r.next_request("services", before.at, 45)
    assert again.is_watch and not again.is_watch_list and again.version == before.told, again
    mark.unchanged()
    r.recovers()


if __name__ == "__main__":
    suite.main()
