"""Connections and certificates: what is wrong is retried and never ignored, and forwarding does not notice."""

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[1])]

import shutil
import ssl
import time

from apiserver import EXPIRED, ServerTls, faults  # noqa: E402
from rig import objects  # noqa: E402
from rig.rig import SECOND_IP, SERVER_IP, SERVER_NAMES  # noqa: E402
from rig.stage import resumed, suite_of_rigs  # noqa: E402

suite = suite_of_rigs("tran")


def connections_fail(r, after, at_least=2):
    """Nothing but failed handshakes, and no request."""
    r.holds(lambda: len([each for each in r.server.handshakes if each[0] > after and each[1]]) >= at_least,
            "failed handshakes")
    assert not r.server.asked(after=after), r.server.asked(after=after)


def broken_tls_is_survived(r, tls):
    """A running agent meets this certificate when its watch breaks, then the old one is back."""
    mark = r.up().mark()
    before, good = r.watching(), r.server.tls
    r.server.tls = tls
    since = time.monotonic()
    r.server.streams.order("services", faults.reset)
    connections_fail(r, since)
    mark.unchanged()
    r.counted("naru_watch_failures_total", 2, resource="services")
    r.server.tls = good
    again = r.next_request("services", before.at)
    resumed(before, again)
    r.recovers()
    mark.kept()


@suite.scenario("a certificate for another name is refused until the right one is back")
def wrong_name(r):
    broken_tls_is_survived(r, ServerTls(*r.pki.ca.issue(f"wrong-{r.id}", "IP:10.77.0.99,DNS:elsewhere"),
                                        r.pki.ca.certificate))


@suite.scenario("an expired certificate is refused until a valid one is back")
def expired(r):
    broken_tls_is_survived(r, ServerTls(*r.pki.ca.issue(f"expired-{r.id}", SERVER_NAMES, EXPIRED),
                                        r.pki.ca.certificate))


@suite.scenario("a certificate of an unknown authority is refused until a known one is back")
def unknown_authority(r):
    broken_tls_is_survived(r, ServerTls(*r.pki.authority().issue("server", SERVER_NAMES), r.pki.ca.certificate))


@suite.scenario("a server that demands a client certificate ends in an alert, and is tried again")
def alert(r):
    mark = r.up().mark()
    before, good = r.watching(), r.server.tls
    r.server.tls = ServerTls(good.certificate, good.key, good.clients, client_required=True)
    since = time.monotonic()
    r.server.streams.order("services", faults.reset)
    r.holds(lambda: any(each[0] > since and "CERTIFICATE" in each[1].upper() for each in r.server.handshakes),
            "a handshake without a client certificate")
    mark.unchanged()
    r.server.tls = good
    resumed(before, r.next_request("services", before.at))
    r.recovers()


@suite.scenario("an alert instead of a handshake, and a server that speaks no TLS, are tried again")
def no_handshake(r):
    mark = r.up().mark()
    before = r.watching()
    r.server.next_connections.append(lambda raw: raw.sendall(b"\x15\x03\x03\x00\x02\x02\x50"))  # fatal internal_error
    r.server.next_connections.append(lambda raw: raw.sendall(b"HTTP/1.0 400 Bad Request\r\n\r\n"))
    r.server.streams.order("services", faults.reset)
    resumed(before, r.next_request("services", before.at))
    assert not r.server.next_connections
    mark.unchanged()
    r.recovers()


@suite.scenario("an authority that is rotated while the agent runs is trusted from the next connection on")
def rotated_authority(r):
    mark = r.up().mark()
    before = r.watching()
    other = r.pki.authority()
    r.server.tls = ServerTls(*other.issue("server", SERVER_NAMES), r.pki.ca.certificate)
    since = time.monotonic()
    r.server.streams.order("services", faults.reset)
    connections_fail(r, since, at_least=1)
    shutil.copy(other.certificate, r.ca_file)
    resumed(before, r.next_request("services", before.at))
    mark.unchanged()
    r.recovers()


@suite.scenario("an intermediate authority is trusted when it is the one that is named")
def intermediate_authority(r):
    middle = r.pki.authority()
    r.pki.authority().vouch_for(middle)
    r.server.tls = ServerTls(*middle.issue("server", SERVER_NAMES), r.pki.ca.certificate)
    shutil.copy(middle.certificate, r.ca_file)
    r.up()
    r.recovers()


@suite.scenario("a CA file that is being replaced and holds nothing yet keeps the connection, and hurts only new ones")
def authority_missing(r):
    mark = r.up().mark()
    before = r.watching()
    r.ca_file.write_text("")
    r.server.streams.order("services", faults.reset)
    time.sleep(2)  # at least one try
    assert not r.server.asked("services", before.at), "a server without a known authority was trusted"
    shutil.copy(r.pki.ca.certificate, r.ca_file)
    resumed(before, r.next_request("services", before.at))
    mark.unchanged()
    r.recovers()


@suite.scenario("TLS 1.2 and TLS 1.3 are spoken, each alone")
def versions(r):
    good = r.server.tls
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        r.server.tls = ServerTls(good.certificate, good.key, good.clients, (version, version))
        if not r.agent.alive:
            r.up()
        else:
            r.interrupt(faults.reset)
        assert r.watching().answered == 200
    r.recovers()


@suite.scenario("tls-server-name is the name the certificate has to carry, and the one that is asked for")
def server_name(r):
    r.up(**{"tls-server-name": "kubernetes.default.svc"})
    assert r.server.requests
    r.agent.stop()
    since = time.monotonic()
    r.start_agent(**{"tls-server-name": "kubernetes.elsewhere"})
    connections_fail(r, since)


@suite.scenario("a client certificate lets the agent in, and no token is sent")
def client_certificate(r):
    certificate, key = r.pki.client
    r.up(user={"client-certificate": str(certificate), "client-key": str(key)})
    assert all(each.client == "agent" and "authorization" not in each.headers for each in r.server.requests)
    r.recovers()


@suite.scenario("an agent that starts before its server waits alive and not ready, and comes up with it")
def late_server(r):
    r.start_agent()
    r.holds(lambda: r.agent.get("/livez").status == 200, "/livez answers")
    time.sleep(2)
    assert r.agent.alive and r.agent.get("/readyz").status == 503
    r.server.start()
    r.agent.wait_ready()
    r.recovers()


@suite.scenario("while the API server is away nothing is written and the probes are content; then the watches go on")
def away(r):
    mark = r.up().mark()
    watches = {resource: r.watching(resource) for resource in ("services", "endpointslices", "nodes")}
    r.server.stop()
    until = time.monotonic() + 8
    while time.monotonic() < until:
        assert r.agent.get("/livez").status == r.agent.get("/healthz").status == r.agent.get("/readyz").status == 200
        time.sleep(0.5)
    assert r.agent.metric("naru_apiserver_connected") == 0
    mark.unchanged()
    r.cluster.put(*objects.web(3))
    back = time.monotonic()
    r.server.start()
    r.holds(lambda: len(r.agent.backends_of("web-3")) == 2, "what happened meanwhile has arrived", 20)
    for resource, before in watches.items():
        resumed(before, r.next_request(resource, back))
    mark.kept()
    r.holds(lambda: r.agent.metric("naru_apiserver_connected") == 1, "naru_apiserver_connected is 1")


@suite.scenario("a server that takes connections and says nothing does not hold up what is installed")
def silent(r):
    mark = r.up().mark()
    before = r.watching()
    r.server.next_connections.append(lambda raw: time.sleep(12))
    r.server.streams.order("services", faults.reset)
    resumed(before, r.next_request("services", before.at, 20))  # the handshake gets 10 s
    mark.unchanged()
    r.recovers()


@suite.scenario("of two servers the second is used when the first is gone, and the first again when the second is")
def failover(r):
    second = r.add_server(SECOND_IP).start()
    r.up("--kubernetes-api", f"https://{SERVER_IP}:6443,{second.url}")
    assert not second.requests, "the second server was asked although the first answers"
    mark = r.mark()
    r.server.stop()
    r.holds(lambda: len(second.streams.all) == 3, "three watches at the second server", 20)
    assert not [each for each in second.requests if each.is_watch_list or each.is_list], second.requests
    mark.unchanged()
    r.recovers()
    r.server.start()
    time.sleep(1)
    assert len(second.streams.all) == 3, "the server that works is not remembered"
    second.stop()
    r.holds(lambda: len(r.server.streams.all) == 3, "three watches at the first server", 20)
    r.recovers(101)
    mark.kept()


if __name__ == "__main__":
    suite.main()
