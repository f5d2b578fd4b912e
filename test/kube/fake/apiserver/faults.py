"""Answers no healthy API server gives. Each is an action: a function of the Exchange, for Server.next() or always()."""

import threading

from .serving import serve

HTML = b"<html><head><title>Login</title></head><body>Please sign in to the corporate proxy.</body></html>"


def status(code, reason, message="", **more):
    """An error answer with a Status in it. `retry_after`: in its details; `Retry_After`: the header."""
    return lambda exchange: exchange.status(code, reason, message, **more)


def plain(code, body=b"", content_type="text/plain", **headers):
    """An answer of something in between, which knows nothing of Kubernetes."""
    return lambda exchange: exchange.answer(code, body, content_type, **headers)


def html(code=200):
    return plain(code, HTML, "text/html; charset=utf-8")


def redirect(code, target):
    return plain(code, b"", None, Location=target)


def empty(exchange):
    exchange.answer(200)


def reset(exchange):
    exchange.cut()


def json_only(exchange):
    """A server that has no protobuf and says so instead of choosing."""
    if "protobuf" in exchange.request.headers.get("accept", ""):
        exchange.status(406, "NotAcceptable", "only the following media types are accepted: application/json")
    else:
        serve(exchange)


def ignoring_initial_events(exchange):
    """Too old a server: it overlooks the parameter, so the end of the first set is never told."""
    exchange.overlooks_initial = True
    serve(exchange)


def without_field_selector(exchange):
    if "fieldSelector" in exchange.request.query:
        exchange.status(400, "BadRequest", 'field label not supported: spec.clusterIP')
    else:
        serve(exchange)


def slowly(pace):
    """The truth, one byte at a time."""
    def action(exchange):
        exchange.pace = pace
        serve(exchange)
    return action


class Held:
    """Requests wait until release(); then they get the truth."""

    def __init__(self):
        self.gate = threading.Event()

    def __call__(self, exchange):
        if not self.gate.wait(60):
            exchange.cut()
        serve(exchange)

    def release(self):
        self.gate.set()


# Orders on an open watch: for Server.streams.order().

def cut_inside_a_frame(made):
    """Half an event, then the connection is gone."""
    def order(exchange):
        data = exchange.encoding.event("MODIFIED", made)
        exchange.write(data[:len(data) // 2])
        exchange.cut()
    return order


def cut_inside_a_chunk(made):
    """The chunk promises more bytes than come."""
    def order(exchange):
        data = exchange.encoding.event("MODIFIED", made)
        exchange.raw(f"{len(data) + 100:x}\r\n".encode() + data)
        exchange.cut()
    return order


def bytes_on_stream(data):
    return lambda exchange: exchange.write(data)


def event(kind, made):
    return lambda exchange: exchange.event(kind, made)


def gone(code=410, reason="Expired", causes=()):
    """The ERROR event that ends a watch from too old a version."""
    def order(exchange):
        exchange.error_event(code, reason, "too old resource version", causes)
        exchange.finish()
        exchange.cut()
    return order


def frame_of(kind, object_bytes):
    """An event around these bytes instead of an object."""
    return lambda exchange: exchange.write(exchange.encoding.frame(kind, object_bytes))
