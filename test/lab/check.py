"""Runs scenarios against a lab. A scenario is a sentence and a function that raises when the sentence is not true."""

import signal
import sys
import time
import traceback
from contextlib import contextmanager
from pathlib import Path

from . import lab as labs
from .agent import binaries
from .lab import Lab
from .system import Missing
from .world import World

SKIP = 77
PODS = {"n1": ["a1", "a2", "a3"], "n2": ["b1", "b2", "b3"]}
SOCKETS, PACKETS, MIXED = "all", "off", "host"  # values of --socket-lb
PATHS = {SOCKETS: "socket path", PACKETS: "packet path", MIXED: "socket path for the host"}


class Suite:
    """The scenarios of one file. Each path gets a fresh lab, with agents that start on an empty cluster."""

    def __init__(self, name, paths=(SOCKETS, PACKETS), pods=None, beside=None):
        self.name, self.paths, self.pods, self.beside = name, paths, pods or PODS, beside
        self.scenarios = []

    def scenario(self, sentence, paths=(SOCKETS, PACKETS)):
        def keep(function):
            self.scenarios.append((sentence, function, paths))
            return function
        return keep

    def main(self):
        """`FILE [host] [WORD...]` runs the scenarios whose sentence holds one of the words, and all without any; with
        "host" those that hold on both paths, with --socket-lb host."""
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
        words, paths = sys.argv[1:], self.paths
        if words[:1] == [MIXED]:
            words, paths = words[1:], (MIXED,)
        try:
            failed = sum(self.run(path, words) for path in paths)
        except Missing as why:
            print(f"skipped: {why}")
            sys.exit(SKIP)
        if failed:
            print(f"{failed} scenarios failed")
        sys.exit(1 if failed else 0)

    @contextmanager
    def stage(self, path):
        labs.sweep()
        with Lab(labs.own_id(self.name), self.pods, self.beside) as lab:
            yield World(lab, path, binaries())

    def run(self, path, words):
        chosen = [(sentence, function) for sentence, function, paths in self.scenarios
                  if (path in paths or path == MIXED and len(paths) > 1)
                  and (not words or any(word in sentence for word in words))]
        if not chosen:
            return 0
        with self.stage(path) as world:
            return sum(not attempt(world, f"{sentence} ({PATHS[path]})", function) for sentence, function in chosen)


def attempt(world, sentence, function):
    started = time.monotonic()
    try:
        world.reset()
        function(world)
    except Exception as why:
        print(f"FAIL  {sentence}", flush=True)
        expected = isinstance(why, AssertionError)
        print(indent(str(why) + "\n" + where(why) if expected else traceback.format_exc()))
        for agent in world.lab.agents.values():
            print(indent(f"agent on {agent.place.name}:\n{agent.log(12)}"), flush=True)
        return False
    print(f"ok    {sentence}, {time.monotonic() - started:.1f} s", flush=True)
    return True


def where(why):
    """The line of the scenario, not of the helpers."""
    frames = [frame for frame in traceback.extract_tb(why.__traceback__)
              if Path(frame.filename).name.startswith("test_")]
    return "\n".join(f"at {Path(frame.filename).name}:{frame.lineno}: {frame.line}" for frame in frames)


def indent(text):
    return "\n".join("        " + line for line in text.strip().splitlines())
