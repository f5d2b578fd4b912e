"""A start while lists and programs are on their way: what is attached when, and what goes on meanwhile."""

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[1])]

import json
import subprocess
import time

from apiserver import faults  # noqa: E402
from lab import system  # noqa: E402
from rig.stage import suite_of_rigs  # noqa: E402

suite = suite_of_rigs("start")


def attached(r):
    """Hooks with a program of ours on them, by what the agent sees."""
    return r.agent.metric("naru_program_info") or 0


def links(r):
    """Link and program of each pinned hook: a link lasts only as long as it is on its hook."""
    found = {}
    for pin in sorted((r.agent.pins / "current/links").iterdir()):
        shown = json.loads(subprocess.run(["bpftool", "-j", "link", "show", "pinned", str(pin)], check=True,
                                          capture_output=True, text=True).stdout)
        found[pin.name] = shown["id"], shown["prog_id"]
    return found


def loaded(r, times=1):
    return lambda: r.agent.log().count("programs loaded") == times


@suite.scenario("where nothing serves yet no program is attached before everything is listed")
def cold(r):
    held = faults.Held()
    r.server.next("endpointslices", held)
    r.server.start()
    r.start_agent()
    r.holds(loaded(r), "the programs are loaded")
    time.sleep(1)
    assert attached(r) == 0, "programs are attached to empty tables"
    ready = r.agent.get("/readyz")
    assert ready.status == 503 and "the programs are not attached yet" in ready.body, ready
    held.release()
    r.agent.wait_ready()
    assert attached(r) > 0
    r.recovers()


@suite.scenario("the lists are asked for while the programs are being verified")
def side_by_side(r):
    r.server.start()
    r.start_agent()
    began = time.monotonic()
    r.holds(lambda: len(r.server.asked("endpointslices", 0)) > 0, "slices are asked for")
    asked = r.server.asked("endpointslices", 0)[0].at
    r.holds(loaded(r), "the programs are loaded")
    r.agent.wait_ready()
    lines = r.agent.log().splitlines()
    following = next(i for i, line in enumerate(lines) if "following the API server" in line)
    verified = next(i for i, line in enumerate(lines) if "programs loaded" in line)
    assert following < verified, f"asked {asked - began:.2f} s after the start:\n" + "\n".join(lines)


@suite.scenario("at a restart programs are replaced on their hooks and tables are left alone until all is listed")
def warm(r):
    mark = r.up().mark()
    before, hooks = links(r), attached(r)
    assert before and hooks == len(before), (before, hooks)
    r.agent.stop()
    assert links(r) == before, "programs went with the agent"
    held = faults.Held()
    r.server.next("services", held)
    r.agent.start(*r.flags)
    r.holds(loaded(r, 2), "the programs are loaded again")
    after = links(r)
    assert {hook: link for hook, (link, _) in after.items()} == {hook: link for hook, (link, _) in before.items()}
    assert all(after[hook][1] != program for hook, (_, program) in before.items()), (before, after)
    assert attached(r) == hooks
    mark.kept()
    assert r.applied() == 0, f"{r.applied():g} changes of the tables"
    held.release()
    r.agent.wait_ready()
    mark.kept()
    r.recovers()


@suite.scenario("a device that appears after a restart is served though no API server answers")
def new_device(r):
    r.up()
    hooks = attached(r)
    r.agent.stop()
    r.server.stop()
    system.ip("-n", r.netns, "link", "add", "pod0", "type", "veth", "peer", "name", "peer0")
    system.ip("-n", r.netns, "link", "set", "pod0", "up")
    r.agent.start(*r.flags)
    r.holds(lambda: attached(r) > hooks, "the new device carries programs")
    r.server.start()
    r.agent.wait_ready()


if __name__ == "__main__":
    suite.main()
