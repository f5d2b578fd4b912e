"""What a user must know about a Service becomes an Event on it, and no trouble with Events is anybody else's."""

import json
import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parents[2])]

from apiserver import faults  # noqa: E402
from rig import objects  # noqa: E402
from rig.stage import suite_of_rigs  # noqa: E402

suite = suite_of_rigs("evt")
CONTESTED = "198.51.100.7"
EVENTS = "/api/v1/namespaces/test/events"


def claimant(name, age):
    """A Service with the contested address. A greater age wins."""
    made = objects.service(name, f"10.96.0.{200 + age}", externalIPs=[CONTESTED])
    made["metadata"] |= {"uid": f"uid-{name}", "creationTimestamp": f"20{30 - age}-01-01T00:00:00Z"}
    return made


OLDER, YOUNGER, YOUNGEST = claimant("older", 3), claimant("younger", 2), claimant("youngest", 1)


def conflict(r):
    r.cluster.put(OLDER)
    r.holds(lambda: "older" in r.agent.names(), "the first one is served")
    r.cluster.put(YOUNGER)


@suite.scenario("the Service that loses an address gets one Event that names the winner")
def told(r):
    r.up()
    conflict(r)
    r.counted("naru_events_total", outcome="created")
    requests = r.server.asked("events")
    assert [(each.method, each.path) for each in requests] == [("POST", EVENTS)], requests
    assert requests[0].headers["content-type"] == "application/json", requests[0].headers
    event = json.loads(requests[0].body)
    assert event["involvedObject"] == {"apiVersion": "v1", "kind": "Service", "namespace": "test", "name": "younger",
                                       "uid": "uid-younger"}, event
    assert event["reason"] == "FrontendConflict" and event["type"] == "Warning" and event["count"] == 1, event
    assert CONTESTED in event["message"] and "test/older" in event["message"], event
    assert event["metadata"]["namespace"] == "test" and event["metadata"]["name"].startswith("younger."), event
    assert event["source"] == {"component": "naru-agent", "host": "n1"}, event


@suite.scenario("an address that is refused is told by an Event and counted, one that a single node refuses with its name")
def refused_address(r):
    r.up()
    made = objects.service("greedy", "10.96.0.210", externalIPs=["127.0.0.9", "10.244.1.77"])
    made["metadata"]["uid"] = "uid-greedy"
    r.cluster.put(made)
    r.counted("naru_events_total", 2, outcome="created")
    assert r.agent.metric("naru_sync_notices_total", reason="FrontendRefused") == 2, r.agent.metrics()
    events = [json.loads(each.body) for each in r.server.asked("events")]
    assert {(event["reason"], event["type"], event["involvedObject"]["uid"]) for event in events} == {
        ("FrontendRefused", "Warning", "uid-greedy")}, events
    assert sorted(event["message"] for event in events) == [
        "10.244.1.77 is not served by node n1: it belongs to the pods of that node",
        "127.0.0.9 is not served: loopback address"], events
    served = {row["frontend"] for row in r.agent.table("services") if row["name"] == "greedy"}
    assert served == {"10.96.0.210:80"}, served


@suite.scenario("an external IP that is not served because they are switched off is told by an Event")
def switched_off(r):
    r.up("--external-ips", "off")
    r.cluster.put(OLDER)
    r.counted("naru_events_total", outcome="created")
    event = json.loads(r.server.asked("events")[0].body)
    assert (event["reason"], event["involvedObject"]["name"]) == ("FrontendRefused", "older"), event
    assert event["message"] == f"externalIP {CONTESTED} is not served: --external-ips does not allow it", event
    assert r.agent.metric("naru_sync_notices_total", reason="FrontendRefused") == 1, r.agent.metrics()


@suite.scenario("an Event that another node has written is left alone, and a repetition is a patch of the own one")
def shared(r):
    r.up()
    r.server.next("events", faults.status(409, "AlreadyExists"))
    conflict(r)
    r.counted("naru_events_total", outcome="shared")
    for outcome in ("created", "repeated"):
        r.cluster.remove(YOUNGER)
        r.holds(lambda: "younger" not in r.agent.names(), "the loser is gone")
        r.cluster.put(YOUNGER)
        r.counted("naru_events_total", outcome=outcome)
    methods = [each.method for each in r.server.asked("events")]
    assert methods == ["POST", "POST", "PATCH"], methods


@suite.scenario("Events that are refused are given up, logged once, and everything else goes on")
def refused(r):
    r.server.always("events", faults.status(403, "Forbidden", "events is forbidden"))
    r.up()
    conflict(r)
    r.counted("naru_events_total", outcome="failed")
    r.cluster.put(YOUNGEST)
    r.counted("naru_events_total", 2, outcome="failed")
    r.recovers()
    said = [line for line in r.agent.log().splitlines() if "events is forbidden" in line]
    assert len(said) == 1, said
    assert len(r.server.asked("events")) == 2, r.server.asked("events")


@suite.scenario("an API server that never answers an Event holds nothing up")
def held(r):
    held_back = faults.Held()
    r.server.always("events", held_back)
    r.up()
    conflict(r)
    r.next_request("events", 0)
    r.recovers()
    held_back.release()
    r.counted("naru_events_total", outcome="created")


if __name__ == "__main__":
    suite.main()
