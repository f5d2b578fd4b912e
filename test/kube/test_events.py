"""Events: what naru tells a Service's owner by way of the API server."""

import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[1]), str(Path(__file__).resolve().parent)]

import time

from cluster.plane import AGENT, NAMESPACE, RBAC, RULES  # noqa: E402
from cluster.store import CORE  # noqa: E402
from cluster.suite import Suite  # noqa: E402
from lab.check import PACKETS  # noqa: E402
from lab.world import FAMILIES  # noqa: E402

suite = Suite("events", paths=(PACKETS,))
EVENTS = f"{CORE}/namespaces/{NAMESPACE}/events"
ROUNDABOUT = {"annotations": {"naru.io/algorithm": "roundabout"}}


def told(w, service, reason):
    """The Events about this Service, for this reason."""
    return [row for row in w.api.items(EVENTS)
            if row["involvedObject"].get("name") == service and row["reason"] == reason]


def wait_for_one(w, service, reason, uid):
    def look():
        found = told(w, service, reason)
        if len(found) != 1:
            return f"{len(found)} of reason {reason}; there are {[row['reason'] for row in w.api.items(EVENTS)]}"
        event = found[0]
        about = event["involvedObject"]
        right = (about["kind"], about["namespace"], about["uid"], event["type"])
        return "" if right == ("Service", NAMESPACE, uid, "Warning") and event["message"] else f"{event}"
    w.holds(look, f"one Event about {service}, told by two nodes")


@suite.scenario("a setting that nobody knows is told once to its Service, however many nodes see it")
def unknown(w):
    w.api.delete(EVENTS)
    vip = w.vip()
    w.run("a2")
    w.choose("placed", vip, meta=ROUNDABOUT)
    uid = w.api.get(f"{CORE}/namespaces/{NAMESPACE}/services/placed")["metadata"]["uid"]
    wait_for_one(w, "placed", "UnknownAlgorithm", uid)
    for family in FAMILIES:
        w.reaches(w.pods["b1"], vip[family], 80, ["a2"])


@suite.scenario("of two Services that claim one address the loser is told")
def conflict(w):
    w.api.delete(EVENTS)
    lb = w.lb()
    w.run("a2")
    w.choose("older", w.vip(), kind="LoadBalancer", lb=lb.values())
    time.sleep(1.1)  # the API server's time of creation has whole seconds
    w.choose("younger", w.vip(), kind="LoadBalancer", lb=lb.values())
    w.holds(lambda: "" if told(w, "younger", "FrontendConflict") else "none", "an Event about the younger one")
    assert not told(w, "older", "FrontendConflict"), "the owner has nothing to be told"


@suite.scenario("an agent that may not write Events serves as well")
def no_right(w):
    role = f"{RBAC}/clusterroles/{AGENT}"
    w.api.patch(role, {"rules": [rule for rule in RULES if "events" not in rule["resources"]]})
    try:
        vip = w.vip()
        w.run("a2", "b2")
        w.choose("silent", vip, meta=ROUNDABOUT)
        for who in w.pod("a1", "b1"):
            w.reaches(who, vip[4], 80, ["a2", "b2"])
        w.end("b2")
        for who in w.pod("a1", "b1"):
            w.reaches(who, vip[6], 80, ["a2"])
        assert not told(w, "silent", "UnknownAlgorithm"), "an Event was written without the right to"
    finally:
        w.api.patch(role, {"rules": RULES})


if __name__ == "__main__":
    suite.main()
