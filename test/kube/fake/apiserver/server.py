"""The scripted API server: HTTP/1.1 over TLS, one thread a connection. It answers truthfully unless a test has put
something else in the queue of a resource."""

import itertools
import socket
import struct
import threading
import time
from collections import defaultdict, deque
from contextlib import nullcontext

from .exchange import Cut, Exchange, read_request
from .serving import resource_of, serve
from .streams import Streams

SILENT_CLIENT = 120  # seconds
RESET = struct.pack("ii", 1, 0)


class Server:
    """`where`: a context in which sockets are made, to be in another network namespace. `tokens`: None lets everybody
    in, else the bearer tokens that count; a client certificate of the test's authority always does."""

    def __init__(self, cluster, tls, host="127.0.0.1", port=0, where=nullcontext, tokens=None):
        self.cluster, self.tls, self.where, self.tokens = cluster, tls, where, tokens
        self.host, self.port = host, port
        self.watch_list = True                    # does the server have the feature?
        self.encodings = ("protobuf", "json")
        self.streams = Streams(cluster)
        self.requests = []                        # all of them, in order
        self.handshakes = []                      # (time, "" or what went wrong)
        self.scripts = defaultdict(deque)         # resource -> actions for its next requests
        self.standing = {}                        # resource -> action for every request without a script
        self.next_connections = deque()           # instead of a handshake: functions of the raw socket
        self.pages, self.page_numbers = {}, itertools.count(1)
        self.listener, self.connections, self.lock = None, set(), threading.Lock()

    @property
    def url(self):
        return f"https://{self.host}:{self.port}"

    # Life

    def start(self):
        with self.where():
            family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
            listener = socket.socket(family, socket.SOCK_STREAM)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((self.host, self.port))
            listener.listen(64)
        self.port = listener.getsockname()[1]
        self.listener = listener
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()
        return self

    def stop(self):
        """Gone, as by kill -9: every connection is reset, new ones are refused."""
        listener, self.listener = self.listener, None
        if listener:
            listener.shutdown(socket.SHUT_RDWR)
            listener.close()
        self.streams.abort()
        with self.lock:
            open_now = list(self.connections)
        for raw in open_now:
            reset(raw)

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()

    # Scripts

    def next(self, resource, *actions):
        """What the next requests for `resource` get, one action each."""
        self.scripts[resource].extend(actions)

    def always(self, resource, action):
        """What every further request gets. None: the truth again."""
        self.standing[resource] = action

    def keep_page(self, items, version):
        token = f"page-{next(self.page_numbers)}"
        self.pages[token] = (items, version)
        return token

    # What was asked

    def asked(self, resource=None, after=0.0, **wanted):
        """Requests for `resource` since `after` whose attributes are as wanted."""
        return [request for request in list(self.requests)
                if request.at > after and (resource is None or resource_of(request.path) == resource)
                and all(getattr(request, name) == value for name, value in wanted.items())]

    # Connections

    def _accept(self, listener):
        while True:
            try:
                raw, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._connection, args=(raw,), daemon=True).start()

    def _connection(self, raw):
        with self.lock:
            self.connections.add(raw)
        try:
            if self.next_connections:
                self.next_connections.popleft()(raw)
                return
            raw.settimeout(SILENT_CLIENT)
            secure = self._handshake(raw)
            if secure:
                self._exchanges(secure)
        except (OSError, ValueError):
            pass  # the client went away in the middle
        finally:
            with self.lock:
                self.connections.discard(raw)
            raw.close()

    def _handshake(self, raw):
        try:
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            secure = self.tls.server_context().wrap_socket(raw, server_side=True)
        except OSError as why:
            self.handshakes.append((time.monotonic(), str(why)))
            return None
        self.handshakes.append((time.monotonic(), ""))
        with self.lock:
            self.connections.discard(raw)
            self.connections.add(secure)
        return secure

    def _exchanges(self, secure):
        try:
            stream = secure.makefile("rb")
            while request := read_request(stream, common_name(secure)):
                self.requests.append(request)
                self._answer(Exchange(self, secure, request, resource_of(request.path)))
                request.ended = time.monotonic()
                if request.headers.get("connection", "").lower() == "close":
                    say_goodbye(secure)
                    return
        except Cut:
            request.ended = time.monotonic()
        finally:
            with self.lock:
                self.connections.discard(secure)
            secure.close()

    def _answer(self, exchange):
        script = self.scripts[exchange.resource]
        action = script.popleft() if script else self.standing.get(exchange.resource) or serve
        action(exchange)


def common_name(secure):
    for part in (secure.getpeercert() or {}).get("subject", ()):
        for name, value in part:
            if name == "commonName":
                return value
    return ""


def say_goodbye(secure):
    """close_notify, without waiting long for that of the client."""
    secure.settimeout(1)
    try:
        secure.unwrap()
    except OSError:
        pass


def reset(raw):
    """RST instead of FIN. The thread that reads there wakes up with an error."""
    try:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        raw.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass
