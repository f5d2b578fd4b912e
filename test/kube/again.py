"""The scenarios of test/net once more, their objects by way of the API server: `again.py [WORD...]`.

On the socket path only: outside clients take the packet path there too, and what differs here is where objects come
from."""

import importlib
import sys
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS), str(TESTS / "kube"), str(TESTS / "net")]

from cluster.suite import Suite  # noqa: E402
from lab.check import PODS, SOCKETS  # noqa: E402

FILES = ["cluster_ip", "node_port", "load_balancer", "policy", "endpoints", "hints", "affinity", "flows"]
# Told by manifests only.
LEFT_OUT = {
    # An API server stamps objects itself; test_exposed has one of its own.
    "of two Services that claim one address and port the older has it, and the younger when it goes",
}


class Again(Suite):
    """One control plane for all files; each file has agents of its own, as it has in test/net."""

    def __init__(self):
        super().__init__("again", paths=(SOCKETS,))
        self.files = [importlib.import_module(f"test_{name}").suite for name in FILES]
        self.left_out = set(LEFT_OUT)

    def run(self, path, words):
        failed = 0
        for file in self.files:
            assert file.pods == PODS, f"{file.name} wants another lab"
            self.left_out -= {sentence for sentence, _, _ in file.scenarios}
            self.scenarios = [each for each in file.scenarios if each[0] not in LEFT_OUT]
            failed += super().run(path, words)
        assert not self.left_out, f"no scenario of test/net is called {self.left_out}"
        return failed


if __name__ == "__main__":
    Again().main()
