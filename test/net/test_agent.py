"""The agent as an operator meets it: probes, flags, what it needs, how it ends."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import signal
import time

from lab.agent import HEALTH_PORT, METRICS_PORT  # noqa: E402
from lab.check import Suite  # noqa: E402
from lab.world import FAMILIES  # noqa: E402

suite = Suite("agent")


@suite.scenario("the agent answers probes and metrics, and nothing else")
def probes(w):
    vip = w.vip()
    w.web("web", vip, [])
    w.refused(w.pods["a1"], vip[4], 80)
    for node in w.nodes.values():
        for path in ("/livez", "/healthz", "/readyz"):
            answer = node.get(HEALTH_PORT, path)
            assert answer.get("status") == 200, f"{node.name} {path}: {answer}"
        for number in (HEALTH_PORT, METRICS_PORT):
            assert node.get(number, "/etc/passwd").get("status") == 404
        metrics = node.get(METRICS_PORT, "/metrics")
        assert metrics.get("status") == 200 and "naru_" in metrics["body"], metrics
        assert node.get(METRICS_PORT, "/proxyMode").get("status") == 200


@suite.scenario("bad flags end the agent with 2 and one line that names the flag")
def bad_flags(w):
    agent = w.lab.agents["n1"]
    for flags, words in ((["--socket-lbb", "all"], ["--socket-lbb", "--socket-lb"]),
                         (["--socket-lb", "some"], ["--socket-lb", "some"]),
                         (["--nodeport-addresses", "10.0.0.0/99"], ["--nodeport-addresses", "10.0.0.0/99"]),
                         (["--external-ips", "perhaps"], ["--external-ips", "perhaps"]),
                         (["--healthz-bind-address", "nowhere"], ["--healthz-bind-address", "nowhere"]),
                         (["--logging-format", "poetry"], ["--logging-format", "poetry"])):
        done = agent.run(*flags, base=False)
        said = done.stderr.strip()
        assert done.returncode == 2 and said.count("\n") == 0 and all(word in said for word in words), \
            f"{flags}: exit code {done.returncode}: {said!r}"


@suite.scenario("what is missing on the machine ends the agent with 1 and one line that names it")
def cannot_run(w):
    agent = w.lab.agents["n1"]
    manifests, cgroup = str(w.lab.objects.path), str(agent.place.cgroup)
    spare = f"/sys/fs/bpf/{w.lab.prefix}-spare"
    for manifest_path, bpf_path, cgroup_path, word in (
            (manifests, spare, "/proc/nowhere", "/proc/nowhere"),
            (manifests, spare, str(w.lab.folder), str(w.lab.folder)),
            (manifests, "/proc/nowhere", cgroup, "/proc/nowhere"),
            (manifests, str(agent.pins), cgroup, str(agent.pins)),  # an agent runs there
            ("/proc/nowhere", spare, cgroup, "/proc/nowhere")):
        done = agent.run("--manifests", manifest_path, "--bpf-path", bpf_path, "--cgroup-path", cgroup_path,
                         "--hostname-override", "n1", "--healthz-bind-address", "127.0.0.1:0",
                         "--metrics-bind-address", "127.0.0.1:0", base=False)
        said = done.stderr.strip()
        assert done.returncode == 1 and word in said, \
            f"{manifest_path} {bpf_path} {cgroup_path}: exit code {done.returncode}: {said!r}"


@suite.scenario("an agent that is told to stop leaves within a second with 0, and the datapath goes on")
def stopped(w):
    vip = w.vip()
    w.web("web", vip, w.pod("a2", "b2"))
    for who in w.insiders:
        w.reaches(who, vip[4], 80, ["a2", "b2"])
    for agent in w.lab.agents.values():
        since = time.monotonic()
        code = agent.kill(signal.SIGTERM)
        took = time.monotonic() - since
        assert code == 0 and took < 1, f"exit code {code} after {took:.1f} s"
    for who in w.insiders:
        w.reaches(who, vip[6], 80, ["a2", "b2"])


@suite.scenario("--cleanup removes every program and pin of one node and leaves the other node alone")
def cleanup(w):
    vip = w.vip()
    w.web("web", vip, w.pod("a2", "b2"))
    for who in w.insiders:
        w.reaches(who, vip[4], 80, ["a2", "b2"])
    agent = w.lab.agents["n2"]
    agent.kill(signal.SIGTERM)
    for _ in range(2):
        done = agent.run("--cleanup")
        assert done.returncode == 0, done
        left = [str(path) for path in agent.pins.rglob("*")] if agent.pins.exists() else []
        assert not left, left
    for who in w.insiders:
        for family in FAMILIES:
            if who.node == "n1":
                w.reaches(who, vip[family], 80, ["a2", "b2"])
            else:
                w.untouched(who, vip[family], 80)


if __name__ == "__main__":
    suite.main()
