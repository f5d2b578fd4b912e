"""One request and the answer to it, down to the bytes: what a fault needs to break."""

import time
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlsplit

from . import wire


class Cut(Exception):
    """Ends the connection at once, with no last chunk and no farewell of TLS."""


@dataclass
class Request:
    method: str
    path: str
    query: dict
    headers: dict            # names in small letters
    body: bytes
    at: float                # time.monotonic()
    client: str = ""         # common name of the client's certificate
    answered: int = 0        # status, 0: none was sent
    ended: float = 0.0       # when the answer was over
    told: str = ""           # version of the last event of a watch

    @property
    def is_watch(self):
        return self.query.get("watch") in ("1", "true")

    @property
    def is_watch_list(self):
        return self.is_watch and self.query.get("sendInitialEvents") == "true"

    @property
    def is_list(self):
        return self.method == "GET" and not self.is_watch

    @property
    def version(self):
        return self.query.get("resourceVersion", "")

    def __str__(self):
        query = "&".join(f"{key}={value}" for key, value in self.query.items() if not key.endswith("Selector"))
        return f"{self.method} {self.path}?{query} -> {self.answered or 'nothing'}"


def read_request(stream, client):
    """None: the client has closed the connection."""
    line = stream.readline(65536)
    if not line:
        return None
    method, target, _ = line.decode("latin-1").split(" ", 2)
    headers = {}
    while (line := stream.readline(65536)).strip():
        name, _, value = line.decode("latin-1").partition(":")
        headers[name.strip().lower()] = value.strip()
    body = stream.read(int(headers.get("content-length", 0)))
    parts = urlsplit(target)
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    return Request(method, parts.path, query, headers, body, time.monotonic(), client)


class Exchange:
    """`pace`: seconds between single bytes; 0 sends whole chunks."""

    def __init__(self, server, connection, request, resource):
        self.server, self.cluster = server, server.cluster
        self.connection, self.request, self.resource = connection, request, resource
        self.encoding = wire.negotiate(request.headers.get("accept", "*/*"), server.encodings)
        self.pace = 0.0
        self.overlooks_initial = False  # a server too old to know sendInitialEvents
        self.open_body = False

    # Bytes

    def raw(self, data):
        """Past all framing of HTTP."""
        if not self.pace:
            self.connection.sendall(data)
            return
        for index in range(len(data)):
            self.connection.sendall(data[index:index + 1])
            time.sleep(self.pace)

    def head(self, status=200, content_type=None, length=None, **headers):
        """Without `length` a chunked body follows."""
        self.request.answered = status
        lines = [f"HTTP/1.1 {status} Scripted"]
        if content_type:
            lines.append(f"Content-Type: {content_type}")
        lines.append("Transfer-Encoding: chunked" if length is None else f"Content-Length: {length}")
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        self.connection.sendall(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"))
        self.open_body = length is None

    def write(self, data):
        """One chunk of the body, or with a pace one chunk a byte."""
        if self.pace:
            for index in range(len(data)):
                self.connection.sendall(b"1\r\n" + data[index:index + 1] + b"\r\n")
                time.sleep(self.pace)
        elif data:
            self.connection.sendall(f"{len(data):x}\r\n".encode() + data + b"\r\n")

    def finish(self):
        if self.open_body:
            self.connection.sendall(b"0\r\n\r\n")
            self.open_body = False

    def cut(self):
        raise Cut

    # Answers

    def answer(self, status, body=b"", content_type=None, **headers):
        self.head(status, content_type, len(body), **headers)
        self.raw(body)

    def status(self, code, reason, message="", causes=(), retry_after=None, **headers):
        encoding = self.encoding or wire.ENCODINGS["json"]
        made = wire.status_of(code, reason, message, causes, retry_after)
        self.answer(code, encoding.status(made), encoding.content_type, **headers)

    def start_watch(self):
        self.head(200, self.encoding.watch_type)

    def event(self, kind, made):
        self.write(self.encoding.event(kind, made))
        if kind != "ERROR":
            self.request.told = made["metadata"]["resourceVersion"]

    def error_event(self, code, reason, message="", causes=()):
        self.event("ERROR", wire.status_of(code, reason, message, causes))

    def bookmark(self, version, initial_events_end=False):
        self.event("BOOKMARK", wire.bookmark_of(self.resource, str(version), initial_events_end))
