"""How many packets arrived: a counter that only grows, read before and after."""

import re
import subprocess
import time

from options import UserError
from way import ask

STILL = 3               # times the same number
APART = 0.05            # seconds
SETTLES_WITHIN = 10     # seconds
ANSWERS_WITHIN = 20


class Counter:
    def __init__(self, device, command):
        self.device, self.command = device, command

    def read(self):
        return printed(self.command) if self.command else received(self.device)

    def settled(self):
        """Once it has stopped growing, or will not."""
        deadline = time.monotonic() + SETTLES_WITHIN
        last, same = self.read(), 1
        while same < STILL and time.monotonic() < deadline:
            time.sleep(APART)
            now = self.read()
            last, same = now, same + 1 if now == last else 1
        return last


def received(device):
    found = ask("-s", "link", "show", "dev", device)
    if not found:
        raise UserError(f"{device} is gone")
    return found[0]["stats64"]["rx"]["packets"]


def printed(command):
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=ANSWERS_WITHIN)
    except OSError as why:
        raise UserError(f"--counter: {command[0]}: {why.strerror}") from None
    except subprocess.TimeoutExpired:
        raise UserError(f"--counter did not end within {ANSWERS_WITHIN} s: {' '.join(command)}") from None
    if done.returncode != 0 or not re.fullmatch(r"\d+", done.stdout.strip()):
        said = (done.stderr.strip() or done.stdout.strip() or "nothing").splitlines()[-1]
        raise UserError(f"--counter has to print one number, it ended with {done.returncode} and said: {said}")
    return int(done.stdout)
