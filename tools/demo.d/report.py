"""What the demo prints: one line a probe, ok or FAIL, and the facts it saw."""

import sys
import time


class Report:
    def __init__(self):
        self.probes = 0
        self.failures = []
        self.colour = sys.stdout.isatty()
        self.started = time.monotonic()

    def progress(self, text):
        print(f"demo: {text}", flush=True)

    def section(self, title, about):
        print(f"\n{self.bold(title)}  {about}", flush=True)

    def probe(self, holds, what, facts):
        self.probes += 1
        if not holds:
            self.failures.append(f"{what}: {facts}")
        print(f"  {self.verdict(holds)}  {what:<58} {facts}", flush=True)
        return holds

    def histogram(self, counts):
        widest = max(counts.values(), default=1)
        for name, count in sorted(counts.items()):
            print(f"        {name:<14} {'#' * max(1, round(40 * count / widest)):<40} {count}")

    def verdict(self, holds):
        word = "ok  " if holds else "FAIL"
        return f"\033[{32 if holds else 31}m{word}\033[0m" if self.colour else word

    def bold(self, text):
        return f"\033[1m{text}\033[0m" if self.colour else text

    def close(self):
        took = time.monotonic() - self.started
        for failure in self.failures:
            print(f"FAIL  {failure}")
        print(f"\n{self.probes - len(self.failures)} of {self.probes} probes held, in {took:.0f} s")
        return not self.failures
