"""One naru-agent in the namespace and cgroup of its node, and naructl on its pins."""

import json
import os
import signal
import subprocess
from pathlib import Path

from . import system

HEALTH_PORT, METRICS_PORT = 10256, 10249


def binaries():
    """Where naru-agent and naructl are: NARU_BIN, else the release build."""
    default = Path(__file__).resolve().parents[2] / "build/release/bin"
    found = Path(os.environ.get("NARU_BIN", default))
    if not (found / "naru-agent").exists():
        raise SystemExit(f"no naru-agent in {found}: build it (cmake --build --preset release) or set NARU_BIN")
    return found


class Agent:
    """`source`: the flags that say where its objects come from."""

    def __init__(self, place, folder_of_binaries, pin_name, log_folder, source):
        self.place = place
        self.bin = Path(folder_of_binaries)
        self.pins = system.BPFFS / pin_name
        self.source = source
        self.log_path = Path(log_folder) / f"{place.name}.log"
        self.process = None
        self.flags = ()

    def arguments(self, *flags):
        return [str(self.bin / "naru-agent"), *self.source,
                "--hostname-override", self.place.name, "--bpf-path", str(self.pins),
                "--cgroup-path", str(self.place.cgroup), "--healthz-bind-address", f"127.0.0.1:{HEALTH_PORT}",
                "--metrics-bind-address", f"127.0.0.1:{METRICS_PORT}", *flags]

    def start(self, *flags):
        self.flags = flags
        with self.log_path.open("ab") as log:
            self.process = system.spawn(self.arguments(*flags), self.place.netns, self.place.cgroup,
                                        stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def run(self, *flags, base=True):
        """Runs it to its end: CompletedProcess with the exit code and what it said."""
        argv = self.arguments(*flags) if base else [str(self.bin / "naru-agent"), *flags]
        child = system.spawn(argv, self.place.netns, self.place.cgroup, stdin=subprocess.DEVNULL,
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        try:
            out, err = child.communicate(timeout=15 * system.PATIENCE)
        except subprocess.TimeoutExpired:
            child.kill()
            out, err = child.communicate()
            raise AssertionError(f"naru-agent {' '.join(flags)} still ran after 15 s: {err}") from None
        return subprocess.CompletedProcess(argv, child.returncode, out, err)

    def ready(self):
        if self.process.poll() is not None:
            raise RuntimeError(f"naru-agent of {self.place.name} ended with {self.process.returncode}:\n{self.log(20)}")
        return self.place.get(HEALTH_PORT, "/readyz").get("status") == 200

    def wait_ready(self):
        # The kernel verifies the programs first, which takes an emulated processor half a minute and a busy one longer.
        try:
            system.wait_until(self.ready, 60, f"naru-agent of {self.place.name} is ready")
        except TimeoutError as why:
            raise RuntimeError(f"{why}\n{self.log(20)}") from None

    def kill(self, how=signal.SIGKILL):
        self.process.send_signal(how)
        return self.process.wait(10 * system.PATIENCE)

    def restart(self):
        self.start(*self.flags)
        self.wait_ready()

    def log(self, lines=None):
        text = self.log_path.read_text(errors="replace").splitlines() if self.log_path.exists() else []
        return "\n".join(text[-lines:] if lines else text)

    def naructl(self, *words):
        """Standard output, or an error that carries what it said."""
        done = subprocess.run([str(self.bin / "naructl"), "--bpf-path", str(self.pins), *words],
                              capture_output=True, text=True, timeout=20 * system.PATIENCE)
        if done.returncode != 0:
            raise RuntimeError(f"naructl {' '.join(words)} ended with {done.returncode}: {done.stderr.strip()}")
        return done.stdout

    def table(self, verb):
        return json.loads(self.naructl(verb, "-o", "json"))
