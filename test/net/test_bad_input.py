"""Bad input: one clear line, nothing half applied, everything else keeps working."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import json
import re
import time

from lab.check import SOCKETS, Suite  # noqa: E402
from lab.objects import port, service, slices  # noqa: E402
from lab.world import FAMILIES  # noqa: E402

suite = Suite("bad-input", paths=(SOCKETS,))
WEB = """# A Service and its slice, as a person writes them.
apiVersion: v1
kind: Service
metadata: {{name: written, namespace: test, uid: written}}
spec:
  clusterIP: {vip}
  clusterIPs: [{vip}]
  ports:
    - port: {port}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata:
  name: written-1
  namespace: test
  labels: {{kubernetes.io/service-name: written}}
addressType: IPv4
ports: [{{port: 8080}}]
endpoints:
  - addresses: ["{pod}"]
"""


def bystander(w):
    """A Service that must not notice anything."""
    vip = w.vip()
    w.web("bystander", vip, w.pod("a3", "b3"))
    w.reaches(w.pods["a1"], vip[4], 80, ["a3", "b3"])
    return lambda: [w.reaches(who, vip[family], 80, ["a3", "b3"]) for who in w.pod("a1", "b1") for family in FAMILIES]


def complained(w, pattern):
    """Each agent says it, and says it once."""
    for node, agent in w.lab.agents.items():
        def look():
            lines = [line for line in agent.log().splitlines() if re.search(pattern, line)]
            return "" if len(lines) == 1 else f"{len(lines)} lines match {pattern}:\n{agent.log(8)}"

        w.holds(look, f"log of the agent on {node}")


@suite.scenario("a file that does not parse keeps its last good state, and the log names file and line")
def malformed(w):
    vip = w.vip()
    undisturbed = bystander(w)
    good = WEB.format(vip=vip[4], port=80, pod=w.pods["a2"].ip[4])
    w.lab.objects.write("written.yaml", good)
    w.reaches(w.pods["a1"], vip[4], 80, ["a2"])
    w.lab.objects.write("written.yaml", good.replace("  clusterIPs: [", "  clusterIPs: [[["))
    complained(w, r"written\.yaml:\d+")
    undisturbed()
    w.reaches(w.pods["a1"], vip[4], 80, ["a2"])
    w.lab.objects.write("written.yaml", good.replace(w.pods["a2"].ip[4], w.pods["b2"].ip[4]))
    w.reaches(w.pods["a1"], vip[4], 80, ["b2"])


@suite.scenario("an edit in place is seen like a new file")
def in_place(w):
    vip = w.vip()
    good = WEB.format(vip=vip[4], port=80, pod=w.pods["a2"].ip[4])
    w.lab.objects.write("inplace.yaml", good)
    w.reaches(w.pods["b1"], vip[4], 80, ["a2"])
    (w.lab.objects.path / "inplace.yaml").write_text(good.replace(w.pods["a2"].ip[4], w.pods["b2"].ip[4]))
    w.reaches(w.pods["b1"], vip[4], 80, ["b2"])
    (w.lab.objects.path / "inplace.yaml").unlink()
    w.untouched(w.pods["b1"], vip[4], 80)


@suite.scenario("an impossible port keeps the last good state of the file, and the log names the line")
def port_zero(w):
    vip = w.vip()
    undisturbed = bystander(w)
    w.lab.objects.write("zero.yaml", WEB.format(vip=vip[4], port=80, pod=w.pods["a2"].ip[4]))
    w.reaches(w.pods["a1"], vip[4], 80, ["a2"])
    w.lab.objects.write("zero.yaml", WEB.format(vip=vip[4], port=0, pod=w.pods["b2"].ip[4]))
    complained(w, r"zero\.yaml:9\b.*\b0\b")
    w.lab.objects.write("zero.yaml", WEB.format(vip=vip[4], port=70000, pod=w.pods["b2"].ip[4]))
    complained(w, r"zero\.yaml:9\b.*70000")
    w.reaches(w.pods["a1"], vip[4], 80, ["a2"])
    undisturbed()


@suite.scenario("an unknown kind is named once, and the rest of its file is served")
def unknown_kind(w):
    vip = w.vip()
    w.lab.objects.write("kinds.yaml", "apiVersion: v1\nkind: Teapot\nmetadata: {name: pot}\n---\n"
                        + WEB.format(vip=vip[4], port=80, pod=w.pods["a2"].ip[4]))
    w.reaches(w.pods["a1"], vip[4], 80, ["a2"])
    complained(w, r"kinds\.yaml.*Teapot")


@suite.scenario("two Services with one ClusterIP and port: one is served, the loser is named, and takes over")
def duplicate(w):
    vip = w.vip()
    undisturbed = bystander(w)
    older = w.web("older", vip, w.pod("a2"), meta={"creationTimestamp": "2024-01-01T00:00:00Z"})
    w.reaches(w.pods["b1"], vip[4], 80, ["a2"])
    w.web("younger", vip, w.pod("b2"), meta={"creationTimestamp": "2024-02-01T00:00:00Z"})
    w.logged("n1", "test/younger", vip[4])
    for family in FAMILIES:
        w.reaches(w.pods["b1"], vip[family], 80, ["a2"])
    w.remove(*older)
    for family in FAMILIES:
        w.reaches(w.pods["b1"], vip[family], 80, ["b2"])
    undisturbed()


@suite.scenario("an endpoint of the wrong family makes its file bad, which keeps its last good state")
def wrong_family(w):
    vip = w.vip()
    undisturbed = bystander(w)
    good = WEB.format(vip=vip[4], port=80, pod=w.pods["a2"].ip[4])
    w.lab.objects.write("family.yaml", good)
    w.reaches(w.pods["a1"], vip[4], 80, ["a2"])
    w.lab.objects.write("family.yaml", good + f'  - addresses: ["{w.pods["b2"].ip[6]}"]\n')
    complained(w, rf"family\.yaml:\d+.*{w.pods['b2'].ip[6]}")
    w.reaches(w.pods["a1"], vip[4], 80, ["a2"])
    undisturbed()


@suite.scenario("an endpoint with a dangerous address is left out and the others serve")
def dangerous_endpoints(w):
    vip = w.vip()
    made = slices("web", w.pod("a2"), [port(8080)], families=(4,))[0]
    for address in ("127.0.0.1", "169.254.169.254", "224.0.0.1", "0.0.0.0", "255.255.255.255"):
        made["endpoints"].append({"addresses": [address], "nodeName": "n1"})
    w.apply(service("web", {4: vip[4]}, [port(80)]), made)
    for who in w.insiders:
        w.reaches(who, vip[4], 80, ["a2"], count=60)


@suite.scenario("100,000 endpoints of one Service: one line says what does not fit, and everything else keeps working")
def too_many(w):
    vip = w.vip()
    undisturbed = bystander(w)
    rows = [{"addresses": [f"10.{index >> 16}.{index >> 8 & 255}.{index & 255}"]} for index in range(100_000)]
    made = slices("huge", [], [port(8080)], families=(4,))[0]
    parts = [made | {"metadata": made["metadata"] | {"name": f"huge-{start}"}, "endpoints": rows[start:start + 1000]}
             for start in range(0, len(rows), 1000)]
    w.lab.objects.write("huge.yaml", "\n---\n".join(json.dumps(part) for part in parts))
    w.apply(service("huge", {4: vip[4]}, [port(80)]))
    since = time.monotonic()
    for node, agent in w.lab.agents.items():
        w.holds(lambda agent=agent: "" if "test/huge" in agent.log() else "nothing said yet", f"agent on {node}", 120)
        lines = [line for line in agent.log().splitlines() if "test/huge" in line]
        assert len(lines) == 1, "\n".join(lines[:5])
        assert agent.process.poll() is None
    print(f"      100,000 endpoints were refused after {time.monotonic() - since:.1f} s")
    undisturbed()
    (w.lab.objects.path / "huge.yaml").unlink()
    w.apply(*slices("huge", w.pod("a2"), [port(8080)], families=(4,)))
    w.holds(lambda: "" if w.pods["b1"].fetch(vip[4], 80)[0].pod == "a2" else "not yet", "the Service made small", 60)


if __name__ == "__main__":
    suite.main()
