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
# test_exposed has them with Pods. The first cannot be told to an API server, which stamps objects itself; the others
# wait for silence, for long.
LEFT_OUT = {
    "of two Services that claim one address and port the older has it, and the younger when it goes",
    "externalTrafficPolicy Local keeps the client's address, and a node without endpoints drops, counted",
    "externalTrafficPolicy changes live, and the address the server sees with it",
    "only clients inside loadBalancerSourceRanges reach a load-balancer address, and ranges change live",
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
