"""Makes the lab, starts servers and agents, probes, prints the tables, cleans up. tools/demo calls it."""

import os
import shutil
import signal
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "test"))

from lab import Lab, Missing  # noqa: E402
from lab import lab as labs  # noqa: E402
from lab import system  # noqa: E402
from lab.agent import binaries  # noqa: E402
from probes import Probes  # noqa: E402
from report import Report  # noqa: E402
from shop import OUTSIDE_SERVES, PODS, SERVES  # noqa: E402
from standalone import standalone  # noqa: E402

NAME = "demo"


def serve(lab):
    for pod in lab.pods.values():
        pod.serve(*SERVES.get(pod.name.rpartition("-")[0], []))
    lab.client.serve(*OUTSIDE_SERVES)


def copy_shop(lab):
    """The lab's own nodes give way to those of the shop; they are the same."""
    for file in lab.objects.path.iterdir():
        file.unlink()
    for file in sorted((ROOT / "examples/shop").glob("*.yaml")):
        lab.objects.write(file.name, file.read_text())


def show_tables(lab, report):
    agent = lab.agents["n1"]
    for verb in ("services", "backends", "metrics"):
        report.section(f"naructl {verb}", "on n1")
        print(agent.naructl(verb), end="")


def show_commands(lab):
    agent = lab.agents["n1"]
    naructl = os.path.relpath(agent.bin / "naructl")
    print(f"""
The lab is still up. Some things to try:
  tools/demo --in shopper-1 curl -s http://10.96.0.10/     a pod calls the frontend
  tools/demo --in cl curl -s http://192.0.2.10/            so does a customer, from outside
  tools/demo --in n2 curl -s -g 'http://[fd96::10]/'       and a process of a node, over IPv6
  {naructl} --bpf-path {agent.pins} services --watch
  $EDITOR {lab.objects.path}/frontend.yaml     the agents follow every change
  less {agent.log_path}
  tools/demo --down                                        removes it all""")


def demo(keep):
    report = Report()
    folder = binaries()
    with Lab(NAME, PODS) as lab:
        report.progress(f"a lab of {len(lab.nodes)} nodes and {len(lab.pods)} pods is up")
        serve(lab)
        copy_shop(lab)
        lab.start_agents(folder)
        report.progress("an agent is ready on each node, on the manifests of examples/shop")
        Probes(lab, report).run()
        show_tables(lab, report)
        held = report.close()
        if not held:
            for name, agent in lab.agents.items():
                print(f"\nlast words of the agent on {name}:\n{agent.log(15)}")
        if keep:
            lab.keep = True
            show_commands(lab)
    return 0 if held else 1


def run_in(place, command):
    """A command as a process of that place: in its network namespace and in its node's cgroup."""
    if not command or not (system.NETNS / f"naru-{NAME}-{place}").exists():
        print("demo: --in PLACE COMMAND..., with a lab that is up (tools/demo --keep) and a place such as "
              "shopper-1, n1 or cl", file=sys.stderr)
        return 2
    node = next((node for node, pods in PODS.items() if place in pods), place)
    program = shutil.which(command[0])
    if not program:
        print(f"demo: {command[0]} is not installed", file=sys.stderr)
        return 1
    (system.cgroup_root() / f"naru-{NAME}" / node / "cgroup.procs").write_text(str(os.getpid()))
    system.setns(system.NETNS / f"naru-{NAME}-{place}")
    os.execv(program, command)


def main(arguments):
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        if arguments[:1] == ["--down"]:
            lock = labs.lock(NAME)
            labs.down(NAME)
            labs.unlock(lock)
            print("demo: the lab is gone")
            return 0
        if arguments[:1] == ["--in"]:
            return run_in(arguments[1] if len(arguments) > 1 else "", arguments[2:])
        if arguments[:1] == ["--standalone"]:
            return standalone(Report(), NAME)
        return demo(keep=arguments[:1] == ["--keep"])
    except Missing as why:
        print(f"demo: {why}", file=sys.stderr)
    except (RuntimeError, TimeoutError) as why:
        print(f"demo: {why}", file=sys.stderr)
    except KeyboardInterrupt:
        print("demo: interrupted", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
