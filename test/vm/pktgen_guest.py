"""Runs inside a machine: sends through what is named (drop, tx, xdp, tc, ipvs-dr, ipvs-nat, and drop6, tx6, xdp6, tc6), and
says a line of JSON for each: what tools/pktgen said, and how many packets the balancer counted itself.

pktgen_guest.py COUNT ROUNDS MODE..."""

import json
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from vm import ipvs  # noqa: E402
from vm.pktgen_bed import Bed  # noqa: E402


@contextmanager
def middle(bed, mode):
    """Puts the balancer of this mode on the wire: how to count what it took, and words for the tool."""
    if mode == "drop":
        with bed.verdict("drop"):
            yield None, bed.arrived_at_lb()
    elif mode == "tx":
        with bed.verdict("bounce"):
            yield None, ()
    elif mode in ("xdp", "tc"):
        with bed.naru("native" if mode == "xdp" else "off"):
            yield lambda: bed.forwarded("xdp" if mode == "xdp" else "tc_ingress"), ()
    else:
        with bed.ipvs({"ipvs-dr": ipvs.DIRECT, "ipvs-nat": ipvs.NAT}[mode]):
            yield lambda: ipvs.packets(bed.lb.netns), ()


def main(count, rounds, modes):
    subprocess.run(["modprobe", "pktgen"], check=True)
    with Bed() as bed:
        for mode in dict.fromkeys(each.removesuffix("6") for each in modes):
            with middle(bed, mode) as (counted, words):
                for name in (each for each in modes if each.removesuffix("6") == mode):
                    before = counted() if counted else 0
                    said = bed.pktgen("--count", count, "--rounds", rounds, *words, family=6 if name.endswith("6") else 4)
                    taken = counted() - before if counted else None
                    print(json.dumps({"mode": name, "taken": taken, "rounds": said["rounds"]}), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:3], sys.argv[3:])
