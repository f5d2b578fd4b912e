"""Objects that are odd, hostile, huge or out of order: the good ones are served, and nothing harms what is installed."""

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[1])]

import copy

from apiserver import faults  # noqa: E402
from rig import objects  # noqa: E402
from rig.stage import suite_of_rigs  # noqa: E402

suite = suite_of_rigs("objs")


def stored(r, resource, name):
    """As the server has it."""
    return r.cluster.objects[resource]["test", name]


def send(r, kind, made, resource="services"):
    r.server.streams.order(resource, faults.event(kind, made))


def unknown_to_all(made, version="7"):
    made = copy.deepcopy(made)
    made["metadata"] |= {"uid": "uid-of-nobody", "resourceVersion": version}
    return made


@suite.scenario("events that are told again, in any order of their versions, change nothing")
def replayed(r):
    mark = r.up().mark()
    watch = r.watching()
    for kind in ("ADDED", "MODIFIED", "ADDED", "MODIFIED"):
        for number in (2, 1):
            send(r, kind, stored(r, "services", f"web-{number}"))
            send(r, kind, stored(r, "endpointslices", f"web-{number}-1"), "endpointslices")
    r.counted("naru_watch_events_total", 8, resource="services")
    r.recovers()
    mark.kept()
    assert r.watching() is watch, "the watch was dropped"


@suite.scenario("DELETED for what nobody knew changes nothing, and MODIFIED for it is an addition")
def unknown_objects(r):
    mark = r.up().mark()
    strange, its_slice = (unknown_to_all(made) for made in objects.web(77))
    send(r, "DELETED", strange)
    send(r, "DELETED", its_slice, "endpointslices")
    r.counted("naru_watch_events_total", 4, resource="services")  # two Services, the bookmark, this one
    mark.unchanged()
    send(r, "MODIFIED", strange)
    send(r, "MODIFIED", its_slice, "endpointslices")
    r.holds(lambda: r.agent.backends_of("web-77") == {"10.244.77.1:8080", "10.244.77.2:8080"}, "web-77 is served")
    mark.kept()
    r.recovers()


@suite.scenario("slices may come before their Service")
def slice_first(r):
    mark = r.up().mark()
    service, its_slice = objects.web(3)
    r.cluster.put(its_slice)
    r.holds(lambda: r.watching("endpointslices").told == str(r.cluster.version), "the slice was told")
    mark.unchanged()
    r.cluster.put(service)
    r.holds(lambda: len(r.agent.backends_of("web-3")) == 2, "web-3 is served")
    mark.kept()


@suite.scenario("a Service that takes an address over before its old owner is deleted gets it when that goes")
def address_moves(r):
    mark = r.up().mark()
    heir = objects.service("heir", "10.96.0.2")
    r.cluster.put(heir, objects.slice_of("heir", ["10.244.50.1"]))
    r.recovers()
    mark.kept()
    r.cluster.remove(objects.web(2)[0])
    r.holds(lambda: r.agent.backends_of("heir") == {"10.244.50.1:8080"} and "web-2" not in r.agent.names(),
            "the heir is served")
    mark.kept("web-1")


@suite.scenario("a Service that is deleted and made anew under its name is another one")
def made_anew(r):
    mark = r.up().mark()
    r.cluster.remove(objects.web(2)[0])
    r.cluster.put(objects.service("web-2", "10.96.0.222"))
    r.holds(lambda: {row["frontend"] for row in r.agent.table("services") if row["name"] == "web-2"}
            == {"10.96.0.222:80"}, "the new address is served and the old one is not")
    r.holds(lambda: len(r.agent.backends_of("web-2")) == 2, "its slice still counts")
    mark.kept("web-1")


@suite.scenario("both encodings make the same tables")
def encodings(r):
    r.cluster.put(
        objects.service("ports", "10.96.1.1", ports=[
            {"name": "dns", "port": 53, "protocol": "UDP", "targetPort": "dns", "nodePort": 30053},
            {"name": "dns-tcp", "port": 53, "protocol": "TCP", "targetPort": 53}],
            type="NodePort", sessionAffinity="ClientIP", sessionAffinityConfig={"clientIP": {"timeoutSeconds": 60}}),
        objects.service("balanced", "10.96.1.2", type="LoadBalancer", externalTrafficPolicy="Local",
                        healthCheckNodePort=30999, loadBalancerSourceRanges=["192.0.2.0/24"],
                        externalIPs=["198.51.100.7"])
        | {"status": {"loadBalancer": {"ingress": [{"ip": "203.0.113.7", "ipMode": "VIP"},
                                                   {"ip": "203.0.113.8", "ipMode": "Proxy"}]}}},
        objects.slice_of("balanced", ["10.244.60.1"]),
        objects.slice_of("balanced", ["10.244.60.2"], "2", ready=False, terminating=True))
    odd = objects.slice_of("ports", ["10.244.61.1"])
    odd["ports"] = [{"name": "dns", "protocol": "UDP", "port": 5353}, {"name": "dns-tcp", "port": 5354}]
    odd["endpoints"] += [{"addresses": ["10.244.61.2"]}, {"addresses": ["10.244.61.3"], "conditions": {"ready": False}},
                         {"addresses": ["10.244.61.4"], "hints": {"forZones": [{"name": "zone-b"}]}}]
    r.cluster.put(odd)
    tables = {}
    for encoding in ("protobuf", "json"):
        r.server.encodings = (encoding,)
        if r.agent.alive:
            r.agent.stop()
        else:
            r.server.start()
        r.start_agent()
        r.agent.wait_ready()
        r.holds(lambda: "balanced" in r.agent.names(), "everything is in the tables")
        tables[encoding] = r.agent.table("services"), r.agent.table("backends")
        assert r.applied() == 0 or encoding == "protobuf", "JSON changed what protobuf had made"
    assert len(tables["protobuf"][1]) > 8, tables["protobuf"][1]
    assert tables["protobuf"] == tables["json"]


def hostile_names(r):
    mark = r.up().mark()
    nasty = "x\x1b[31mred\x1b]0;owned\x07\u202e\udcff\udcfe"
    service = objects.service(nasty, "10.96.2.1", labels={nasty: nasty}, annotations={nasty: nasty})
    service["spec"]["ports"][0]["name"] = nasty
    its_slice = objects.slice_of(nasty, ["10.244.70.1"])
    its_slice["ports"][0]["name"] = nasty
    r.cluster.put(service, its_slice)
    r.cluster.put(objects.service("rival" + nasty, "10.96.0.1"))  # a name that has to be spoken of in the log
    r.recovers()
    mark.kept()
    served = {row["frontend"]: row["name"] for row in r.agent.table("services")}
    assert "owned" in served.get("10.96.2.1:80", ""), served
    shown_harmless(r)
    r.cluster.remove(service)
    r.holds(lambda: "10.96.2.1:80" not in {row["frontend"] for row in r.agent.table("services")}, "it can be removed")


def shown_harmless(r):
    shown = [r.agent.log_path.read_bytes()]
    shown += [r.agent.naructl(verb, "-o", form).encode()
              for verb in ("services", "backends") for form in ("table", "wide", "json", "yaml")]
    for text in shown:
        for poison in (b"\x1b", b"\x07", b"\x00", b"\xff", "\u202e".encode()):
            assert poison not in text, f"{poison} in {text[max(0, text.index(poison) - 80):][:160]}"


@suite.scenario("names with escapes and bytes that are no UTF-8 are served and shown harmless (protobuf)")
def names_in_protobuf(r):
    hostile_names(r)


@suite.scenario("names with escapes and bytes that are no UTF-8 are served and shown harmless (JSON)")
def names_in_json(r):
    r.server.encodings = ("json",)
    hostile_names(r)


def without_room(r):
    """Two Services whose names the tables cannot hold, and a good one after them."""
    mark = r.up().mark()
    for name, number in (("zero\x00byte", 2), ("n" * 253, 3)):
        r.cluster.put(objects.service(name, f"10.96.2.{number}"), objects.slice_of(name, [f"10.244.71.{number}"]))
    r.recovers()
    mark.kept()
    shown_harmless(r)


@suite.scenario("a name with NUL, or of 253 bytes, is refused with its own reason, and nobody else notices")
def refused_names(r):
    without_room(r)
    lines = r.agent.log().splitlines()
    for name, reason in (("zero\\x00byte", "NUL"), ("n" * 253, "63 bytes")):
        said = [line for line in lines if name in line and "refused" in line]
        assert said and all(reason in line for line in said), f"{name}: {said}"


@suite.scenario("a Service that is refused leaves no row behind, that of its address included")
def refused_whole(r):
    without_room(r)
    rows = [row["frontend"] for row in r.agent.table("services")]
    left = [row for row in rows if row.startswith(("10.96.2.2:", "10.96.2.3:"))]
    assert not left, f"half applied: {left}"


@suite.scenario("an object of 1.5 MB, a slice of 1,000 endpoints and a Service of 5,000 are taken")
def huge(r):
    mark = r.up().mark()
    fat = objects.service("fat", "10.96.3.1", annotations={f"note-{index}": "x" * 100_000 for index in range(15)})
    r.cluster.put(fat, objects.slice_of("fat", [f"10.1.{index >> 8}.{index & 255}" for index in range(1000)]))
    r.holds(lambda: len(r.agent.backends_of("fat")) == 1000, "1,000 endpoints", 30)
    r.cluster.put(objects.service("crowd", "10.96.3.2"))
    for part in range(5):
        addresses = [f"10.{2 + part}.{index >> 8}.{index & 255}" for index in range(1000)]
        r.cluster.put(objects.slice_of("crowd", addresses, f"{part}"))
    r.holds(lambda: len(r.agent.backends_of("crowd")) == 5000, "5,000 endpoints", 30)
    mark.kept()
    r.recovers()


ODD = b'{"kind":"Service","apiVersion":"v1","metadata":{"name":"odd","namespace":"test","resourceVersion":"9"},"spec":'


def costs_itself(r, spec):
    """This object is skipped and counted; the watch goes on."""
    r.server.encodings = ("json",)
    mark = r.up().mark()
    watch = r.watching()
    r.server.streams.order("services", faults.frame_of("ADDED", ODD + spec + b"}"))
    r.counted("naru_objects_rejected_total", resource="services")
    r.recovers()
    mark.kept()
    assert r.watching() is watch, "the watch was dropped"


@suite.scenario("JSON with words for numbers costs its object, and the watch goes on")
def words_for_numbers(r):
    costs_itself(r, b'{"clusterIP":"10.96.4.1","ports":[{"port":"eighty"}]}')


@suite.scenario("JSON that is nested too deep costs its object, in the first set as in the watch")
def deep(r):
    nested = 1
    for _ in range(200):
        nested = {"a": nested}
    r.server.encodings = ("json",)
    r.cluster.put(objects.service("deep", "10.96.4.4", nested=nested))
    r.up()
    r.counted("naru_objects_rejected_total", resource="services")
    mark, watch = r.mark(), r.watching()
    r.cluster.put(objects.service("deeper", "10.96.4.5", nested=nested))
    r.counted("naru_objects_rejected_total", 2, resource="services")
    r.recovers()
    mark.kept()
    assert r.watching() is watch, "the watch was dropped"


@suite.scenario("JSON that repeats its keys is taken one way or the other, and the watch goes on")
def repeated_keys(r):
    r.server.encodings = ("json",)
    mark = r.up().mark()
    watch = r.watching()
    spec = b'{"clusterIP":"10.96.4.2","clusterIP":"10.96.4.3","ports":[{"port":80,"port":81}]}'
    r.server.streams.order("services", faults.frame_of("ADDED", ODD + spec + b"}"))
    r.recovers()
    mark.kept()
    assert r.watching() is watch, "the watch was dropped"


@suite.scenario("fields of the future are skipped, and words nobody knows cost at most their object")
def future(r):
    mark = r.up().mark()
    new = objects.service("new", "10.96.5.1", futureField={"a": [1]}, internalTrafficPolicy="Quantum")
    r.cluster.put(new, objects.slice_of("new", ["10.244.80.1"]))
    strange = objects.slice_of("web-1", ["www.example.org"], "fqdn")
    strange["addressType"] = "FQDN"
    r.cluster.put(strange)
    r.holds(lambda: r.agent.backends_of("new") == {"10.244.80.1:8080"}, "the new Service is served")
    mark.kept()
    r.recovers()


if __name__ == "__main__":
    suite.main()
