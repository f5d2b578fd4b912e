"""The last line of test/run: how many tests passed, failed and were skipped, and why the skipped ones were."""

import sys
import xml.etree.ElementTree as xml


def outcome(case):
    """ctest writes "notrun" both for a test that skipped itself and for one that could not be started."""
    status = case.get("status")
    if status == "run":
        return "passed"
    skipped = case.find("skipped")
    if status == "disabled" or (skipped is not None and skipped.get("message", "").startswith("SKIP_")):
        return "skipped"
    return "failed"


def reason(case):
    lines = (case.findtext("system-out") or "").strip().splitlines()
    return lines[-1].removeprefix("skipped: ") if lines else "no reason given"


def main(path):
    count = {"passed": 0, "failed": 0, "skipped": 0}
    for case in xml.parse(path).getroot().iter("testcase"):
        result = outcome(case)
        count[result] += 1
        if result == "skipped":
            print(f"skipped: {case.get('name')}: {reason(case)}")
    print(", ".join(f"{number} {name}" for name, number in count.items()))


if __name__ == "__main__":
    main(sys.argv[1])
