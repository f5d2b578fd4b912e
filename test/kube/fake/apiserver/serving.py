"""The truthful answers: what a real API server says to a list, a watch and an Event. Faults are in faults.py."""

import json
import random
import time

from .cluster import version_of
from .exchange import Cut
from .selector import selects
from .wire import ENCODINGS

PATHS = {"/api/v1/services": "services", "/apis/discovery.k8s.io/v1/endpointslices": "endpointslices",
         "/api/v1/nodes": "nodes"}


def resource_of(path):
    """"events" for every path that takes Events; None: nothing is there."""
    if "/events" in path:
        return "events"
    return PATHS.get(path.rstrip("/"))


def serve(exchange):
    request = exchange.request
    if exchange.server.tokens is not None and not allowed(exchange.server.tokens, request):
        return exchange.status(401, "Unauthorized", "Unauthorized")
    if exchange.resource == "events":
        return take_event(exchange)
    if exchange.resource is None or request.method != "GET":
        return exchange.status(404, "NotFound", "the server could not find the requested resource")
    if exchange.encoding is None:
        return exchange.status(406, "NotAcceptable", "only the following media types are accepted")
    return watch(exchange) if request.is_watch else answer_list(exchange)


def allowed(tokens, request):
    return bool(request.client) or request.headers.get("authorization", "") in {f"Bearer {each}" for each in tokens}


def take_event(exchange):
    if exchange.request.method not in ("POST", "PATCH"):
        return exchange.status(405, "MethodNotAllowed")
    made = json.loads(exchange.request.body)
    return exchange.answer(201 if exchange.request.method == "POST" else 200, json.dumps(made).encode(),
                           ENCODINGS["json"].content_type)


def answer_list(exchange):
    """Pages only where the answer does not come from the cache, which is asked for by version 0."""
    query = exchange.request.query
    if token := query.get("continue"):
        page = exchange.server.pages.pop(token, None)
        if page is None:
            return exchange.status(410, "Expired", "The provided continue parameter is too old")
        items, version = page
    else:
        items, version = exchange.cluster.snapshot(exchange.resource)
        if from_the_future(exchange, version):
            return None
        items = [made for made in items if selects(query, made)]
    limit = int(query.get("limit", 0))
    rest = items[limit:] if limit and exchange.request.version != "0" else []
    token = exchange.server.keep_page(rest, version) if rest else ""
    body = exchange.encoding.list(exchange.resource, items[:len(items) - len(rest)], str(version), token)
    return exchange.answer(200, body, exchange.encoding.content_type)


def from_the_future(exchange, version):
    wanted = exchange.request.version
    if not wanted or int(wanted) <= version:
        return False
    message = f"Too large resource version: {wanted}, current: {version}"
    exchange.status(504, "Timeout", message, retry_after=1,
                    causes=[{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}])
    return True


def watch(exchange):
    server, request = exchange.server, exchange.request
    wants_initial = request.is_watch_list and not exchange.overlooks_initial
    if wants_initial and not server.watch_list:
        return exchange.status(422, "Invalid", "sendInitialEvents: Forbidden: sendInitialEvents is forbidden for watch "
                               "unless the WatchList feature gate is enabled")
    items, version = exchange.cluster.snapshot(exchange.resource)
    if from_the_future(exchange, version):
        return None
    exchange.start_watch()
    if wants_initial or request.version in ("", "0"):
        send_initial(exchange, items)
        if wants_initial:
            exchange.bookmark(version, initial_events_end=True)
    else:
        version = int(request.version)
        if version < exchange.cluster.oldest:
            exchange.error_event(410, "Expired", f"too old resource version: {version} ({exchange.cluster.oldest})")
            return exchange.finish()
    follow(exchange, version)
    return exchange.finish()


def send_initial(exchange, items):
    """In no order of versions, as promised by nobody and done by real servers."""
    items = sorted(items, key=version_of)
    random.Random(len(items)).shuffle(items)
    for made in items:
        if selects(exchange.request.query, made):
            exchange.event("ADDED", made)


def follow(exchange, version):
    """Changes after `version` as they come, and whatever the test orders on this stream."""
    cluster, query = exchange.cluster, exchange.request.query
    until = time.monotonic() + float(query.get("timeoutSeconds", 1800))
    stream = exchange.server.streams.open(exchange)
    try:
        while not stream.ended and time.monotonic() < until:
            with cluster.changed:
                cluster.changed.wait_for(lambda: stream.orders or stream.ended or stream.aborted
                                         or cluster.since(exchange.resource, version),
                                         min(until - time.monotonic(), 1))
                changes, orders = cluster.since(exchange.resource, version), stream.take_orders()
            if stream.aborted:
                raise Cut
            for change in changes:
                send_change(exchange, change)
                version = change.version
            for order in orders:
                order(exchange)
    finally:
        exchange.server.streams.close(stream)


def send_change(exchange, change):
    """An object that begins or ceases to match the selectors appears to be made or deleted."""
    query = exchange.request.query
    was = change.old is not None and selects(query, change.old)
    now = change.new is not None and selects(query, change.new)
    if now:
        exchange.event("MODIFIED" if was else "ADDED", change.new)
    elif was:
        last = change.old | {"metadata": change.old["metadata"] | {"resourceVersion": str(change.version)}}
        exchange.event("DELETED", last)
