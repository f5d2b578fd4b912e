"""One virtual machine: boots a kernel on the files of this system, runs a command there, and hands back its output
and its exit code."""

import ctypes
import os
import shutil
import signal
import subprocess
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from .image import initramfs
from .kernels import Missing, cache, locked

VIRTIOFSD = Path("/usr/lib/qemu/virtiofsd")
PROJECT = Path(__file__).resolve().parents[2]
# An emulated machine may stand still for seconds when others want the processor: neither the check of the timer at the
# start nor a watchdog may take that for a fault.
COMMAND_LINE = ("console=ttyS0 8250.nr_uarts=4 panic=-1 quiet mitigations=off init_on_alloc=0 cgroup_no_v1=all "
                "net.ifnames=0 no_timer_check nowatchdog rcupdate.rcu_cpu_stall_suppress=1")
EMULATED = ("-accel", "tcg,thread=multi", "-cpu", "max,la57=off")
VIRTUAL = ("-accel", "kvm", "-cpu", "host")
PROBE_SECONDS = 30
TIMED_OUT, NO_ANSWER = 124, 125


@dataclass(frozen=True)
class Shape:
    cpus: int = 1
    memory: str = "2G"
    accelerator: tuple = ()  # empty: what this machine can do


@dataclass(frozen=True)
class Ended:
    code: int
    output: str  # empty when it was not captured
    console: str


def require():
    """Everything a machine needs from this one."""
    if os.geteuid() != 0:
        raise Missing("needs root: the guest sees this system's files as root, by a mount namespace of its own")
    for tool in ("qemu-system-x86_64", "busybox", "cpio", "modprobe"):
        if not shutil.which(tool):
            raise Missing(f"{tool} is not installed: tools/setup")
    if not VIRTIOFSD.exists():
        raise Missing(f"{VIRTIOFSD} is not installed: tools/setup")


def run(kernel, command, timeout, shape=Shape(), capture=False):
    """One machine at a time: two on one processor only make each other late."""
    require()
    with locked("vm"), tempfile.TemporaryDirectory(prefix="naru-vm-") as folder:
        accelerator = shape.accelerator or best_accelerator(kernel, folder)
        return boot(kernel, command, timeout, Shape(shape.cpus, shape.memory, accelerator), capture, folder)


def best_accelerator(kernel, folder):
    """A kvm device may be there and still not run a stock kernel, so it is tried, once per start of this system."""
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return EMULATED
    memory = cache() / f"vm-kvm-{Path('/proc/sys/kernel/random/boot_id').read_text().strip()}"
    if not memory.exists():
        ended = boot(kernel, "true", PROBE_SECONDS, Shape(accelerator=VIRTUAL), True, folder)
        for old in cache().glob("vm-kvm-*"):
            old.unlink()
        memory.write_text("yes" if ended.code == 0 else "no")
    return VIRTUAL if memory.read_text() == "yes" else EMULATED


def boot(kernel, command, timeout, shape, capture, folder):
    image = initramfs(kernel, command, folder)
    console, status, socket = (Path(folder, name) for name in ("console", "status", "socket"))
    status.unlink(missing_ok=True)
    with served_root(socket, folder):
        qemu = subprocess.Popen(
            ["qemu-system-x86_64", *shape.accelerator, "-machine", "q35", "-smp", str(shape.cpus), "-m", shape.memory,
             "-object", f"memory-backend-memfd,id=memory,size={shape.memory},share=on", "-numa", "node,memdev=memory",
             "-chardev", f"socket,id=files,path={socket}", "-device", "vhost-user-fs-pci,chardev=files,tag=naru",
             "-kernel", str(kernel.image), "-initrd", str(image), "-append", COMMAND_LINE,
             "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
             "-serial", f"file:{console}", "-serial", "stdio", "-serial", f"file:{status}"],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE if capture else None, stderr=subprocess.STDOUT,
            preexec_fn=die_with_parent)
        with ended_with(qemu):
            try:
                output, _ = qemu.communicate(timeout=timeout)
            except subprocess.TimeoutExpired:
                qemu.kill()
                output, _ = qemu.communicate()
                status.write_text(str(TIMED_OUT))
    text = status.read_text().strip() if status.exists() else ""
    log = console.read_text(errors="replace") if console.exists() else ""
    # Without a code the guest never came so far, or its kernel gave up.
    return Ended(int(text) if text.isdigit() else NO_ANSWER, (output or b"").decode(errors="replace"), log)


@contextmanager
def served_root(socket, folder):
    """virtiofsd with a read-only view of the root file system that nobody else sees."""
    view = Path(folder, "view")
    view.mkdir(exist_ok=True)
    socket.unlink(missing_ok=True)
    mounts = [f"mount --bind / {view}", f"mount -o remount,ro,bind {view}"]
    for place in places_elsewhere():
        mounts += [f"mount --bind {place} {view}{place}", f"mount -o remount,ro,bind {view}{place}"]
    daemon = subprocess.Popen(
        ["unshare", "--mount", "--propagation", "private", "sh", "-ec",
         "\n".join([*mounts, f"exec {VIRTIOFSD} --socket-path={socket} -o source={view},cache=always,sandbox=chroot"])],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        preexec_fn=die_with_parent)
    with ended_with(daemon):
        deadline = time.monotonic() + 10
        while not socket.exists():
            if daemon.poll() is not None:
                raise Missing(f"virtiofsd does not start: {daemon.stderr.read().strip()}")
            if time.monotonic() > deadline:
                raise Missing("virtiofsd did not open its socket within 10 s")
            time.sleep(0.02)
        yield


def places_elsewhere():
    """Mount points of what a guest must see and the root file system does not hold."""
    root, found = os.stat("/").st_dev, []
    for path in (PROJECT, cache(), Path(os.environ.get("NARU_BIN", PROJECT))):
        if path.stat().st_dev == root:
            continue
        while not path.is_mount():
            path = path.parent
        if path not in found:
            found.append(path)
    return found


def die_with_parent():
    """Whatever ends this process, nothing it started stays behind."""
    pr_set_pdeathsig = 1
    ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)


@contextmanager
def ended_with(process):
    try:
        yield
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
