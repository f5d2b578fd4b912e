"""Measures an agent on a real API server, by hand: `test/kube/measure.py [SERVICES [ENDPOINTS [CHANGES]]]`.

Prints the time from its start to synced beside that of a client that lists the same and throws it away, the time from a
write to a fresh connection that reaches the new endpoint, and what a change costs the agent. The figures belong to the
machine and to how busy it is: compare those of one run with one another."""

import http.client
import json
import os
import socket
import ssl
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[1]), str(Path(__file__).resolve().parent)]

from cluster.plane import ADDRESS, PORT  # noqa: E402
from cluster.store import Store, path_of  # noqa: E402
from cluster.suite import Suite  # noqa: E402
from lab import system  # noqa: E402
from lab.check import SOCKETS  # noqa: E402
from lab.objects import port, service, slices  # noqa: E402

SERVICES, ENDPOINTS, CHANGES = (int(word) for word in (sys.argv[1:] + ["10000", "10", "200"][len(sys.argv) - 1:]))
WRITERS = 8
PROBE = {4: "10.96.0.77"}
LISTS = ("/api/v1/services", "/apis/discovery.k8s.io/v1/endpointslices", "/api/v1/nodes")
PROTOBUF = "application/vnd.kubernetes.protobuf"
TICK = os.sysconf("SC_CLK_TCK")

suite = Suite("measure", paths=(SOCKETS,))


def objects_of(index):
    """A Service and its slice of endpoints that nobody has: they are written, not reached."""
    vip = {4: f"10.96.{16 + index // 250}.{1 + index % 250}"}
    made = slices(f"many-{index}", [], [port(8080)], families=(4,))[0]
    made["endpoints"] = [{"addresses": [f"10.{32 + index // 250}.{index % 250}.{1 + n}"], "nodeName": "n2",
                          "conditions": {"ready": True, "serving": True, "terminating": False}}
                         for n in range(ENDPOINTS)]
    return [service(f"many-{index}", vip, [port(80)]), made]


def create(w, first):
    api = w.plane.client()
    store = Store(api, {})
    for index in range(first, SERVICES, WRITERS):
        store.create(*objects_of(index))
    api.close()


def list_all(w):
    """Bytes and seconds of a client that reads the three lists side by side and throws them away."""
    config = json.loads(w.lab.objects.configs["n1"].read_text())
    token = config["users"][0]["user"]["token"]

    def read(path):
        context = ssl.create_default_context(cafile=w.plane.ca.certificate("ca"))
        with system.inside(w.nodes["n1"].netns):
            connection = http.client.HTTPSConnection(ADDRESS[4], PORT, context=context)
            connection.connect()
        connection.request("GET", f"{path}?resourceVersion=0", headers={"Authorization": f"Bearer {token}",
                                                                        "Accept": PROTOBUF})
        return len(connection.getresponse().read())

    began = time.monotonic()
    with ThreadPoolExecutor(len(LISTS)) as pool:
        size = sum(pool.map(read, LISTS))
    return size, time.monotonic() - began


def status(agent, key):
    text = Path(f"/proc/{agent.process.pid}/status").read_text()
    return int(next(line for line in text.splitlines() if line.startswith(key)).split()[1]) / 1024


def cpu(agent):
    words = Path(f"/proc/{agent.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / TICK


def answer():
    """The pod that a fresh connection to the probe reaches."""
    with socket.create_connection((PROBE[4], 80), timeout=2) as sock:
        sock.sendall(b"hello\n")
        return sock.makefile().readline().split()[0]


def follow(w, agent):
    """Seconds from a write's start until a fresh connection reaches the new endpoint, for each change."""
    times, before = [], cpu(agent)
    api = w.plane.client()
    (w.nodes["n1"].cgroup / "cgroup.procs").write_text(str(os.getpid()))
    with system.inside(w.nodes["n1"].netns):
        api.get("/readyz")
        for number in range(CHANGES):
            pod = ("a1", "a2")[number % 2]
            body = slices("probe", w.pod(pod), [port(8080)], families=(4,))[0]
            began = time.monotonic()
            api.patch(path_of(body), {"endpoints": body["endpoints"]})
            while answer() != pod:
                pass
            times.append(time.monotonic() - began)
    (system.cgroup_root() / "cgroup.procs").write_text(str(os.getpid()))  # the node's is removed with the lab
    return sorted(times), (cpu(agent) - before) / CHANGES


@suite.scenario("the measure is taken")
def measure(w):
    with ThreadPoolExecutor(WRITERS) as pool:
        list(pool.map(lambda first: create(w, first), range(WRITERS)))
    for pod in ("a1", "a2"):
        w.pods[pod].serve("8080/tcp")
    w.apply(service("probe", PROBE, [port(80)]), *slices("probe", w.pod("a2"), [port(8080)], families=(4,)))
    print(f"{SERVICES} Services of {ENDPOINTS} endpoints")

    size, listed = list_all(w)
    agent = w.lab.agents["n1"]
    for cold in (False, True):
        agent.kill()
        if cold:
            agent.run("--cleanup")
        began = time.monotonic()
        agent.restart()
        took = time.monotonic() - began
        print(f"{'cold' if cold else 'warm'} start to ready: {took:.2f} s; {size >> 20} MiB listed and thrown away: "
              f"{listed:.2f} s; resident {status(agent, 'VmRSS'):.0f} MiB")
    times, cost = follow(w, agent)
    print(f"write to a fresh connection on the new endpoint, {CHANGES} changes: p50 {times[len(times) // 2] * 1e3:.1f} "
          f"ms, p99 {times[len(times) * 99 // 100] * 1e3:.1f} ms; agent {cost * 1e3:.2f} ms of CPU a change; "
          f"resident {status(agent, 'VmRSS'):.0f} MiB")


if __name__ == "__main__":
    sys.argv[1:] = []
    suite.main()
