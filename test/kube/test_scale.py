"""Two thousand Services on a real API server: changes still arrive at once, and an idle agent asks for nothing."""

import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[1]), str(Path(__file__).resolve().parent)]

import time
from concurrent.futures import ThreadPoolExecutor

from cluster.store import Store  # noqa: E402
from cluster.suite import Suite  # noqa: E402
from lab.check import SOCKETS  # noqa: E402
from lab.objects import port, service, slices  # noqa: E402

suite = Suite("scale", paths=(SOCKETS,))
SERVICES = 2000
WRITERS = 4
IDLE = 5  # seconds in which nothing happens


def address(index):
    """Where no other scenario looks for a free one."""
    return f"10.96.{16 + index // 250}.{1 + index % 250}"


def slice_of(w, index, pod):
    return slices(f"many-{index}", w.pod(pod), [port(8080)], families=(4,))[0]


def create(w, indexes):
    """By one connection."""
    api = w.plane.client()
    store = Store(api, {})
    for index in indexes:
        store.create(service(f"many-{index}", {4: address(index)}, [port(80)]), slice_of(w, index, "a2"))
    api.close()


def lists(w):
    return {name: w.metric(name, "naru_watch_lists_total") for name in w.nodes}


@suite.scenario("with 2,000 Services a change of one is followed, and no agent lists twice, restarted or not")
def many(w):
    before = lists(w)
    with ThreadPoolExecutor(WRITERS) as pool:
        list(pool.map(lambda first: create(w, range(first, SERVICES, WRITERS)), range(WRITERS)))
    for index in (0, SERVICES // 2, SERVICES - 1):
        for who in w.insiders:
            w.reaches(who, address(index), 80, ["a2"])
    for index, pod in ((SERVICES - 1, "b2"), (7, "b3"), (SERVICES - 1, "a3")):
        w.apply(slice_of(w, index, pod))
        for who in w.insiders:
            w.reaches(who, address(index), 80, [pod])
    w.remove(service("many-8", {}, []))
    for who in w.insiders:
        w.untouched(who, address(8), 80)
    time.sleep(IDLE)  # the absence of something is what is tested
    assert lists(w) == before, f"complete lists: {before} became {lists(w)}"
    agent = w.lab.agents["n2"]
    agent.kill()
    agent.restart()
    w.reaches(w.pods["b1"], address(SERVICES - 1), 80, ["a3"])
    assert w.metric("n2", "naru_watch_lists_total") == before["n2"], "one list of each kind from start to synced"


if __name__ == "__main__":
    suite.main()
