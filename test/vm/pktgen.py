#!/usr/bin/python3 -B
"""Instructions that a packet of the kernel's generator costs on its way through naru and through IPVS, in a machine whose clock
counts instructions, beside what test/vm/pktgen.json records.

pktgen.py KERNEL                fails when naru's rose by more than a tenth, or when packets are missing
pktgen.py --record [KERNEL...]  measures on these kernels or on 6.12, writes the record and the table of docs/benchmarks.md"""

import json
import shlex
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from vm import machine  # noqa: E402
from vm.kernels import SERIES, Missing, kernel  # noqa: E402
from vm.pktgen_figures import compare, figure, net, parse, restless, table, uneven  # noqa: E402

SKIP = 77
RECORD = Path(__file__).with_name("pktgen.json")
PAGE = machine.PROJECT / "docs/benchmarks.md"
GUEST = Path(__file__).with_name("pktgen_guest.py")
BEGIN, END = "<!-- pktgen: made by test/vm/pktgen.py --record -->\n", "<!-- pktgen: end -->\n"
# The clock is the number of instructions: what other work this machine has does not show.
COUNTED = machine.Shape(cpus=1, accelerator=("-accel", "tcg,thread=single", "-cpu", "max,la57=off",
                                             "-icount", "shift=1,align=off,sleep=off"))
# IPVS keeps connections when its services go: one of its modes a boot. The floor is measured in each.
BOOTS = (("drop", "drop6", "tx", "tx6", "xdp", "xdp6", "tc", "tc6"), ("drop", "ipvs-dr"), ("drop", "ipvs-nat"))
COUNT, ROUNDS, SECONDS = 20_000, 4, 1500


def measure(series):
    """Instructions a packet above the floor by mode, and what is wrong with them as lines."""
    boots, wrong = [], []
    for modes in BOOTS:
        said = measure_boot(series, modes)
        wrong += [f"{mode} was not measured" for mode in modes if mode not in said]
        for each in said.values():
            wrong += uneven(each, COUNT)
        boots.append([figure(each) for each in said.values()])
        for each in boots[-1]:
            print(f"Linux {series}: {each.name} {each.instructions:.0f} instructions a packet, rounds differ by {each.spread:.2%}",
                  flush=True)
    return net(boots), wrong + restless(boots)


def measure_boot(series, modes):
    command = shlex.join(["/usr/bin/python3", "-B", str(GUEST), str(COUNT), str(ROUNDS), *modes])
    ended = machine.run(kernel(series), command, SECONDS, COUNTED, capture=True)
    if ended.code != 0:
        print(ended.output)
        sys.exit(f"pktgen.py: Linux {series} ended with {ended.code}\n{ended.console[-2000:]}")
    return parse(ended.output)


def check(series):
    found, wrong = measure(series)
    show(found)
    wrong += compare(recorded().get(series, {}), found)
    if wrong:
        print("\n".join(wrong))
        sys.exit(f"Linux {series}: a packet costs more, or packets are missing; a rise that is meant is recorded with "
                 "test/vm/pktgen.py --record")


def record(chosen):
    for series in chosen:
        found, wrong = measure(series)
        show(found)
        if wrong:
            sys.exit("\n".join(wrong) + f"\npktgen.py: nothing is recorded of Linux {series}")
        everything = recorded() | {series: found}
        everything = {each: everything[each] for each in SERIES if each in everything}
        RECORD.write_text(json.dumps(everything, indent=1) + "\n")
        before, _, rest = PAGE.read_text().partition(BEGIN)
        PAGE.write_text(before + BEGIN + table(everything) + END + rest.partition(END)[2])


def recorded():
    return json.loads(RECORD.read_text()) if RECORD.exists() else {}


def show(found):
    print(", ".join(f"{mode} {instructions}" for mode, instructions in found.items()))


def main():
    try:
        if sys.argv[1:2] == ["--record"] and set(sys.argv[2:]) <= set(SERIES):
            record(sys.argv[2:] or ["6.12"])
        elif len(sys.argv) == 2 and sys.argv[1] in SERIES:
            check(sys.argv[1])
        else:
            sys.exit(__doc__)
    except Missing as why:
        print(f"skipped: {why}")
        sys.exit(SKIP)


if __name__ == "__main__":
    main()
