"""naru-agent on a kubeconfig, and what can be learnt of it from outside: tables, pages, log."""

import http.client
import json
import re
import signal
import subprocess
from dataclasses import dataclass

from lab import system

HEALTH_PORT, METRICS_PORT = 10256, 10249


@dataclass(frozen=True)
class Answer:
    status: int
    body: str


class Agent:
    def __init__(self, binaries, netns, cgroup, pins, folder):
        self.binaries, self.netns, self.cgroup, self.pins = binaries, netns, cgroup, pins
        self.log_path = folder / "agent.log"
        self.process = None

    def command(self, *flags):
        """In its namespace and cgroup before it is itself."""
        return ["sh", "-c", 'echo $$ >"$1/cgroup.procs" && shift && exec "$@"', "sh", str(self.cgroup),
                "nsenter", f"--net={system.NETNS / self.netns}", str(self.binaries / "naru-agent"),
                "--hostname-override", "n1", "--bpf-path", str(self.pins), "--cgroup-path", str(self.cgroup),
                "--healthz-bind-address", f"127.0.0.1:{HEALTH_PORT}",
                "--metrics-bind-address", f"127.0.0.1:{METRICS_PORT}", "-v", "4", *flags]

    def start(self, *flags):
        self.cgroup.mkdir(parents=True, exist_ok=True)
        with self.log_path.open("ab") as log:
            self.process = subprocess.Popen(self.command(*flags), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            start_new_session=True)

    def run(self, *flags, within=15):
        """To its end: CompletedProcess with the exit code and what it said."""
        self.cgroup.mkdir(parents=True, exist_ok=True)
        return subprocess.run(self.command(*flags), stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=within)

    def stop(self, how=signal.SIGTERM):
        if self.process and self.process.poll() is None:
            self.process.send_signal(how)
            self.process.wait(10)

    @property
    def alive(self):
        return self.process is not None and self.process.poll() is None

    def wait_ready(self, within=60):
        def ready():
            if not self.alive:
                raise AssertionError(f"naru-agent ended with {self.process.returncode}")
            return self.get("/readyz").status == 200
        try:
            system.wait_until(ready, within, "naru-agent is ready")
        except TimeoutError as why:
            raise AssertionError(f"{why}: {self.get('/readyz').body.strip()}") from None

    # What it shows

    def get(self, path, port=HEALTH_PORT):
        """Status 0: nobody answered."""
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            with system.inside(self.netns):
                connection.connect()
            connection.request("GET", path)
            answer = connection.getresponse()
            return Answer(answer.status, answer.read().decode())
        except OSError as why:
            return Answer(0, str(why))
        finally:
            connection.close()

    def metrics(self):
        return self.get("/metrics", METRICS_PORT).body

    def metric(self, name, **labels):
        """Sum of the series of `name` that carry these labels; None: there is none."""
        found = None
        for line in self.metrics().splitlines():
            match = re.match(r"([a-zA-Z_:]+)(?:\{(.*)\})? (\S+)$", line)
            if not match or match[1] != name:
                continue
            given = dict(re.findall(r'(\w+)="([^"]*)"', match[2] or ""))
            if all(given.get(key) == value for key, value in labels.items()):
                found = (found or 0) + float(match[3])
        return found

    def log(self, lines=None):
        text = self.log_path.read_text(errors="replace").splitlines() if self.log_path.exists() else []
        return "\n".join(text[-lines:] if lines else text)

    # The tables

    def naructl(self, *words):
        done = subprocess.run([str(self.binaries / "naructl"), "--bpf-path", str(self.pins), *words],
                              capture_output=True, text=True, timeout=20)
        if done.returncode != 0:
            raise AssertionError(f"naructl {' '.join(words)} ended with {done.returncode}: {done.stderr.strip()}")
        return done.stdout

    def table(self, verb):
        return json.loads(self.naructl(verb, "-o", "json"))

    def names(self):
        """Names of the Services that own a frontend."""
        return {row["name"] for row in self.table("services") if row["id"] is not None}

    def backends_of(self, name):
        """Addresses a new flow may get."""
        return {row["backend"] for row in self.table("backends") if row["name"] == name and row["chosen"]}
