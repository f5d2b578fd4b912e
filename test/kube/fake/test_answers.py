"""Answers other than the one that was asked for: each has one reaction, and none of them empties a table."""

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[1])]

import time

from apiserver import faults  # noqa: E402
from rig import objects  # noqa: E402
from rig.rig import SECOND_IP, TOKEN  # noqa: E402
from rig.stage import at_once, backed_off, listed_again, pause, resumed, suite_of_rigs  # noqa: E402

suite = suite_of_rigs("answ")
RESOURCES = ("services", "endpointslices", "nodes")
PROTOBUF, JSON = "application/vnd.kubernetes.protobuf", "application/json"
NO_PROXY_NAME = "!service.kubernetes.io/service-proxy-name"


def refused_watch(r, *answers):
    """A healthy watch ends, and each time it is asked for again it gets one of the answers. Returns the requests: the
    watch that ended, those that were answered so, and the one after them."""
    before = r.watching()
    r.holds(lambda: time.monotonic() - before.at > 1.1, "the watch is old enough to end well")
    r.server.next("services", *answers)
    r.server.streams.end("services")
    return [before, *r.sequence("services", before.at, len(answers) + 1, 20)]


def keeps_its_version(r, *answers):
    """Every further request is the same watch from the same version, after a pause."""
    mark = r.up().mark()
    before, *asked = refused_watch(r, *answers)
    for request in asked:
        resumed(before, request)
    for first, second in zip(asked, asked[1:], strict=False):
        backed_off(first, second)
    mark.unchanged()
    r.counted("naru_watch_failures_total", len(answers), resource="services")
    r.recovers()
    mark.kept()
    return before, asked


@suite.scenario("what is asked: streamed lists of three resources, with selectors, and nothing more")
def asked(r):
    r.up()
    assert len(r.server.requests) == 3, r.server.requests
    for request in r.server.requests:
        query, headers = dict(request.query), request.headers
        assert request.method == "GET" and request.is_watch_list
        assert query.pop("resourceVersion") == "" and query.pop("resourceVersionMatch") == "NotOlderThan"
        assert query.pop("allowWatchBookmarks") in ("1", "true")
        assert 300 <= int(query.pop("timeoutSeconds")) <= 600
        assert headers["user-agent"].startswith("naru/") and headers["authorization"] == f"Bearer {TOKEN}"
        assert "accept-encoding" not in headers
        accepted = [each.strip() for each in headers["accept"].split(",")]
        assert accepted[0].startswith(PROTOBUF) and accepted[-1] == JSON, accepted
        assert set(query) <= {"watch", "sendInitialEvents", "labelSelector", "fieldSelector"}, query
    [services], [slices], [nodes] = (r.server.asked(resource) for resource in RESOURCES)
    assert services.query["labelSelector"] == NO_PROXY_NAME
    assert services.query["fieldSelector"] == "spec.clusterIP!=None"
    assert slices.query["labelSelector"] == "!service.kubernetes.io/headless"
    assert nodes.query["fieldSelector"] == "metadata.name=n1"


@suite.scenario("500 and 503: the watch is asked for again from its version, later each time, and never a list")
def server_errors(r):
    _, requests = keeps_its_version(r, faults.status(500, "InternalError"), faults.status(503, "ServiceUnavailable"))
    first, second, third = requests
    assert pause(second, third) > 2 * 0.8 - 0.02, f"{pause(second, third):.2f} s: the pause did not grow"


@suite.scenario("502 and 504 of a proxy, in HTML, are the same")
def proxy_errors(r):
    keeps_its_version(r, faults.html(502), faults.html(504))


@suite.scenario("429 with Retry-After: nothing is asked before that time")
def retry_after(r):
    _, (first, second) = keeps_its_version(r, faults.status(429, "TooManyRequests", Retry_After="4"))
    assert pause(first, second) >= 4, f"asked again after {pause(first, second):.2f} s"


@suite.scenario("429 with the time in the Status: nothing is asked before that time")
def retry_after_in_status(r):
    _, (first, second) = keeps_its_version(r, faults.status(429, "TooManyRequests", retry_after=4))
    assert pause(first, second) >= 4, f"asked again after {pause(first, second):.2f} s"


@suite.scenario("401: the token file is read again and the request repeated at once")
def rotated(r):
    mark = r.up().mark()
    before = r.watching()
    r.token_file.write_text("planted-token-rotated\n")
    r.server.tokens = {"planted-token-rotated"}
    r.holds(lambda: time.monotonic() - before.at > 1.1, "the watch is old enough to end well")
    r.server.streams.end("services")
    refused, again = r.sequence("services", before.at, 2)
    assert refused.answered == 401 and again.headers["authorization"] == "Bearer planted-token-rotated"
    at_once(refused, again)
    resumed(before, again)
    mark.unchanged()
    r.recovers()


@suite.scenario("401 that stays: one retry at once, then pauses, and the new token is found when it comes")
def unauthorized(r):
    mark = r.up().mark()
    before = r.watching()
    r.server.tokens = {"planted-token-later"}
    r.holds(lambda: time.monotonic() - before.at > 1.1, "the watch is old enough to end well")
    r.server.streams.end("services")
    first, second, third = r.sequence("services", before.at, 3)
    at_once(first, second)
    backed_off(second, third)
    mark.unchanged()
    r.token_file.write_text("planted-token-later")
    r.recovers()


@suite.scenario("a token file that becomes empty or vanishes leaves the old token in force")
def token_lost(r):
    mark = r.up().mark()
    for lose in (lambda: r.token_file.write_text("\n"), r.token_file.unlink):
        lose()
        before = r.watching()
        r.holds(lambda: time.monotonic() - before.at > 1.1, "the watch is old enough to end well")
        _, again = r.end_watch()
        assert again.headers["authorization"] == f"Bearer {TOKEN}"
    mark.unchanged()
    r.recovers()


@suite.scenario("403, as when rights are removed live: everything stays, and the pauses grow")
def forbidden(r):
    _, requests = keeps_its_version(r, *[faults.status(403, "Forbidden", "services is forbidden")] * 3)
    assert pause(requests[2], requests[3]) > 4 * 0.8 - 0.02, "the pause did not grow"


@suite.scenario("while rights are missing, the health pages are content and /metrics says that nothing is connected")
def forbidden_health(r):
    r.up()
    for resource in RESOURCES:
        r.server.always(resource, faults.status(403, "Forbidden"))
        r.server.streams.order(resource, faults.reset)
    r.holds(lambda: r.agent.metric("naru_apiserver_connected") == 0, "naru_apiserver_connected is 0")
    assert r.agent.get("/livez").status == r.agent.get("/readyz").status == 200
    for resource in RESOURCES:
        r.server.always(resource, None)
    r.recovers()
    r.holds(lambda: r.agent.metric("naru_apiserver_connected") == 1, "naru_apiserver_connected is 1")


def speaks_json(r, fault):
    """From the refusal on, also after a broken watch, protobuf is never asked for again."""
    for resource in RESOURCES:
        r.server.always(resource, fault)
    r.up()
    for resource in RESOURCES:
        r.interrupt(faults.reset, resource)
        first, *others = r.server.asked(resource)
        assert first.answered in (406, 415) and PROTOBUF in first.headers["accept"]
        assert others and all(each.headers["accept"] == JSON for each in others), others
    r.recovers()


@suite.scenario("406: JSON is asked for, and nothing else from then on")
def not_acceptable(r):
    speaks_json(r, faults.json_only)


@suite.scenario("415 is the same")
def unsupported_media_type(r):
    def fault(exchange):
        if PROTOBUF in exchange.request.headers["accept"]:
            exchange.status(415, "UnsupportedMediaType")
        else:
            faults.serve(exchange)

    speaks_json(r, fault)


@suite.scenario("a server that only has JSON is understood without being asked twice")
def chooses_json(r):
    r.server.encodings = ("json",)
    r.up()
    assert len(r.server.requests) == 3, r.server.requests
    r.recovers()


@suite.scenario("a redirect is never followed, whatever its number: it is an error like 500")
def redirect(r):
    other = r.add_server(SECOND_IP).start()
    keeps_its_version(r, *(faults.redirect(code, f"{other.url}/api/v1/services") for code in (301, 302, 307)))
    assert not other.requests and not other.handshakes, "the other server was asked"


@suite.scenario("308 at the first list is not followed either")
def redirect_first(r):
    other = r.add_server(SECOND_IP).start()
    r.server.next("services", faults.redirect(308, f"{other.url}/api/v1/services"))
    r.up()
    assert not other.requests and not other.handshakes, "the other server was asked"


@suite.scenario("200 with the page of a proxy is an error: the watch is asked for again from its version")
def html(r):
    keeps_its_version(r, faults.html())


@suite.scenario("200 with nothing in it is an error: the watch is asked for again from its version")
def empty(r):
    keeps_its_version(r, faults.empty)


@suite.scenario("a proxy's page or nothing instead of the first lists: they are asked for again until they come")
def html_first(r):
    for resource, fault in zip(RESOURCES, (faults.html(), faults.empty, faults.plain(200, b"{}", JSON)), strict=True):
        r.server.next(resource, fault)
    r.up()
    r.recovers()


def lists_and_watches(r, refusal):
    """Without streamed lists: list, watch, and after 410 a list again; the refused stream is not tried twice."""
    r.server.next("services", refusal)
    r.up()
    watch_list, first, watch = r.sequence("services", 0, 3)
    assert watch_list.is_watch_list and first.is_list and watch.is_watch and not watch.is_watch_list
    at_once(watch_list, first)
    assert first.version == "0" and watch.version == str(r.cluster.version), (first, watch)
    mark = r.mark()
    r.cluster.roll_back("services", lambda made: made["metadata"]["name"] != "web-2")
    r.server.streams.order("services", faults.gone())
    again, later = r.sequence("services", watch.at, 2)
    assert again.is_list and later.is_watch and not later.is_watch_list, (again, later)
    listed_again(again, watch.told or watch.version)
    r.holds(lambda: r.agent.names() == {"web-1"}, "the deletion that was missed is found")
    mark.kept("web-1")
    r.recovers()


@suite.scenario("422 to the streamed list: list and watch, and the stream is not tried again")
def no_watch_list(r):
    lists_and_watches(r, faults.status(422, "Invalid", "sendInitialEvents is forbidden"))


@suite.scenario("400 to the streamed list: list and watch, and the stream is not tried again")
def no_watch_list_old(r):
    lists_and_watches(r, faults.status(400, "BadRequest", "unknown parameter"))


@suite.scenario("400 to the field selector: it is left out, and headless Services are still not served")
def no_field_selector(r):
    r.server.always("services", faults.without_field_selector)
    r.cluster.put(objects.service("headless", "None"))
    r.up()
    assert any("fieldSelector" in each.query for each in r.server.asked("services"))
    watch = r.watching()
    assert "fieldSelector" not in watch.query and watch.query["labelSelector"] == NO_PROXY_NAME
    r.recovers()
    assert "headless" not in r.agent.names()


if __name__ == "__main__":
    suite.main()
