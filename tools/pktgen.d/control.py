"""The kernel's packet generator: who holds it holds it alone, and leaves nothing of it behind."""

import errno
import os
import re
import signal
import socket
import subprocess
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from options import UserError

PROC = Path("/proc/net/pktgen")
ENDS_WITHIN = 10  # seconds, from the word to the last packet
NOT_SUPPORTED = {errno.EOPNOTSUPP, 524}  # ENOTSUPP, which no program should ever see
ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True)
class Sent:
    """Of one thread. `errors`: what the driver did not take."""
    packets: int
    errors: int
    seconds: float


class Generator:
    """with Generator(threads, modprobe) as generator: generator.run(...)"""

    def __init__(self, threads, modprobe):
        self.wanted, self.modprobe = threads, modprobe
        self.loaded, self.lock = False, None

    def __enter__(self):
        if os.geteuid() != 0:
            raise UserError("pktgen belongs to root: run it as root (sudo tools/pktgen ...)")
        if not PROC.is_dir():
            self.load()
        try:
            self.lock = alone_here()
            self.threads = thread_names(name.name for name in PROC.iterdir())[:self.wanted]
            if len(self.threads) < self.wanted:
                raise UserError(f"--threads {self.wanted}: pktgen has only {len(self.threads)} of them, one for each processor")
            held = sorted({name for thread in thread_names(name.name for name in PROC.iterdir())
                           for name in sum(devices_of((PROC / thread).read_text()), [])})
            if held:
                raise UserError(f"pktgen already has {' '.join(held)}, of somebody else: wait for them to end, or "
                                f"take it away with: echo reset > {PROC}/pgctrl")
        except BaseException:
            self.release()
            raise
        return self

    def __exit__(self, *_):
        self.release()

    def load(self):
        if not self.modprobe:
            raise UserError("this kernel has no pktgen now: load it (modprobe pktgen), or let --modprobe do it")
        done = subprocess.run(["modprobe", "pktgen"], capture_output=True, text=True)
        if done.returncode != 0 or not PROC.is_dir():
            raise UserError(f"modprobe pktgen: {done.stderr.strip() or 'no ' + str(PROC)}; it takes a kernel with "
                            "CONFIG_NET_PKTGEN, such as Debian's")
        self.loaded = True

    def release(self):
        if self.lock:
            self.lock.close()
        if self.loaded:
            subprocess.run(["modprobe", "-r", "pktgen"], capture_output=True)

    def run(self, device, per_thread, seconds, alone):
        """Sends what `per_thread` says, for `seconds` at most: a Sent of each thread. `alone`: no packet is sent twice,
        so that whoever gets it need not copy it first, where the kernel can say so (6.7)."""
        names = []
        try:
            for thread, commands in zip(self.threads, per_thread, strict=True):
                name = f"{device}@{thread.removeprefix('kpktgend_')}"
                write(thread, f"add_device {name}")
                names.append(name)
                for command in commands:
                    write(name, command)
                if alone:
                    may_write(name, "flag !SHARED")
            with timer(seconds):
                write("pgctrl", "start")
            self.stop()
            return [sent((PROC / name).read_text()) for name in names]
        finally:
            with uninterrupted():
                self.stop()
                for thread in self.threads:
                    write(thread, "rem_device_all")
                self.wait(lambda running, stopped: not running + stopped)

    def stop(self):
        write("pgctrl", "stop")
        self.wait(lambda running, stopped: not running)

    def wait(self, holds):
        deadline = time.monotonic() + ENDS_WITHIN
        while not all(holds(*devices_of((PROC / thread).read_text())) for thread in self.threads):
            if time.monotonic() > deadline:
                raise UserError(f"pktgen did not end within {ENDS_WITHIN} s: echo reset > {PROC}/pgctrl")
            time.sleep(0.02)


def alone_here():
    """A name that only one process of a network namespace can have: pktgen is one for each as well."""
    name = socket.socket(socket.AF_UNIX)
    try:
        name.bind("\0naru-pktgen")
    except OSError:
        name.close()
        raise UserError("another tools/pktgen is running in this network namespace: wait for it") from None
    return name


def thread_names(names):
    found = [name for name in names if name.startswith("kpktgend_")]
    return sorted(found, key=lambda name: int(name.removeprefix("kpktgend_")))


def devices_of(text):
    """What the file of a thread names: running, stopped."""
    found = [re.search(rf"^{word}: *(.*)$", text, re.MULTILINE) for word in ("Running", "Stopped")]
    return [match[1].split() if match else [] for match in found]


def sent(text):
    """From the file of a device, after its run."""
    totals = re.search(r"pkts-sofar: (\d+)\s+errors: (\d+)", text)
    result = re.search(r"^Result: OK: (\d+)\(c\d+\+d\d+\)", text, re.MULTILINE)
    if not totals or not result:
        last = text.strip().splitlines()[-1:] or ["nothing"]
        raise UserError(f"pktgen did not send: {last[0].strip()}")
    return Sent(int(totals[1]), int(totals[2]), int(result[1]) / 1e6)


def write(name, command):
    """The kernel takes one command a write and cuts off its last byte."""
    try:
        fd = os.open(PROC / name, os.O_WRONLY)
    except FileNotFoundError:
        raise UserError(f"pktgen did not take the device: it has no {name}") from None
    try:
        os.write(fd, f"{command}\n".encode())
    except OSError as why:
        raise UserError(f"pktgen refused {command!r} for {name}: {reason(why)}{hint(command, why)}") from None
    finally:
        os.close(fd)


def reason(why):
    return os.strerror(errno.EOPNOTSUPP if why.errno in NOT_SUPPORTED else why.errno)


def hint(command, why):
    if command.startswith("burst") and why.errno in NOT_SUPPORTED:
        return "; this driver cannot send a packet twice, leave out --burst"
    if command.startswith("add_device") and why.errno == errno.EBUSY:
        return "; somebody else sends by this device"
    return ""


def may_write(name, command):
    try:
        write(name, command)
    except UserError:
        pass  # an older kernel: the same packets, and a copy of each


@contextmanager
def timer(seconds):
    """A signal ends the kernel's wait for its threads. Again and again: the first one may come before the wait."""
    before = signal.signal(signal.SIGALRM, lambda *_: None)
    signal.setitimer(signal.ITIMER_REAL, seconds, 0.2)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@contextmanager
def uninterrupted():
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
