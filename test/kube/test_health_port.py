"""The health port of a load balancer with policy Local: what each node says while Pods come and go."""

import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[1]), str(Path(__file__).resolve().parent)]

from cluster.store import path_of  # noqa: E402
from cluster.suite import Suite  # noqa: E402
from lab.world import FAMILIES  # noqa: E402

suite = Suite("health-port")


@suite.scenario("the health port of a Local load balancer counts the ready Pods of each node, live")
def health_port(w):
    w.run("a2")
    made = w.choose("checked", w.vip(), kind="LoadBalancer", lb=w.lb().values(), externalTrafficPolicy="Local")
    number = w.api.get(path_of(made))["spec"]["healthCheckNodePort"]

    def says(**by_node):
        for name, status in by_node.items():
            for family in FAMILIES:
                def look():
                    answer = w.client.get(number, "/healthz", w.nodes[name].ip[family])
                    seen = answer.get("status") or answer.get("error")
                    return "" if seen == status else f"{seen}, wanted {status}"
                w.holds(look, f"health port {number} of {name}, IPv{family}")

    says(n1=200, n2=503)
    w.run("b2")
    w.end("a2")
    says(n1=503, n2=200)
    w.terminate("b2")
    says(n1=503, n2=503)  # it serves on, and is asked no more
    w.run("a3")
    says(n1=200, n2=503)
    w.change(made, externalTrafficPolicy="Cluster")
    says(n1="ECONNREFUSED", n2="ECONNREFUSED")
    w.change(made, externalTrafficPolicy="Local", healthCheckNodePort=number)
    says(n1=200, n2=503)
    w.change(made, type="ClusterIP", externalTrafficPolicy=None, healthCheckNodePort=None)
    says(n1="ECONNREFUSED", n2="ECONNREFUSED")


if __name__ == "__main__":
    suite.main()
