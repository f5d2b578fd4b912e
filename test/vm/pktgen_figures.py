"""What rounds of pktgen_guest.py mean: whether counts add up, instructions a packet, what rose. Values only."""

import json
from dataclasses import dataclass
from statistics import median

NANOSECONDS = 2       # an instruction of a machine with -icount shift=1 takes 2^1
ALLOWED = 1.10
GATED = ("xdp", "tc", "xdp6", "tc6")
SAME = 1.02           # what the floor may differ by between two boots of one kernel


@dataclass(frozen=True)
class Mode:
    name: str
    instructions: float    # a packet, with all that sends and drops it
    spread: float          # between the rounds, of the median


def parse(output):
    """Lines of JSON among others: mode -> what was said of it."""
    said = [json.loads(line) for line in output.splitlines() if line.startswith('{"mode"')]
    return {each["mode"]: each for each in said}


def uneven(said, count):
    """Counts that do not add up, as lines. Nothing that was lost on the way may make a mode look cheap."""
    wrong = []
    for each in said["rounds"]:
        where = f"{said['mode']}, round {each['number']}"
        if each["sent"] != count or each["errors"]:
            wrong.append(f"{where}: {each['sent']} of {count} packets sent, {each['errors']} errors")
        if each["arrived"] != each["sent"]:
            wrong.append(f"{where}: {each['sent']} packets sent, {each['arrived']} arrived")
    total = sum(each["sent"] for each in said["rounds"])
    if said["taken"] is not None and said["taken"] != total:
        wrong.append(f"{said['mode']}: {total} packets sent, the balancer counted {said['taken']}")
    return wrong


def figure(said):
    """The first round makes the flows, and is left out."""
    each = [one["seconds"] * 1e9 / NANOSECONDS / one["sent"] for one in said["rounds"][1:]]
    middle = median(each)
    return Mode(said["mode"], middle, (max(each) - min(each)) / middle)


def floor_of(mode):
    return "drop6" if mode.endswith("6") else "drop"


def net(boots):
    """Boots as lists of Mode -> instructions a packet above the floor of the same boot, and the floors themselves."""
    found = {}
    for modes in boots:
        by_name = {each.name: each.instructions for each in modes}
        for name, instructions in by_name.items():
            if name == floor_of(name):
                found.setdefault(name, round(instructions))
            else:
                found[name] = round(instructions - by_name[floor_of(name)])
    return found


def restless(boots):
    """Floors that differ between boots, and rounds that differ from each other: then the clock is not the instructions'."""
    wrong = []
    floors = [each.instructions for modes in boots for each in modes if each.name == "drop"]
    if max(floors) > min(floors) * SAME:
        wrong.append(f"the floor differs between boots: {', '.join(f'{each:.0f}' for each in floors)} instructions")
    wrong += [f"{each.name}: rounds differ by {each.spread:.1%}" for modes in boots for each in modes
              if each.spread > SAME - 1]
    return wrong


def compare(recorded, found):
    """What rose too much or is new, as lines. Only what naru has in its hands."""
    wrong = []
    for mode in GATED:
        known, now = recorded.get(mode), found.get(mode)
        if now is None:
            wrong.append(f"{mode} was not measured")
        elif known is None:
            wrong.append(f"{mode}: {now} instructions a packet, no record")
        elif now > known * ALLOWED:
            wrong.append(f"{mode}: {now} instructions a packet, {now / known - 1:.0%} over the record of {known}")
    return wrong


ROWS = {
    "tx": "XDP_TX without a look at the frame", "xdp": "naru, `--xdp native`", "tc": "naru, `--xdp off`",
    "ipvs-dr": "IPVS, direct routing", "ipvs-nat": "IPVS, NAT of the destination only",
}


def table(kernels):
    """For docs/benchmarks.md. `kernels`: series -> instructions by mode."""
    lines = ["| Linux | way | IPv4 | of XDP_TX | IPv6 | of XDP_TX |", "|---|---|---|---|---|---|"]
    for series, found in kernels.items():
        floors = [f"{found[name]:,}" if name in found else "-" for name in ("drop", "drop6")]
        lines.append(f"| {series} | floor: made, sent, dropped by XDP | {floors[0]} | | {floors[1]} | |")
        for mode, words in ROWS.items():
            cells = []
            for name, base in ((mode, "tx"), (f"{mode}6", "tx6")):
                known = name in found
                cells += [f"{found[name]:,}" if known else "-",
                          f"{found[name] / found[base]:.2f}x" if known and name != base and base in found else ""]
            lines.append(f"| {series} | {words} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"
