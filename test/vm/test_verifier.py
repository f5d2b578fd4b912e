"""What counts as a rise of the verifier's work, without any machine."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from vm.verifier import compare, parse  # noqa: E402

RECORD = {"clang-19": {"tc_ingress": 1000, "connect4": 100}}


def told(**programs):
    return compare(RECORD, {"clang-19": programs})


assert told(tc_ingress=1100, connect4=50) == [], "a tenth is no rise too many, nor is a fall"
assert len(told(tc_ingress=1101, connect4=111)) == 2, "more than a tenth is told, each program of its own"
assert "no record" in told(xdp=5)[0], "a program without a record is told"
assert compare(RECORD, {"clang-16": {"tc_ingress": 1}}), "so is a compiler without one"
assert parse("compiler clang-19\ntc tc_ingress 12\nlibbpf: noise 3 4\nsock connect4 7\ncompiler clang-16\n") == {
    "clang-19": {"tc_ingress": 12, "connect4": 7}}, "other lines are not taken for work"
