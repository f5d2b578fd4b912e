"""A watch that breaks, lies or stutters: it goes on from where it was, and the tables keep what they hold."""

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[1])]

import time

from apiserver import faults, wire  # noqa: E402
from rig import objects  # noqa: E402
from rig.stage import at_once, backed_off, listed_again, resumed, suite_of_rigs  # noqa: E402

suite = suite_of_rigs("strm")


def web_service(r, number):
    """As the server has it."""
    return r.cluster.objects["services"]["test", f"web-{number}"]


def survives_interruption(r, order):
    mark = r.up().mark()
    before, again = r.interrupt(order)
    resumed(before, again)
    backed_off(before, again)
    mark.unchanged()
    r.counted("naru_watch_failures_total", resource="services")
    r.recovers()
    mark.kept()


@suite.scenario("a watch cut in the middle of an event goes on from the version it had")
def cut_in_frame(r):
    survives_interruption(r, faults.cut_inside_a_frame(web_service(r, 1)))


@suite.scenario("a watch in JSON cut in the middle of an event goes on from the version it had")
def cut_in_line(r):
    r.server.encodings = ("json",)
    survives_interruption(r, faults.cut_inside_a_frame(web_service(r, 1)))


@suite.scenario("a watch whose last chunk is cut short goes on from the version it had")
def cut_in_chunk(r):
    mark = r.up().mark()
    before, again = r.interrupt(faults.cut_inside_a_chunk(web_service(r, 1)))
    # The event inside the broken chunk is whole, and may count.
    assert again.is_watch and not again.is_watch_list, again
    assert again.version in (before.told, web_service(r, 1)["metadata"]["resourceVersion"]), again
    backed_off(before, again)
    mark.unchanged()
    r.recovers()


@suite.scenario("a watch that is reset goes on from the version it had")
def reset(r):
    survives_interruption(r, lambda exchange: exchange.cut())


@suite.scenario("an ERROR event that is not about versions ends the watch and keeps its version")
def other_error(r):
    def order(exchange):
        exchange.error_event(500, "InternalError", "etcdserver: leader changed")
        exchange.cut()

    survives_interruption(r, order)


@suite.scenario("a watch the server ends in order is opened again at once from the last version")
def ended_in_order(r):
    mark = r.up().mark()
    time.sleep(1.1)  # a shorter watch without an event would count as an error
    r.cluster.put(*objects.web(3))
    r.holds(lambda: "web-3" in r.agent.names(), "web-3 is served")
    before, again = r.end_watch()
    resumed(before, again)
    at_once(before, again)
    mark.kept()
    r.recovers()


@suite.scenario("a watch that ends within a second and without an event is an error: the next one waits")
def too_short(r):
    mark = r.up().mark()

    def nothing(exchange):
        exchange.start_watch()
        exchange.finish()

    time.sleep(1.1)
    r.server.next("services", nothing, nothing)
    before, _ = r.end_watch()
    first, second, third = r.sequence("services", before.at, 3)
    backed_off(first, second)
    backed_off(second, third)
    assert {first.version, second.version, third.version} == {before.told}
    mark.unchanged()
    r.recovers()


@suite.scenario("a bookmark moves the version from which a broken watch goes on")
def bookmark(r):
    mark = r.up().mark()
    before = r.watching()
    r.cluster.put(objects.node("n2", "10.77.0.9"))  # another resource: the version of the cluster moves on
    version = str(r.cluster.version)
    assert version != before.told
    r.server.streams.order("services", lambda exchange: exchange.bookmark(version))
    r.server.streams.order("services", faults.reset)
    again = r.next_request("services", before.at)
    assert again.version == version, f"{again}, bookmark said {version}"
    mark.unchanged()
    r.recovers()


def gone_is_listed_again(r, interrupt):
    """A Service that disappeared while nobody was told is found, and the others do not notice."""
    mark = r.up().mark()
    before = r.watching()
    r.cluster.roll_back("services", lambda made: made["metadata"]["name"] != "web-2")
    interrupt(before)
    again = r.next_request("services", before.at)
    if again.is_watch and not again.is_watch_list:  # the one that was answered with 410
        again = r.next_request("services", again.at)
    listed_again(again, before.told)
    at_once(before, again)
    r.holds(lambda: r.agent.names() == {"web-1"}, "the deletion that was missed is found")
    mark.kept("web-1")
    r.recovers()
    assert not [each for each in r.server.asked("endpointslices", before.at) if not each.is_watch_list], \
        "slices were asked for as well"


@suite.scenario("410 as an event: the whole set is asked for again, and a missed deletion is found")
def gone_event(r):
    gone_is_listed_again(r, lambda _: r.server.streams.order("services", faults.gone()))


@suite.scenario("410 as an event with the reason Gone is the same")
def gone_reason(r):
    gone_is_listed_again(r, lambda _: r.server.streams.order("services", faults.gone(0, "Gone")))


@suite.scenario("410 as the answer to a watch: the whole set is asked for again, and a missed deletion is found")
def gone_status(r):
    def interrupt(before):
        r.holds(lambda: time.monotonic() - before.at > 1.1, "the watch is old enough to end well")
        r.server.next("services", faults.status(410, "Expired", "too old resource version"))
        r.server.streams.end("services")

    gone_is_listed_again(r, interrupt)


@suite.scenario("410 to the list as well: it is asked for at once without a version")
def gone_twice(r):
    mark = r.up().mark()
    before = r.watching()
    r.server.next("services", faults.status(410, "Expired", "too old resource version"))
    r.server.streams.order("services", faults.gone())
    first, second = r.sequence("services", before.at, 2)
    listed_again(first, before.told)
    listed_again(second, "")
    at_once(first, second)
    mark.unchanged()
    r.recovers()


@suite.scenario("a server that is behind our version is asked at once without a version")
def too_large(r):
    mark = r.up().mark()
    before = r.watching()
    causes = [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}]
    r.server.next("services", faults.status(504, "Timeout", "Too large resource version", causes=causes))
    r.server.streams.order("services", faults.gone())
    first, second = r.sequence("services", before.at, 2)
    listed_again(first, before.told)
    listed_again(second, "")
    at_once(first, second)
    mark.unchanged()
    r.recovers()


@suite.scenario("a frame that claims 4 GiB drops the connection, and the whole set is asked for again")
def wrong_prefix(r):
    mark = r.up().mark()
    before, again = r.interrupt(faults.bytes_on_stream(b"\xff\xff\xff\xff" + b"k8s\0" * 100))
    assert again.is_watch_list, again
    backed_off(before, again)
    mark.unchanged()
    r.recovers()


@suite.scenario("bytes that are no event drop the connection, and the whole set is asked for again")
def broken_frame(r):
    mark = r.up().mark()
    before, again = r.interrupt(faults.bytes_on_stream(b"\0\0\0\x05\xff\xff\xff\xff\xff"))
    assert again.is_watch_list, again
    backed_off(before, again)
    mark.unchanged()
    r.recovers()


@suite.scenario("an object that cannot be read between two good ones is skipped and counted, and the watch goes on")
def undecodable(r):
    mark = r.up().mark()
    watch = r.watching()
    r.cluster.put(*objects.web(3))
    broken = wire.unknown("v1", "Service", b"\x0a\xff\xff\xff\xff\x0f")  # metadata longer than the message
    r.server.streams.order("services", faults.frame_of("ADDED", broken))
    r.counted("naru_objects_rejected_total", resource="services")
    r.recovers(4)
    assert {"web-1", "web-2", "web-3", "web-4"} == r.agent.names()
    mark.kept()
    assert r.watching() is watch, "the watch was dropped"


@suite.scenario("an object without the magic of its encoding costs itself or the connection, and nothing else")
def without_magic(r):
    mark = r.up().mark()
    r.server.streams.order("services", faults.frame_of("ADDED", b"K8S\0" + b"\x12\x00"))
    r.recovers()
    mark.kept()


@suite.scenario("an object of another kind in the stream is skipped and counted, and the watch goes on")
def wrong_kind(r):
    mark = r.up().mark()
    watch = r.watching()
    pod = wire.unknown("v1", "Pod", b"")
    r.server.streams.order("services", faults.frame_of("ADDED", pod))
    r.counted("naru_objects_rejected_total", resource="services")
    mark.unchanged()
    r.recovers()
    assert r.watching() is watch, "the watch was dropped"


@suite.scenario("answers that drip one byte at a time are understood")
def drip(r):
    for resource in ("services", "endpointslices", "nodes"):
        r.server.always(resource, faults.slowly(0.001))
    mark = r.up().mark()
    r.recovers()
    mark.kept()
    assert len(r.server.asked("services")) == 1, r.server.asked("services")


if __name__ == "__main__":
    suite.main()
