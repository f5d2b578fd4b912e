"""tools/pktgen on a kernel that has pktgen, over a wire between two namespaces."""

import json
import signal
import subprocess
import sys
import time
import traceback
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from lab import system  # noqa: E402
from lab.lab import LOOSE  # noqa: E402
from lab.system import inside, ip, ip_batch, sysctl, wait_until  # noqa: E402

TOOL = Path(__file__).resolve().parents[2] / "tools/pktgen"
HERE, THERE = "naru-pktgen-a", "naru-pktgen-b"
ADDRESS = {HERE: "198.18.0.1", THERE: "198.18.0.2"}
OTHER = "198.18.0.3"  # of THERE as well
COUNTER = f"nsenter --net=/run/netns/{THERE} awk '$1 == \"eth0:\" {{print $3}}' /proc/net/dev"
TO_THERE = ("--device", "eth0", "--dst", ADDRESS[THERE], "--counter", COUNTER)


def build():
    for netns in (HERE, THERE):
        ip("netns", "add", netns)
        sysctl(netns, LOOSE | {"ipv6/conf/default/disable_ipv6": 1})
    ip("link", "add", "eth0", "netns", HERE, "type", "veth", "peer", "name", "eth0", "netns", THERE)
    for netns, address in ADDRESS.items():
        ip_batch(netns, ["link set lo up", f"addr add {address}/24 dev eth0", "link set eth0 up"])
    ip_batch(THERE, [f"addr add {OTHER}/24 dev eth0"])


def start(*words):
    return subprocess.Popen(["nsenter", f"--net=/run/netns/{HERE}", str(TOOL), *words], stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True)


def run(*words):
    """What it prints, and what it says when it fails."""
    child = start(*words)
    out, err = child.communicate(timeout=120 * system.PATIENCE)
    return child.returncode, out, err.strip()


def refused(*words):
    code, _, err = run(*words)
    assert code == 1 and err.startswith("pktgen: ") and "\n" not in err, f"{words}: {code} {err}"
    return err


def says(words, line):
    assert words in line, line


def thread(text=None):
    """The file of the only thread, or a command to it. /proc/net is that of whoever opens a file."""
    with inside(HERE):
        path = Path("/proc/thread-self/net/pktgen/kpktgend_0")
        return path.read_text() if text is None else path.write_text(f"{text}\n")


def devices():
    lines = [line.split(":", 1)[1].split() for line in thread().splitlines() if line.startswith(("Running:", "Stopped:"))]
    return sum(lines, [])


def module():
    return Path("/sys/module/pktgen").is_dir()


def without_the_module_it_says_so_and_loads_it_only_when_told():
    says("--modprobe", refused(*TO_THERE))
    assert not module()
    code, _, err = run(*TO_THERE, "--count", "10", "--rounds", "1", "--modprobe")
    assert code == 0, err
    assert not module(), "what it loaded it takes away again"
    subprocess.run(["modprobe", "pktgen"], check=True)


def every_packet_is_counted_here_and_there():
    # 1,600 packets of 16 flows at the other end, and a few of the neighbours' own.
    code, out, err = run(*TO_THERE, "--count", "1600", "--rounds", "2", "--src-ports", "7000-7015", "-o", "json")
    assert code == 0, err
    said = json.loads(out)
    assert [each["sent"] for each in said["rounds"]] == [1600, 1600] and said["flows"] == 16, said
    assert all(1600 <= each["arrived"] <= 1610 and not each["errors"] for each in said["rounds"]), said
    assert said["targets"]["through"]["source"] == ADDRESS[HERE], said
    with inside(THERE):
        mac = subprocess.run(["ip", "-json", "link", "show", "dev", "eth0"], capture_output=True, check=True).stdout
    assert said["targets"]["through"]["mac"] == json.loads(mac)[0]["address"], "the neighbour's own address"


def rounds_go_to_both_in_turns_and_give_a_ratio():
    code, out, err = run(*TO_THERE, "--direct", OTHER, "--count", "2000", "--rounds", "3")
    assert code == 0, err
    lines = [line.split() for line in out.splitlines()[2:8]]
    assert [line[1] for line in lines] == ["direct", "through"] * 3, out
    assert "through the balancer: " in out and " of direct" in out, out


def a_round_without_a_count_ends_by_time():
    before = time.monotonic()
    code, out, err = run(*TO_THERE, "--seconds", "1", "--rounds", "1", "-o", "json")
    assert code == 0, err
    each = json.loads(out)["rounds"][0]
    assert each["sent"] > 100 and 0.5 < each["seconds"] < 5 * system.PATIENCE, each
    assert time.monotonic() - before < 60 * system.PATIENCE
    assert devices() == []


def a_rate_is_kept():
    code, out, err = run(*TO_THERE, "--seconds", "2", "--rate", "500", "--rounds", "1", "-o", "json")
    assert code == 0, err
    each = json.loads(out)["rounds"][0]
    assert 250 < each["sent"] / each["seconds"] < 550, each


def a_signal_ends_it_and_nothing_is_left_running():
    for number in (signal.SIGINT, signal.SIGTERM):
        child = start(*TO_THERE, "--seconds", "500")
        wait_until(lambda: "eth0@0" in thread().partition("Stopped")[0], 60, "pktgen is running")
        child.send_signal(number)
        _, err = child.communicate(timeout=60 * system.PATIENCE)
        assert child.returncode == 128 + number and "nothing is left running" in err, f"{child.returncode} {err}"
        assert devices() == [], thread()


def two_do_not_share_it():
    child = start(*TO_THERE, "--seconds", "500")
    try:
        wait_until(lambda: "eth0@0" in thread().partition("Stopped")[0], 60, "pktgen is running")
        line = refused(*TO_THERE)
        assert "another tools/pktgen" in line, line
    finally:
        child.send_signal(signal.SIGINT)
        child.communicate(timeout=60 * system.PATIENCE)


def what_somebody_else_set_up_is_left_alone():
    thread("add_device eth0@0")
    says("eth0@0", refused(*TO_THERE))
    assert devices() == ["eth0@0"]
    thread("rem_device_all")
    wait_until(lambda: devices() == [], 10, "the device is gone")


def what_cannot_work_is_refused_in_one_line():
    says("is an address of this machine", refused("--device", "eth0", "--dst", ADDRESS[HERE]))
    says("does not answer", refused("--device", "eth0", "--dst", "198.18.0.99"))
    says("leave out --burst", refused(*TO_THERE, "--burst", "8"))
    says("has only 1 of them", refused(*TO_THERE, "--threads", "2"))
    says("takes: 1514", refused(*TO_THERE, "--size", "1515"))
    says("has to print one number", refused("--device", "eth0", "--dst", ADDRESS[THERE], "--counter", "false"))
    assert devices() == []
    ip_batch(HERE, ["link set eth0 down"])
    says("is down", refused(*TO_THERE))


def main():
    build()
    failed = 0
    for test in (without_the_module_it_says_so_and_loads_it_only_when_told, every_packet_is_counted_here_and_there,
                 rounds_go_to_both_in_turns_and_give_a_ratio, a_round_without_a_count_ends_by_time, a_rate_is_kept,
                 a_signal_ends_it_and_nothing_is_left_running, two_do_not_share_it,
                 what_somebody_else_set_up_is_left_alone, what_cannot_work_is_refused_in_one_line):
        sentence = test.__name__.replace("_", " ")
        try:
            test()
            print(f"ok    {sentence}", flush=True)
        except Exception:
            print(f"FAIL  {sentence}\n{traceback.format_exc()}", flush=True)
            failed += 1
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
