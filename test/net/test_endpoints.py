"""EndpointSlices: which endpoints count, and which Services are left alone."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from lab.check import Suite  # noqa: E402
from lab.objects import port, service, slices  # noqa: E402
from lab.world import FAMILIES  # noqa: E402

suite = Suite("endpoints")
READY = {"ready": True, "serving": True, "terminating": False}
DRAINING = {"ready": False, "serving": True, "terminating": True}
GONE = {"ready": False, "serving": False, "terminating": True}
UNREADY = {"ready": False, "serving": False, "terminating": False}


@suite.scenario("when all endpoints terminate but serve they are used, under each policy as if they were ready")
def all_draining(w):
    vip, local, number, local_number = w.vip(), w.vip(), w.node_port(), w.node_port()
    w.web("web", vip, w.pod("a2", "a3"), conditions=DRAINING, kind="NodePort", node_port=number)
    w.web("local", local, w.pod("a2", "a3"), conditions=DRAINING, kind="NodePort", node_port=local_number,
          internalTrafficPolicy="Local", externalTrafficPolicy="Local")
    for family in FAMILIES:
        for who in w.insiders:
            w.reaches(who, vip[family], 80, ["a2", "a3"])
            if who.node == "n1":
                w.reaches(who, local[family], 80, ["a2", "a3"])
            else:
                w.dropped(who, local[family], 80)
        for node in w.nodes.values():
            w.reaches(w.client, node.ip[family], number, ["a2", "a3"])
        w.reaches(w.client, w.nodes["n1"].ip[family], local_number, ["a2", "a3"], sees={w.client.ip[family]})
        w.dropped(w.client, w.nodes["n2"].ip[family], local_number)


@suite.scenario("an endpoint that terminates and does not serve is no endpoint")
def gone(w):
    vip, number = w.vip(), w.node_port()
    w.web("web", vip, w.pod("a2", "b2"), conditions=GONE, kind="NodePort", node_port=number)
    for family in FAMILIES:
        for who in w.insiders:
            w.refused(who, vip[family], 80)
        w.refused(w.client, w.nodes["n1"].ip[family], number)


@suite.scenario("a terminating endpoint gets no new connections while another is ready")
def one_ready(w):
    vip, lb = w.vip(), w.lb()
    a2, b2 = w.pod("a2", "b2")
    w.web("web", vip, [(a2, READY), (b2, DRAINING)], kind="LoadBalancer", lb=lb.values())
    for family in FAMILIES:
        for who in w.insiders:
            w.reaches(who, vip[family], 80, ["a2"], count=40)
        w.reaches(w.client, lb[family], 80, ["a2"], count=40)


@suite.scenario("an endpoint follows its ready condition, and absent conditions mean ready")
def readiness(w):
    vip = w.vip()
    a2, b2 = w.pod("a2", "b2")
    who = w.pods["a1"]
    w.web("web", vip, [(a2, {}), (b2, UNREADY)])
    for family in FAMILIES:
        w.reaches(who, vip[family], 80, ["a2"], count=40)
    w.web("web", vip, [(a2, {}), (b2, {"ready": True})])
    for family in FAMILIES:
        w.reaches(who, vip[family], 80, ["a2", "b2"])
    w.web("web", vip, [(a2, UNREADY), (b2, UNREADY)])
    for family in FAMILIES:
        w.refused(who, vip[family], 80)
    w.web("web", vip, [])
    for family in FAMILIES:
        w.refused(who, vip[family], 80)
    w.web("web", vip, [(a2, {}), (b2, {})])
    for family in FAMILIES:
        w.reaches(who, vip[family], 80, ["a2", "b2"])


@suite.scenario("ports of one Service may be spread over slices, with the same endpoints or others")
def spread_ports(w):
    vip = w.vip()
    w.apply(service("web", vip, [port(80, "one"), port(81, "two"), port(82, "three")]),
            *slices("web", w.pod("a2"), [port(8080, "one")], suffix="-1"),
            *slices("web", w.pod("b2"), [port(8080, "two")], suffix="-2"),
            *slices("web", w.pod("a2"), [port(8081, "three")], suffix="-3"))
    for who in w.insiders:
        for family in FAMILIES:
            w.reaches(who, vip[family], 80, ["a2"])
            w.reaches(who, vip[family], 81, ["b2"])
            w.reaches(who, vip[family], 82, ["a2"])


@suite.scenario("an endpoint in two slices counts once, as ready as its better half")
def in_two_slices(w):
    vip = w.vip()
    ready = slices("web", w.pod("a2"), [port(8080)], suffix="-1", **READY)
    w.apply(service("web", vip, [port(80)]), *ready, *slices("web", w.pod("a2"), [port(8080)], suffix="-2", **UNREADY))
    for family in FAMILIES:
        w.reaches(w.pods["b1"], vip[family], 80, ["a2"])
    w.remove(*ready)
    for family in FAMILIES:
        w.refused(w.pods["b1"], vip[family], 80)


@suite.scenario("what a slice says and naru cannot use is left out, and the rest is served")
def unusable(w):
    vip = w.vip()
    good = slices("web", w.pod("a2"), [port(8080)])
    names = slices("web", [], [port(8080)], families=(4,), suffix="-names")[0]
    names |= {"addressType": "FQDN", "endpoints": [{"addresses": ["web.example.com"]}]}
    orphan = slices("web", w.pod("b2"), [port(8080)], families=(4,), suffix="-orphan")[0]
    orphan["metadata"]["labels"] = {}
    no_port = slices("web", w.pod("b3"), [{"name": "", "protocol": "TCP"}], families=(4,), suffix="-noport")[0]
    second = slices("web", w.pod("a3"), [port(8080)], families=(4,), suffix="-second")[0]
    second["endpoints"][0]["addresses"].append(w.pods["b1"].ip[4])
    w.apply(service("web", vip, [port(80)]), names, orphan, no_port, second, *good)
    w.reaches(w.pods["a1"], vip[4], 80, ["a2", "a3"])
    w.reaches(w.pods["a1"], vip[6], 80, ["a2"])


@suite.scenario("the slice may come before its Service")
def slice_first(w):
    vip = w.vip()
    w.apply(*slices("web", w.pod("a2"), [port(8080)]))
    w.apply(service("web", vip, [port(80)]))
    for family in FAMILIES:
        w.reaches(w.pods["b1"], vip[family], 80, ["a2"])


@suite.scenario("v1 Endpoints serve a Service that has no slices")
def v1_endpoints(w):
    vip = w.vip()
    w.apply(service("web", {4: vip[4]}, [port(80)]),
            {"apiVersion": "v1", "kind": "Endpoints", "metadata": {"name": "web", "namespace": "test"},
             "subsets": [{"addresses": [{"ip": w.pods["a2"].ip[4], "nodeName": "n1"}],
                          "notReadyAddresses": [{"ip": w.pods["b2"].ip[4], "nodeName": "n2"}],
                          "ports": [{"port": 8080, "protocol": "TCP"}]}]})
    for who in w.insiders:
        w.reaches(who, vip[4], 80, ["a2"], count=30)


@suite.scenario("the label that calls a slice headless takes its endpoints away, and gives them back when it goes")
def headless_slice(w):
    vip = w.vip()
    other, labelled = slices("web", w.pod("a2"), [port(8080)]), slices("web", w.pod("b2"), [port(8080)], suffix="-own")
    w.apply(service("web", vip, [port(80)]), *other)
    for headless in (False, True, False):
        for each in labelled:
            each["metadata"]["labels"].pop("service.kubernetes.io/headless", None)
            each["metadata"]["labels"] |= {"service.kubernetes.io/headless": ""} if headless else {}
        w.apply(*labelled)
        for who in w.pod("a1", "b1"):
            for family in FAMILIES:
                w.reaches(who, vip[family], 80, ["a2"] if headless else ["a2", "b2"])


@suite.scenario("the labels that hand a Service to another proxy, or call it headless, take it down and up")
def labels(w):
    vip = w.vip()
    w.apply(*slices("web", w.pod("a2"), [port(8080)]))
    for label in ({"service.kubernetes.io/service-proxy-name": "other"}, {"service.kubernetes.io/headless": ""}):
        w.apply(service("web", vip, [port(80)]))
        for who in w.insiders:
            for family in FAMILIES:
                w.reaches(who, vip[family], 80, ["a2"])
        w.apply(service("web", vip, [port(80)], labels=label))
        for who in w.insiders:
            for family in FAMILIES:
                w.untouched(who, vip[family], 80)
    w.apply(service("web", vip, [port(80)]))
    w.reaches(w.pods["b1"], vip[6], 80, ["a2"])


@suite.scenario("a Service that becomes ExternalName or headless loses its addresses, and regains them")
def types(w):
    vip, number = w.vip(), w.node_port()
    w.apply(*slices("web", w.pod("a2"), [port(8080)]))
    named = service("web", {}, [port(80)], kind="ExternalName", externalName="web.example.com")
    headless = service("web", {}, [port(80)], clusterIP="None", clusterIPs=["None"])
    for other in (named, headless):
        w.apply(service("web", vip, [port(80, node_port=number)], kind="NodePort"))
        for family in FAMILIES:
            for who in w.insiders:
                w.reaches(who, vip[family], 80, ["a2"])
            w.reaches(w.client, w.nodes["n2"].ip[family], number, ["a2"])
        w.apply(other)
        for family in FAMILIES:
            for who in w.insiders:
                w.untouched(who, vip[family], 80)
            w.refused(w.client, w.nodes["n2"].ip[family], number)


if __name__ == "__main__":
    suite.main()
