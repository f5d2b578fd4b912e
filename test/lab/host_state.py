"""Everything of a node that is its owner's and not naru's: what must be the same with naru, without and after it."""

import re
import subprocess
from collections import Counter
from pathlib import Path

from . import system

# Counters and estimates that the kernel keeps in sysctl files.
MOVING = {"netfilter/nf_conntrack_count"}
COMMANDS = {
    "addresses": ["ip", "-o", "addr"],
    "links": ["ip", "-o", "link"],
    "IPv4 routes": ["ip", "-4", "route", "show", "table", "all"],
    "IPv6 routes": ["ip", "-6", "route", "show", "table", "all"],
    "IPv4 routing rules": ["ip", "-4", "rule"],
    "IPv6 routing rules": ["ip", "-6", "rule"],
    "neighbours by hand": ["ip", "neigh", "show", "nud", "permanent"],
    "nft rules": ["nft", "-s", "list", "ruleset"],
    "iptables rules": ["iptables-legacy-save"],
    "ip6tables rules": ["ip6tables-legacy-save"],
}
# Dates, how many packets a chain saw, and a bridge that has just come to life.
VOLATILE = re.compile(r"^#.*\n|\[\d+:\d+\]| state (?:UP|UNKNOWN)", re.MULTILINE)


def host_state(netns):
    """name -> lines."""
    state = {what: run(netns, argv) for what, argv in COMMANDS.items()}
    state["sysctl settings"] = sysctls(netns)
    return state


def run(netns, argv):
    done = subprocess.run(["nsenter", f"--net={system.NETNS / netns}", *argv], capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(argv)} in {netns}: {done.stderr.strip()}")
    return VOLATILE.sub("", done.stdout).splitlines()


def sysctls(netns):
    root = Path("/proc/sys/net")
    lines = []
    with system.inside(netns):
        for file in sorted(root.rglob("*")):
            name = str(file.relative_to(root))
            if file.is_file() and name not in MOVING and file.stat().st_mode & 0o444:
                lines.append(f"{name} = {value_of(file)}")
    return lines


def value_of(file):
    try:
        return file.read_text().strip()
    except OSError as why:
        return f"unreadable: {why.strerror}"  # stable_secret while it is not set


def changes(before, after):
    """Lines that came and went, ready to be printed; nothing when nothing did."""
    told = []
    for what, lines in before.items():
        old, new = Counter(lines), Counter(after[what])
        told += [f"{what}: gone: {line}" for line in (old - new).elements()]
        told += [f"{what}: new: {line}" for line in (new - old).elements()]
    return told
