#!/usr/bin/python3 -B
"""How much the verifiers of Debian's kernels look at, beside what test/vm/verifier.json records.

verifier.py KERNEL                fails when a program's work rose by more than a tenth
verifier.py --record [KERNEL...]  measures on these kernels or on all, writes the record and the table of docs/kernels.md"""

import json
import os
import shlex
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from vm import machine  # noqa: E402
from vm.kernels import SERIES, Missing, kernel  # noqa: E402

SKIP = 77
RECORD = Path(__file__).with_name("verifier.json")
PAGE = machine.PROJECT / "docs/kernels.md"
BUILD = Path(os.environ.get("NARU_BIN", machine.PROJECT / "build/release/bin")).parent
COMPILERS = {"clang-16": BUILD / "test/vm/clang-16", "clang-19": BUILD / "bpf"}
ALLOWED = 1.10
SECONDS = 1500
BEGIN, END = "<!-- verifier: made by test/vm/verifier.py --record -->\n", "<!-- verifier: end -->\n"


def measure(series):
    """compiler -> program -> instructions"""
    tool = BUILD / "bin/verifier_work"
    objects = {name: sorted(folder.glob("*.bpf.o")) for name, folder in COMPILERS.items() if folder.is_dir()}
    words = " && ".join(f"echo compiler {name} && {shlex.join([str(tool), *map(str, files)])}"
                        for name, files in objects.items() if files)
    ended = machine.run(kernel(series), words, SECONDS, machine.Shape(cpus=1), capture=True)
    if ended.code != 0:
        print(ended.output)
        sys.exit(f"verifier.py: Linux {series} ended with {ended.code}\n{ended.console[-2000:]}")
    return parse(ended.output)


def parse(output):
    found, compiler = {}, ""
    for words in map(str.split, output.splitlines()):
        if len(words) == 2 and words[0] == "compiler":
            compiler = words[1]
        elif len(words) == 3 and words[2].isdigit():
            found.setdefault(compiler, {})[words[1]] = int(words[2])
    return found


def compare(recorded, found):
    """What rose too much or is new, as lines."""
    wrong = []
    for compiler, programs in found.items():
        for program, work in programs.items():
            known = recorded.get(compiler, {}).get(program)
            if known is None:
                wrong.append(f"{program} by {compiler}: {work} instructions, no record")
            elif work > known * ALLOWED:
                wrong.append(f"{program} by {compiler}: {work} instructions, {work / known - 1:.0%} over the record of {known}")
    return wrong


def check(series):
    found = measure(series)
    for compiler, programs in found.items():
        print(f"{compiler}: " + ", ".join(f"{program} {work}" for program, work in programs.items()))
    wrong = compare(recorded_work().get(series, {}), found)
    for absent in sorted(COMPILERS.keys() - found.keys()):
        wrong.append(f"there are no objects by {absent} in {COMPILERS[absent]}: install it and configure again (tools/setup)")
    if wrong:
        print("\n".join(wrong))
        sys.exit(f"Linux {series}: the verifier's work rose; make the program simpler, or record it with "
                 "test/vm/verifier.py --record")


def record(chosen):
    for series in chosen:
        everything = recorded_work() | {series: measure(series)}
        everything = {each: everything[each] for each in SERIES if each in everything}
        RECORD.write_text(json.dumps(everything, indent=1) + "\n")
        before, _, rest = PAGE.read_text().partition(BEGIN)
        PAGE.write_text(before + BEGIN + table(everything) + END + rest.partition(END)[2])


def recorded_work():
    return json.loads(RECORD.read_text()) if RECORD.exists() else {}


def table(everything):
    """Only programs that some verifier has to work for."""
    names = sorted({program for compilers in everything.values() for programs in compilers.values()
                    for program, work in programs.items() if work >= 500})
    lines = ["| Kernel | " + " | ".join(names) + " |", "|---" * (len(names) + 1) + "|"]
    for series, compilers in everything.items():
        cells = [" / ".join(f"{compilers[each][name]:,}" if name in compilers[each] else "-" for each in sorted(compilers))
                 for name in names]
        lines.append(f"| {series} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def main():
    try:
        if sys.argv[1:2] == ["--record"] and set(sys.argv[2:]) <= set(SERIES):
            record(sys.argv[2:] or SERIES)
        elif len(sys.argv) == 2 and sys.argv[1] in SERIES:
            check(sys.argv[1])
        else:
            sys.exit(__doc__)
    except Missing as why:
        print(f"skipped: {why}")
        sys.exit(SKIP)


if __name__ == "__main__":
    main()
