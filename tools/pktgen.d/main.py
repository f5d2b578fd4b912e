"""From the words of the command line to rounds, in turns to every target."""

import platform
import signal
import sys

import report
from control import ENDING, Generator
from counter import Counter
from options import UserError, options
from settings import commands, counts, shares
from way import check_device, way


def measure(asked, generator, ways, told):
    counter = Counter(asked.device, asked.counter)
    rates = shares(asked.rate, asked.threads)
    for number in range(1, asked.rounds + 1):
        for target in asked.targets:
            per_thread = [commands(asked, target.address, ways[target.name], count, rate)
                          for count, rate in zip(counts(asked), rates)]
            before = counter.read()
            sent = generator.run(asked.device, per_thread, asked.seconds, alone=asked.burst == 1)
            each = report.Round(number, target.name, sum(one.packets for one in sent), sum(one.errors for one in sent),
                                counter.settled() - before, max(one.seconds for one in sent))
            told(each)
            yield each


def facts(asked, ways):
    return {"kernel": platform.release(), "device": asked.device,
            "targets": {target.name: {"address": str(target.address), "mac": ways[target.name].mac,
                                      "source": str((asked.sources or (ways[target.name].source,))[0])}
                        for target in asked.targets},
            "size": asked.size, "flows": asked.flows(), "threads": asked.threads, "burst": asked.burst}


def title(known):
    to = ", ".join(f"{name} to {one['address']} ({one['mac']})" for name, one in known["targets"].items())
    return (f"pktgen: Linux {known['kernel']}, {known['device']}, {to}; UDP in frames of {known['size']} bytes, "
            f"{known['flows']:,} flow{'s' * (known['flows'] != 1)}, {known['threads']} thread{'s' * (known['threads'] != 1)}")


def work(asked):
    check_device(asked.device, asked.size)
    with Generator(asked.threads, asked.modprobe) as generator:
        source = asked.sources[0] if asked.sources else None
        ways = {target.name: way(asked.device, target, source) for target in asked.targets}
        known = facts(asked, ways)
        if asked.output == "json":
            print(report.as_json(known, list(measure(asked, generator, ways, lambda each: None))))
            return
        print(title(known), report.head(), sep="\n", flush=True)
        rounds = list(measure(asked, generator, ways, lambda each: print(report.line(each), flush=True)))
        print(*report.summary(rounds), sep="\n")


def ended(number, _):
    """Once: what follows is the way out, and it is short."""
    for each in ENDING:
        signal.signal(each, signal.SIG_IGN)
    raise KeyboardInterrupt(number)


def main(words):
    for number in ENDING:
        signal.signal(number, ended)
    try:
        asked = options(words)
    except UserError as why:
        print(f"pktgen: {why}", file=sys.stderr)
        return 2
    try:
        work(asked)
    except UserError as why:
        print(f"pktgen: {why}", file=sys.stderr)
        return 1
    except KeyboardInterrupt as why:
        print("pktgen: ended by a signal, nothing is left running", file=sys.stderr)
        return 128 + int(why.args[0] if why.args else signal.SIGINT)
    return 0
