"""Runs scenarios, a few at once: most of their time is waiting. A scenario is a sentence and a function that raises when
the sentence is not true."""

import itertools
import signal
import sys
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from lab.system import Missing

SKIP = 77
TRIES = 3
HERE = Path(__file__).resolve().parents[1]


class Late(AssertionError):
    """Something that must happen at once came later. A crowded machine does that too, but not every time, and an agent
    that waits where it must not is late every time: the scenario is tried again."""


class Suite:
    """`stage(number)`: a context manager whose value a scenario works with."""

    def __init__(self, stage, prepare=lambda: None, at_once=4):
        self.stage, self.prepare, self.at_once = stage, prepare, at_once
        self.scenarios, self.numbers = [], itertools.count(1)

    def scenario(self, sentence):
        def keep(function):
            self.scenarios.append((sentence, function))
            return function
        return keep

    def main(self):
        """`FILE [WORD...]` runs the scenarios whose sentence holds one of the words, and all without any."""
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
        words = sys.argv[1:]
        chosen = [each for each in self.scenarios if not words or any(word in each[0] for word in words)]
        try:
            self.prepare()
        except Missing as why:
            print(f"skipped: {why}")
            sys.exit(SKIP)
        with ThreadPoolExecutor(self.at_once) as pool:
            failed = sum(pool.map(lambda each: not self.attempt(*each), chosen))
        if failed:
            print(f"{failed} scenarios failed")
        sys.exit(1 if failed else 0)

    def attempt(self, sentence, function):
        for _ in range(TRIES - 1):
            try:
                return self.play(sentence, function, Late)
            except Late:
                pass
        return self.play(sentence, function)

    def play(self, sentence, function, passed_on=()):
        started = time.monotonic()
        told = ""
        try:
            with self.stage(next(self.numbers)) as stage:
                try:
                    function(stage)
                    stage.check_at_end()
                except Exception:
                    told = stage.story()
                    raise
        except passed_on:
            raise
        except Exception as why:
            expected = isinstance(why, AssertionError)
            text = f"{why}\n{where(why)}" if expected else traceback.format_exc()
            print(f"FAIL  {sentence}\n{indent(text)}\n{indent(told)}", flush=True)
            return False
        print(f"ok    {sentence}, {time.monotonic() - started:.1f} s", flush=True)
        return True


def where(why):
    """The lines of the scenario, not of the helpers."""
    frames = [frame for frame in traceback.extract_tb(why.__traceback__) if Path(frame.filename).parent == HERE]
    return "\n".join(f"at {Path(frame.filename).name}:{frame.lineno}: {frame.line}" for frame in frames)


def indent(text):
    return "\n".join("        " + line for line in text.strip().splitlines())
