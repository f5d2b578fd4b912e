"""naru-bench --quick: every group runs through its own checks, both outputs agree, nothing is left behind."""

import json
import os
import subprocess
import sys
from pathlib import Path

SKIP = 77
GROUPS = {"tc", "sock", "connect", "wire", "tables", "sync"}
TARGETS = {("naru", "fixed"), ("naru", "direct"), ("naru", "at 2"), ("naru", None)}


def bench(binary, *flags):
    done = subprocess.run([binary, *flags], capture_output=True, text=True, timeout=200)
    return done.returncode, done.stdout, done.stderr


def leftovers():
    mounts = [line.split() for line in Path("/proc/self/mounts").read_text().splitlines()]
    roots = [Path(fields[1]) for fields in mounts if fields[2] in ("bpf", "cgroup2")]
    return {path for root in roots for path in root.glob("naru-bench-*")}


def main(binary):
    before = leftovers()
    code, out, err = bench(binary, "--quick", "-o", "json")
    assert code == 0, f"exit {code}: {err}"
    report = json.loads(out)
    rows = report["rows"]
    assert report["quick"] and report["machine"]["kernel"].startswith("Linux ")
    assert {row["group"] for row in rows} == GROUPS, {row["group"] for row in rows}
    for row in rows:
        names = [series["name"] for series in row["series"]]
        assert "naru" in names and len(set(names)) == len(names) >= 2, row
        assert all(series["median"] >= series["minimum"] > 0 for series in row["series"]), row
        assert any("subject_over_it" in series for series in row["series"]), row
    targets = {(target["subject"], target["over"]) for row in rows for target in row["targets"]}
    assert targets == TARGETS, targets

    code, out, err = bench(binary, "--quick", "--only", "sock")
    assert code == 0, f"exit {code}: {err}"
    assert "quick:" in out and "connect, IPv6, 1 Service" in out and "Maglev" not in out, out

    for flags, complaint in ((["--only", "nonsense"], "nonsense"), (["--quick", "--check"], "--check")):
        code, out, err = bench(binary, *flags)
        assert code == 2 and complaint in err and not out, f"{flags}: exit {code}: {err}"

    left = leftovers() - before
    assert not left, f"left behind: {left}"


if __name__ == "__main__":
    if os.geteuid() != 0:
        print("skipped: needs root: BPF programs, a cgroup and network namespaces")
        sys.exit(SKIP)
    main(sys.argv[1])
