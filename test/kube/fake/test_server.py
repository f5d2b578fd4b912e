"""The fake API server itself, asked by a small client: it is truthful unless told otherwise, in both encodings."""

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[1])]

import http.client
import json
import shutil
import ssl
import tempfile
from types import SimpleNamespace

from apiserver import EXPIRED, Authority, Cluster, Server, ServerTls, faults  # noqa: E402
from rig import objects  # noqa: E402
from rig.suite import Suite  # noqa: E402

PROTOBUF = "application/vnd.kubernetes.protobuf"
SERVICES, SLICES, NODES = "/api/v1/services", "/apis/discovery.k8s.io/v1/endpointslices", "/api/v1/nodes"


def fields(data):
    """A protobuf message by field number: lists of numbers and bytes."""
    found, at = {}, 0

    def varint():
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    while at < len(data):
        tag = varint()
        value = varint()
        if tag & 7 == 2:
            at, value = at + value, data[at:at + value]
        found.setdefault(tag >> 3, []).append(value)
    return found


def opened(data):
    """(kind, message) out of the envelope."""
    assert data[:4] == b"k8s\0", data[:8]
    envelope = fields(data[4:])
    return fields(envelope[1][0])[2][0].decode(), envelope[2][0]


class Stage:
    """A server on loopback and a client that trusts it."""

    def __init__(self, _number):
        self.folder = Path(tempfile.mkdtemp(prefix="naru-fake-self-"))
        self.ca = Authority(self.folder / "ca")
        self.cluster = Cluster()
        self.tls = ServerTls(*self.ca.issue("server", "IP:127.0.0.1"), self.ca.certificate)
        self.server = Server(self.cluster, self.tls)

    def __enter__(self):
        self.server.start()
        self.cluster.put(objects.node("n1", "10.77.0.1"), *objects.web(1), *objects.web(2), *objects.web(3))
        return self

    def __exit__(self, *_):
        self.server.stop()
        shutil.rmtree(self.folder)

    def check_at_end(self):
        pass

    def story(self):
        return "\n".join(map(str, self.server.requests))

    def trust(self):
        return ssl.create_default_context(cafile=str(self.ca.certificate))

    def ask(self, target, accept="application/json", method="GET", body=None, context=None, **headers):
        connection = http.client.HTTPSConnection("127.0.0.1", self.server.port, timeout=10,
                                                 context=context or self.trust())
        connection.request(method, target, body, {"Accept": accept, "Connection": "close"} | headers)
        return connection.getresponse()

    def get(self, target, **more):
        answer = self.ask(target, **more)
        return SimpleNamespace(status=answer.status, body=answer.read(), headers=answer.headers)

    def watch(self, target, version="", query="", **more):
        answer = self.ask(f"{target}?watch=1&resourceVersion={version}&timeoutSeconds=5{query}", **more)
        assert answer.status == 200, answer.status
        return answer

    def initial(self, target):
        return self.watch(target, query="&sendInitialEvents=true&resourceVersionMatch=NotOlderThan")


def line(answer):
    made = json.loads(answer.readline())
    return made["type"], made["object"]


def frame(answer):
    message = fields(answer.read(int.from_bytes(answer.read(4), "big")))
    return message[1][0].decode(), *opened(fields(message[2][0])[1][0])


suite = Suite(Stage)


@suite.scenario("a list holds every object and the version of the moment")
def lists(s):
    made = json.loads(s.get(SERVICES).body)
    assert made["kind"] == "ServiceList" and made["metadata"]["resourceVersion"] == str(s.cluster.version)
    assert [item["metadata"]["name"] for item in made["items"]] == ["web-1", "web-2", "web-3"]


@suite.scenario("selectors choose what is listed and watched")
def selectors(s):
    s.cluster.put(objects.service("headless", "None"),
                  objects.service("foreign", "10.96.0.9", labels={"service.kubernetes.io/service-proxy-name": "x"}))
    query = ("labelSelector=!service.kubernetes.io/service-proxy-name", "fieldSelector=spec.clusterIP!=None")
    made = json.loads(s.get(f"{SERVICES}?{'&'.join(query)}").body)
    assert len(made["items"]) == 3, made
    nodes = json.loads(s.get(f"{NODES}?fieldSelector=metadata.name=n2").body)
    assert nodes["items"] == [], nodes
    stream = s.watch(SERVICES, s.cluster.version, f"&{query[0]}")
    s.cluster.put(objects.service("web-1", "10.96.0.1", labels={"service.kubernetes.io/service-proxy-name": "x"}))
    kind, gone = line(stream)
    assert kind == "DELETED" and gone["metadata"]["name"] == "web-1", (kind, gone)


@suite.scenario("pages join to the whole, and each token works once")
def pages(s):
    first = json.loads(s.get(f"{SERVICES}?limit=2").body)
    token = first["metadata"]["continue"]
    second = json.loads(s.get(f"{SERVICES}?limit=2&continue={token}").body)
    assert len(first["items"]) == 2 and len(second["items"]) == 1 and "continue" not in second["metadata"]
    assert s.get(f"{SERVICES}?limit=2&continue={token}").status == 410
    assert len(json.loads(s.get(f"{SERVICES}?limit=2&resourceVersion=0").body)["items"]) == 3


@suite.scenario("a streamed list ends with its bookmark and goes on as a watch")
def watch_list(s):
    stream = s.initial(SERVICES)
    assert {line(stream)[1]["metadata"]["name"] for _ in range(3)} == {"web-1", "web-2", "web-3"}
    kind, made = line(stream)
    assert kind == "BOOKMARK" and made["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}
    s.cluster.remove(objects.web(2)[0])
    kind, made = line(stream)
    assert kind == "DELETED" and made["metadata"]["resourceVersion"] == str(s.cluster.version)


@suite.scenario("a watch replays what was missed, and says 410 when that is forgotten")
def missed(s):
    version = s.cluster.version
    s.cluster.put(*objects.web(4))
    kind, made = line(s.watch(SERVICES, version))
    assert (kind, made["metadata"]["name"]) == ("ADDED", "web-4")
    s.cluster.compact()
    kind, made = line(s.watch(SERVICES, version))
    assert (kind, made["code"], made["reason"]) == ("ERROR", 410, "Expired")
    assert s.get(f"{SERVICES}?resourceVersion={s.cluster.version + 1}").status == 504


@suite.scenario("both encodings tell the same")
def encodings(s):
    kind, raw = opened(s.get(SERVICES, accept=f"{PROTOBUF}, application/json").body)
    made = fields(raw)
    names = [fields(fields(item)[1][0])[1][0] for item in made[2]]
    assert (kind, names) == ("ServiceList", [b"web-1", b"web-2", b"web-3"])
    spec = fields(fields(made[2][0])[2][0])
    port = fields(spec[1][0])
    assert spec[3] == [b"10.96.0.1"] and spec[18] == [b"10.96.0.1"] and port[3] == [80] and port[2] == [b"TCP"]
    assert fields(port[4][0]) == {1: [0], 2: [8080], 3: [b""]}
    stream = s.watch(SLICES, accept=f"{PROTOBUF};stream=watch")
    kind, inner, raw = frame(stream)
    made = fields(raw)
    endpoint = fields(made[2][0])
    assert (kind, inner, made[4]) == ("ADDED", "EndpointSlice", [b"IPv4"])
    assert endpoint[1][0].startswith(b"10.244.") and fields(endpoint[2][0]) == {1: [1], 2: [1], 3: [0]}


@suite.scenario("a client that asks for nothing the server has gets 406")
def unacceptable(s):
    s.server.encodings = ("json",)
    assert s.get(SERVICES, accept=PROTOBUF).status == 406
    assert s.get(SERVICES, accept=f"{PROTOBUF}, application/json").headers["Content-Type"] == "application/json"


@suite.scenario("a wrong token gets 401, a right one or a client certificate the answer")
def credentials(s):
    s.server.tokens = {"right"}
    assert s.get(SERVICES, Authorization="Bearer wrong").status == 401
    assert s.get(SERVICES, Authorization="Bearer right").status == 200
    context = s.trust()
    context.load_cert_chain(*s.ca.issue("agent"))
    assert s.get(SERVICES, context=context).status == 200
    assert s.server.requests[-1].client == "agent"


@suite.scenario("Events are taken and remembered")
def events(s):
    for path in ("/api/v1/namespaces/test/events", "/apis/events.k8s.io/v1/namespaces/test/events"):
        answer = s.get(path, method="POST", body=json.dumps({"kind": "Event", "reason": "Told"}))
        assert answer.status == 201, answer.status
    assert [json.loads(each.body)["reason"] for each in s.server.asked("events")] == ["Told", "Told"]


@suite.scenario("a script answers in its order, then the truth is back")
def scripts(s):
    s.server.next("services", faults.status(500, "InternalError"), faults.html(), faults.redirect(302, "https://x/"))
    answers = [s.get(SERVICES) for _ in range(4)]
    assert [each.status for each in answers] == [500, 200, 302, 200], answers
    assert answers[1].headers["Content-Type"].startswith("text/html") and answers[2].headers["Location"]
    assert [request.answered for request in s.server.asked("services")] == [500, 200, 302, 200]


@suite.scenario("an order on an open watch breaks it where it says")
def orders(s):
    stream = s.initial(NODES)
    line(stream), line(stream)
    [node] = s.cluster.snapshot("nodes")[0]
    s.server.streams.order("nodes", faults.event("DELETED", node))
    assert line(stream)[0] == "DELETED"
    s.server.streams.order("nodes", faults.cut_inside_a_frame(node))
    try:
        stream.read()
        raise AssertionError("the cut was not noticed")
    except (http.client.IncompleteRead, ssl.SSLEOFError):
        pass


@suite.scenario("an expired certificate and a foreign authority are refused by a careful client")
def certificates(s):
    other = Authority(s.folder / "other")
    for certificate in (s.ca.issue("old", "IP:127.0.0.1", EXPIRED), other.issue("server", "IP:127.0.0.1")):
        s.server.tls = ServerTls(*certificate, s.ca.certificate)
        try:
            s.get(SERVICES)
            raise AssertionError("the client was content")
        except ssl.SSLCertVerificationError:
            pass
    s.server.tls = s.tls
    assert s.get(SERVICES).status == 200


@suite.scenario("a server that is gone refuses connections, and comes back on its port")
def gone(s):
    stream = s.initial(SERVICES)
    s.server.stop()
    try:
        stream.read()
        raise AssertionError("the stream did not break")
    except (OSError, http.client.HTTPException):
        pass
    try:
        s.get(SERVICES)
        raise AssertionError("somebody answered")
    except ConnectionRefusedError:
        pass
    s.server.start()
    assert s.get(SERVICES).status == 200


if __name__ == "__main__":
    suite.main()
