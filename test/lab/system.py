"""What the lab asks of the kernel: namespaces, cgroup v2, bpffs. Linux calls that Python 3.11 does not wrap."""

import ctypes
import json
import os
import signal
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path

NETNS = Path("/run/netns")
BPFFS = Path("/sys/fs/bpf")
PYTHON = "/usr/bin/python3"
CLONE_NEWNET = 0x40000000
PATIENCE = float(os.environ.get("NARU_PATIENCE", "1"))  # how much longer everything may take, as in an emulated machine

_libc = ctypes.CDLL(None, use_errno=True)


class Missing(Exception):
    """This machine lacks something the lab needs: a reason to skip, not a failure."""


def setns(path):
    """Moves the calling thread into the network namespace at `path`."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if _libc.setns(fd, CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), f"enter {path}")
    finally:
        os.close(fd)


@contextmanager
def inside(netns):
    """The calling thread works in `netns` for the length of the block."""
    home = f"/proc/self/task/{_libc.gettid()}/ns/net"
    fd = os.open(home, os.O_RDONLY | os.O_CLOEXEC)
    setns(NETNS / netns)
    try:
        yield
    finally:
        if _libc.setns(fd, CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "leave the namespace")
        os.close(fd)


def sysctl(netns, values):
    """/proc/sys/net shows the namespace of whoever opens a file."""
    with inside(netns):
        for key, value in values.items():
            Path("/proc/sys/net", key).write_text(str(value))


def ip(*words):
    done = subprocess.run(["ip", *words], capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"ip {' '.join(words)}: {done.stderr.strip()}")


def addresses(netns, family):
    """The global ones of all its devices."""
    done = subprocess.run(["ip", "-n", netns, f"-{family}", "-json", "addr", "show", "scope", "global"],
                          capture_output=True, text=True, check=True)
    rows = [each for device in json.loads(done.stdout) for each in device.get("addr_info", [])]
    return {each["local"] for each in rows if each}  # what the filter leaves out is shown as {}


def ip_output(netns, *words):
    done = subprocess.run(["ip", "-n", netns, *words], capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"ip -n {netns} {' '.join(words)}: {done.stderr.strip()}")
    return done.stdout


def ip_batch(netns, lines):
    """All lines by one `ip`, which stops at the first that fails."""
    done = subprocess.run(["ip", "-n", netns, "-batch", "-"], input="\n".join(lines) + "\n",
                          capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"in {netns}: {done.stderr.strip()}")


def spawn(argv, netns, cgroup, **popen):
    """Starts a process that was in its namespace and its cgroup before it was itself: both select BPF programs."""
    def enter():
        (cgroup / "cgroup.procs").write_text(str(os.getpid()))
        setns(NETNS / netns)
    return subprocess.Popen(argv, preexec_fn=enter, start_new_session=True, **popen)


def cgroup_root():
    for line in Path("/proc/mounts").read_text().splitlines():
        _, where, kind, *_ = line.split()
        if kind == "cgroup2":
            return Path(where)
    raise Missing("cgroup v2 is not mounted: mount -t cgroup2 none /sys/fs/cgroup/unified")


def mount_bpffs():
    mounts = [line.split()[1:3] for line in Path("/proc/mounts").read_text().splitlines()]
    if [str(BPFFS), "bpf"] in mounts:
        return
    done = subprocess.run(["mount", "-t", "bpf", "bpf", str(BPFFS)], capture_output=True, text=True)
    if done.returncode != 0:
        raise Missing(f"bpffs cannot be mounted on {BPFFS}: {done.stderr.strip()}")


def require_privileges():
    if os.geteuid() != 0:
        raise Missing("needs root: network namespaces, cgroups and BPF (CAP_SYS_ADMIN, CAP_NET_ADMIN, CAP_BPF)")
    probe = f"naru-probe-{os.getpid()}"
    try:
        ip("netns", "add", probe)
        ip("netns", "del", probe)
    except (RuntimeError, FileNotFoundError) as why:
        raise Missing(f"cannot make a network namespace: {why}") from None


def remove_cgroup(folder):
    """Ends what still runs below `folder`, then removes it."""
    if not folder.is_dir():
        return
    for child in folder.iterdir():
        if child.is_dir():
            remove_cgroup(child)
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        for pid in (folder / "cgroup.procs").read_text().split():
            try:
                os.kill(int(pid), signal.SIGKILL)
            except ProcessLookupError:
                pass
        try:
            folder.rmdir()
            return
        except OSError:
            time.sleep(0.01)
    raise RuntimeError(f"processes in {folder} do not end")


def remove_pins(folder):
    """Unpinning the links is what detaches the programs."""
    if folder.is_symlink() or folder.is_file():
        folder.unlink()
        return
    if not folder.is_dir():
        return
    for entry in list(folder.iterdir()):
        if entry.is_dir() and not entry.is_symlink():
            remove_pins(entry)
        else:
            entry.unlink()
    folder.rmdir()


def wait_until(holds, within, what):
    """Waits for a condition, never for a time. Returns what the condition gave."""
    deadline = time.monotonic() + within * PATIENCE
    while True:
        value = holds()
        if value:
            return value
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {within:g} s: {what}")
        time.sleep(0.01)
