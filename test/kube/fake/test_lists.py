"""Whole sets: nothing is removed before all are complete, and an empty one after a full one is not believed at once."""

import sys
from functools import reduce
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[1])]

import json
import time

from apiserver import faults, wire  # noqa: E402
from apiserver.serving import send_initial  # noqa: E402
from rig import objects  # noqa: E402
from rig.stage import backed_off, listed_again, suite_of_rigs  # noqa: E402

suite = suite_of_rigs("list")
RESOURCES = ("services", "endpointslices", "nodes")
MANY = 30
TOO_DEEP = {"nested": reduce(lambda inner, _: {"a": inner}, range(200), 1)}  # what no decoder takes


def with_many(r):
    """An agent that serves web-1 to web-30."""
    for number in range(3, MANY + 1):
        r.cluster.put(*objects.web(number))
    r.server.start()
    r.start_agent()
    r.agent.wait_ready()
    assert len(r.agent.names()) == MANY
    return r.mark()


def relist(r, resource="services"):
    """The set as it is now is asked for and given. The request."""
    before, again = r.interrupt(faults.gone(), resource)
    listed_again(again, before.told)
    r.holds(lambda: r.watching(resource) is again and again.told, "the set has been delivered")
    return again


def stays(r, look, seconds, what):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        assert look(), what
        time.sleep(0.2)


@suite.scenario("a history that has moved on is news and no outage")
def outdated(r):
    r.up()
    relist(r)
    r.counted("naru_watch_restarts_total", resource="services", reason="gone")
    log = r.agent.log()
    assert log.count("no longer keeps the changes since the last one seen") == 1, log
    assert "cannot be followed" not in log, log
    assert r.agent.metric("naru_apiserver_connected") == 1
    r.recovers()


@suite.scenario("a server that keeps no history and gives no set either is an outage")
def gone_for_good(r):
    r.up()
    r.server.next("services", *[faults.status(410, "Expired")] * 3)
    r.interrupt(faults.gone())
    r.holds(lambda: "cannot be followed" in r.agent.log(), "the outage is told")
    r.recovers()


@suite.scenario("a server that gives the set again and again but never lets it be followed is an outage")
def never_followed(r):
    r.up()
    relist(r)
    relist(r)
    r.interrupt(faults.gone())
    r.holds(lambda: "cannot be followed" in r.agent.log(), "the outage is told")
    r.recovers()


@suite.scenario("a restart with the API server away keeps every row and removes nothing; what was deleted goes later")
def restart_without_server(r):
    mark = r.up().mark()
    r.agent.stop()
    r.server.stop()
    r.cluster.remove(*objects.web(2))
    r.agent.start(*r.flags)
    r.holds(lambda: r.agent.get("/livez").status == 200, "/livez answers")
    time.sleep(3)
    mark.kept()
    assert r.applied() == 0, f"{r.applied():g} changes of the tables"
    assert r.agent.get("/readyz").status == 503
    r.server.start()
    r.agent.wait_ready()
    r.holds(lambda: r.agent.names() == {"web-1"}, "web-2 is gone")
    mark.kept("web-1")
    r.recovers()


def held_back_at_restart(r, resource):
    """One set of three is late: what the earlier run installed stays as it was, and so it does when it has come."""
    mark = r.up().mark()
    r.agent.stop()
    held = faults.Held()
    r.server.next(resource, held)
    since = time.monotonic()
    r.agent.start(*r.flags)
    for other in RESOURCES:
        r.next_request(other, since)
    time.sleep(2)
    assert r.agent.get("/readyz").status == 503
    mark.kept()
    assert r.applied() == 0, f"{r.applied():g} changes of the tables"
    held.release()
    r.agent.wait_ready()
    mark.kept()
    assert r.applied() == 0, f"{r.applied():g} changes of the tables"
    r.recovers()


@suite.scenario("slices that come long after their Services at a restart take nothing away")
def late_slices(r):
    held_back_at_restart(r, "endpointslices")


@suite.scenario("Services that come long after their slices at a restart take nothing away")
def late_services(r):
    held_back_at_restart(r, "services")


@suite.scenario("a Node that comes late at a restart takes nothing away")
def late_node(r):
    held_back_at_restart(r, "nodes")


@suite.scenario("a first set that breaks off before its end is thrown away, and nothing is removed by half of it")
def half_a_set(r):
    mark = r.up().mark()
    r.agent.stop()

    def half(exchange):
        items, _ = exchange.cluster.snapshot(exchange.resource)
        exchange.start_watch()
        send_initial(exchange, items[:1])
        exchange.cut()

    for resource in ("services", "endpointslices"):
        r.server.next(resource, half, half)
    since = time.monotonic()
    r.agent.start(*r.flags)
    first, second, third = r.sequence("services", since, 3)
    backed_off(first, second)
    backed_off(second, third)
    r.agent.wait_ready()
    mark.kept()
    assert r.applied() == 0, f"{r.applied():g} changes of the tables"
    r.recovers()


@suite.scenario("a list that is cut in the middle of its bytes replaces nothing")
def half_a_list(r):
    r.server.watch_list = False

    def half(exchange):
        items, version = exchange.cluster.snapshot(exchange.resource)
        body = exchange.encoding.list(exchange.resource, items, str(version))
        exchange.head(200, exchange.encoding.content_type, len(body))
        exchange.raw(body[:len(body) // 2])
        exchange.cut()

    mark = r.up().mark()
    before = r.watching()
    r.server.next("services", half)
    r.server.streams.order("services", faults.gone())
    first, second = r.sequence("services", before.at, 2)
    assert first.is_list and second.is_list, (first, second)
    backed_off(first, second)
    mark.unchanged()
    r.recovers()


@suite.scenario("a list in pages is joined, and one whose pages expire on the way is begun anew")
def pages(r):
    r.server.watch_list = False
    r.up()
    for number in range(1200):
        r.cluster.put(objects.service(f"page-{number}", f"10.97.{number // 250}.{number % 250 + 1}"))
    r.holds(lambda: len(r.agent.names()) == 1202, "all Services are in the tables", 30)
    mark = r.mark()
    before = r.watching()

    def forgets(exchange):
        exchange.server.pages.clear()
        faults.serve(exchange)

    gone = faults.status(410, "Expired")
    r.server.next("services", gone, faults.serve, forgets)  # list from a version, first page, second page
    r.server.streams.order("services", faults.gone())
    again = r.holds(lambda: [each for each in r.server.asked("services", before.at) if each.is_watch], "a watch", 20)[0]
    asked = [each for each in r.server.asked("services", before.at) if each.at < again.at]
    whole = [each for each in asked if each.answered == 200]
    assert all(each.is_list for each in asked) and len(whole) >= 4, asked
    assert sum("continue" in each.query for each in whole) >= 2, whole
    mark.unchanged()
    r.recovers()


@suite.scenario("an empty set after a full one is not believed at once, and never when the next one is full again")
def empty_for_a_moment(r):
    mark = with_many(r)
    kept = dict(r.cluster.objects["services"])
    r.cluster.roll_back("services")
    again = relist(r)
    r.counted("naru_relist_guard_active")
    r.counted("naru_events_total", outcome="created")
    event = json.loads(r.server.asked("events")[0].body)
    assert event["involvedObject"] == {"apiVersion": "v1", "kind": "Node", "name": "n1", "uid": "n1"}, event
    assert event["metadata"]["namespace"] == "default" and event["reason"] == "ListDoubted", event
    assert f"lacks {MANY} of {MANY} Services" in event["message"], event
    stays(r, lambda: len(r.agent.names()) == MANY, 3, "Services are gone")
    mark.unchanged()
    assert r.agent.get("/livez").status == r.agent.get("/readyz").status == r.agent.get("/healthz").status == 200
    with r.cluster.changed:
        r.cluster.objects["services"].update(kept)
    r.cluster.compact()
    doubted = r.next_request("services", again.at, 60)
    assert doubted.version == "", f"not a consistent read: {doubted}"
    r.holds(lambda: r.agent.metric("naru_relist_guard_active") == 0, "the guard is off duty")
    mark.unchanged()
    r.recovers()


@suite.scenario("an empty set that a second, consistent read confirms is believed")
def empty_for_good(r):
    with_many(r)
    r.cluster.roll_back("services")
    again = relist(r)
    r.counted("naru_relist_guard_active")
    confirmed = r.next_request("services", again.at, 60)
    assert confirmed.version == "" and confirmed.at - again.at > 5, (again, confirmed)
    r.holds(lambda: not r.agent.names(), "the Services are gone")
    r.holds(lambda: r.agent.metric("naru_relist_guard_active") == 0, "the guard is off duty")
    r.recovers()


@suite.scenario("an empty first set after a restart does not remove what the earlier run installed")
def empty_after_restart(r):
    mark = with_many(r)
    r.agent.stop()
    r.cluster.roll_back("services")
    since = time.monotonic()
    r.agent.start(*r.flags)
    r.holds(lambda: r.watching().at > since and r.watching().told, "the set has been delivered")
    r.counted("naru_relist_guard_active")
    stays(r, lambda: len(r.agent.names()) == MANY, 3, "Services are gone")
    mark.kept()
    r.recovers()


@suite.scenario("a set that lost 20 of 30 Services waits for a second look; what it adds is served at once")
def much_smaller(r):
    mark = with_many(r)
    r.cluster.roll_back("services", lambda made: int(made["metadata"]["name"].split("-")[1]) <= 10)
    r.cluster.put(*objects.web(200))
    relist(r)
    r.counted("naru_relist_guard_active")
    r.holds(lambda: "web-200" in r.agent.names(), "the new Service is served")
    mark.kept()
    r.recovers()


@suite.scenario("while a set is doubted, what the watch says is believed")
def doubted_and_watched(r):
    with_many(r)
    r.cluster.roll_back("services", lambda made: made["metadata"]["name"] == "web-1")
    relist(r)
    r.counted("naru_relist_guard_active")
    r.cluster.remove(objects.web(1)[0])
    r.holds(lambda: "web-1" not in r.agent.names(), "what was deleted by an event is gone")
    assert len(r.agent.names()) == MANY - 1
    r.recovers()


@suite.scenario("a set that lost 14 of 30 Services is believed at once")
def smaller(r):
    mark = with_many(r)
    r.cluster.roll_back("services", lambda made: int(made["metadata"]["name"].split("-")[1]) <= 16)
    relist(r)
    r.holds(lambda: len(r.agent.names()) == 16, "14 Services are gone")
    mark.kept(*(f"web-{number}" for number in range(1, 17)))
    r.recovers()


@suite.scenario("a small cluster that lost both of its Services is believed at once")
def few(r):
    r.up()
    r.cluster.roll_back("services")
    relist(r)
    r.holds(lambda: not r.agent.names(), "the Services are gone")
    r.recovers()


@suite.scenario("slices that all disappear at once are not believed at once")
def no_slices(r):
    mark = with_many(r)
    r.cluster.roll_back("endpointslices")
    relist(r, "endpointslices")
    r.counted("naru_relist_guard_active")
    stays(r, lambda: len(r.agent.table("backends")) >= 2 * MANY, 3, "backends are gone")
    mark.unchanged()
    r.recovers()


@suite.scenario("Services that are deleted one by one are always believed, down to the last")
def single_deletions(r):
    with_many(r)
    for number in range(1, MANY + 1):
        r.cluster.remove(*objects.web(number))
    r.holds(lambda: not r.agent.names() and not r.agent.table("backends"), "nothing is left")
    r.recovers()


@suite.scenario("a Node object that is missing from the set, or deleted, changes no table")
def node_gone(r):
    mark = r.up().mark()
    r.cluster.remove(objects.node("n1", "10.77.0.1"))
    r.holds(lambda: r.agent.get("/healthz").status == 503, "/healthz says that the node is not eligible")
    assert r.agent.get("/livez").status == 200
    mark.unchanged()
    relist(r, "nodes")
    mark.unchanged()
    r.cluster.put(objects.node("n1", "10.77.0.1"))
    r.holds(lambda: r.agent.get("/healthz").status == 200, "/healthz is content again")
    r.recovers()


@suite.scenario("a Service that is served and can no longer be decoded keeps what it has, also by a whole set")
def no_longer_decoded(r):
    r.server.encodings = ("json",)
    mark = r.up().mark()
    r.cluster.put(objects.web(2)[0] | TOO_DEEP)
    r.counted("naru_objects_rejected_total", resource="services")
    r.interrupt(faults.gone(), "services")  # an event that cannot be read moved no version
    r.counted("naru_objects_rejected_total", 2, resource="services")
    mark.kept()
    r.cluster.put(objects.web(2)[0])
    r.recovers()


@suite.scenario("a Service that cannot be decoded when the agent starts again keeps what it has, and the others are followed")
def undecodable_at_start(r):
    r.server.encodings = ("json",)
    r.up()
    r.cluster.put(objects.web(2)[0] | TOO_DEEP)
    r.agent.stop()
    r.agent.start(*r.flags)
    r.agent.wait_ready()
    r.recovers()
    assert "web-2" in r.agent.names(), r.agent.names()
    r.cluster.remove(*objects.web(2))
    r.interrupt(faults.gone(), "services")
    r.holds(lambda: "web-2" not in r.agent.names(), "what a whole set lacks is gone")


@suite.scenario("slices that cannot be decoded when the agent starts again leave their Service the endpoints it has")
def undecodable_slices_at_start(r):
    r.server.encodings = ("json",)
    mark = r.up().mark()
    r.cluster.put(objects.web(2)[1] | TOO_DEEP)
    r.agent.stop()
    r.agent.start(*r.flags)
    r.agent.wait_ready()
    mark.kept()
    r.recovers()


@suite.scenario("a list that holds a broken object between good ones loses that one and counts it")
def broken_item(r):
    def mixed(exchange):
        items, version = exchange.cluster.snapshot("services")
        meta = wire.protobuf.encode("ListMeta", {"resourceVersion": str(version)})
        whole = [wire.protobuf.encode("Service", made) for made in items]
        raw = b"".join(wire.delimited(2, each) for each in (whole[0], b"\x0a\xff\xff\xff\xff\x0f", whole[1]))
        body = wire.unknown("v1", "ServiceList", wire.delimited(1, meta) + raw)
        exchange.answer(200, body, exchange.encoding.content_type)

    r.server.watch_list = False
    r.server.next("services", faults.serve, mixed)  # the refusal, then the list
    r.up()
    r.counted("naru_objects_rejected_total")
    r.recovers()


if __name__ == "__main__":
    suite.main()
