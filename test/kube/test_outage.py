"""The API server goes away, comes back with another truth, or says no: Services live on and then follow."""

import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[1]), str(Path(__file__).resolve().parent)]

import signal

from cluster.suite import CONTROL, Suite  # noqa: E402
from cluster.world import to  # noqa: E402
from lab.check import PACKETS  # noqa: E402
from lab.system import ip  # noqa: E402
from lab.world import FAMILIES  # noqa: E402

suite = Suite("outage", paths=(PACKETS,))
# Longest wait of an agent between two tries after a short outage, or until it finds a silent connection broken.
BACK = 60


def shop(w):
    vip, lb, number = w.vip(), w.lb(), w.node_port()
    w.run("a2", "b2")
    made = w.choose("shop", vip, [to(80, 8080, node_port=number)], kind="LoadBalancer", lb=lb.values())
    return made, vip, lb, number


def served(w, vip, lb, number, pods):
    for family in FAMILIES:
        for who in w.insiders:
            w.reaches(who, vip[family], 80, pods)
        w.reaches(w.client, lb[family], 80, pods)
        w.reaches(w.client, w.nodes["n2"].ip[family], number, pods)


def reached_again(w, vip, pods):
    """On both nodes, as soon as the agents are back at the API server; before them the controller has to be."""
    wanted = sorted(address for pod in w.pod(*pods) for address in pod.ip.values())

    def written():
        found = [row[0] for row in w.endpoints_of("shop")]
        return "" if found == wanted else f"{found}, wanted {wanted}"
    w.holds(written, "the slices of the controller after the outage", within=BACK)
    for name in ("a1", "b1"):
        who = w.pods[name]

        def look():
            seen = {str(answer) for answer in who.fetch(vip[4], 80, count=24)}
            return "" if seen == set(pods) else f"{sorted(seen)}, wanted {sorted(pods)}"
        w.holds(look, f"{name} -> {vip[4]} after the outage", within=BACK)


def connected(w, value):
    for name in w.nodes:
        w.holds(lambda: "" if w.metric(name, "naru_apiserver_connected") == value else f"not {value}",
                f"naru_apiserver_connected of {name}", within=BACK)


def well(w):
    for name in w.nodes:
        for page in ("/livez", "/healthz", "/readyz"):
            assert w.page(name, page) == 200, f"{page} of {name}: {w.page(name, page)}"


@suite.scenario("without an API server everything is served on, and what changes after its return is followed")
def away(w):
    _, vip, lb, number = shop(w)
    served(w, vip, lb, number, ["a2", "b2"])
    w.plane.stop_api_server()
    connected(w, 0)
    served(w, vip, lb, number, ["a2", "b2"])
    well(w)
    w.plane.bring_back()
    w.run("a3")
    w.end("b2")
    reached_again(w, vip, ["a2", "a3"])
    served(w, vip, lb, number, ["a2", "a3"])
    connected(w, 1)


@suite.scenario("what was deleted and made while agents were cut off, and is in no history any more, is found out")
def cut_off(w):
    _, vip, lb, number = shop(w)
    gone, late = w.vip(), w.vip()
    lists = {name: w.metric(name, "naru_watch_lists_total") for name in w.nodes}
    doomed = w.choose("doomed", gone)
    served(w, vip, lb, number, ["a2", "b2"])
    w.reaches(w.pods["b1"], gone[4], 80, ["a2", "b2"])
    w.plane.stop_api_server()  # while its last words still arrive
    connected(w, 0)
    ip("-n", w.lab.fabric.netns, "link", "set", CONTROL, "down")
    try:
        w.plane.bring_back()
        w.end("b2")
        w.remove(doomed)
        w.choose("late", late)
        w.holds(lambda: "" if len(w.endpoints_of("shop")) == 2 else str(w.endpoints_of("shop")),
                "the slices of the controller", within=BACK)
        w.plane.stop_api_server()
        w.plane.bring_back()  # this one knows nothing of what was before it
        served(w, vip, lb, number, ["a2", "b2"])
    finally:
        ip("-n", w.lab.fabric.netns, "link", "set", CONTROL, "up")
    reached_again(w, vip, ["a2"])
    served(w, vip, lb, number, ["a2"])
    for who in w.insiders:
        for family in FAMILIES:
            w.untouched(who, gone[family], 80)
            w.reaches(who, late[family], 80, ["a2"])
    for name, before in lists.items():
        assert w.metric(name, "naru_watch_lists_total") > before, f"the agent on {name} did not list anew"


@suite.scenario("a killed agent breaks no connection, and what changed meanwhile holds after its start")
def killed(w):
    _, vip, lb, number = shop(w)
    gone = w.vip()
    doomed = w.choose("doomed", gone)
    served(w, vip, lb, number, ["a2", "b2"])
    w.reaches(w.pods["b1"], gone[4], 80, ["a2", "b2"])
    flows = [who.open(address[family], 80) for family in FAMILIES
             for who, address in ((w.pods["a1"], vip), (w.nodes["n2"], vip), (w.client, lb))]
    for flow in flows:
        flow.stream(interval=0.02)
    for agent in w.lab.agents.values():
        agent.kill(signal.SIGKILL)
    served(w, vip, lb, number, ["a2", "b2"])
    w.run("b3")
    w.remove(doomed)
    for agent in w.lab.agents.values():
        agent.restart()
    served(w, vip, lb, number, ["a2", "b2", "b3"])
    for who in w.insiders:
        for family in FAMILIES:
            w.untouched(who, gone[family], 80)
    for flow in flows:
        told = flow.stop()
        flow.close()
        assert told["sent"] > 10 and told["answered"] == told["sent"], f"{flow.place.name}: {told}"


@suite.scenario("an agent that starts while the API server is away serves what was there, and follows it later")
def cold(w):
    _, vip, lb, number = shop(w)
    served(w, vip, lb, number, ["a2", "b2"])
    flow = w.client.open(lb[4], 80)
    w.plane.stop_api_server()
    for agent in w.lab.agents.values():
        agent.kill(signal.SIGKILL)
        agent.start(*agent.flags)
    for name in w.nodes:
        w.holds(lambda: "" if w.page(name, "/livez") == 200 else "silent", f"the new agent on {name}")
    connected(w, 0)
    served(w, vip, lb, number, ["a2", "b2"])
    for name in w.nodes:
        assert w.page(name, "/readyz") != 200, f"the agent on {name} calls itself ready without having seen one object"
    w.plane.bring_back()
    w.run("b3")
    for agent in w.lab.agents.values():
        w.holds(lambda: "" if agent.ready() else "not ready", f"agent on {agent.place.name}", within=BACK)
    reached_again(w, vip, ["a2", "b2", "b3"])
    served(w, vip, lb, number, ["a2", "b2", "b3"])
    assert flow.say().pod in ("a2", "b2"), "the connection of before the outage"
    flow.close()


@suite.scenario("rights taken away cost nothing but news, and given back bring it")
def rights(w):
    _, vip, lb, number = shop(w)
    served(w, vip, lb, number, ["a2", "b2"])
    failures = w.metric("n1", "naru_watch_failures_total")
    w.plane.revoke()
    try:
        w.plane.stop_api_server()  # open watches are not asked again: a new server asks everybody
        w.plane.bring_back()
        w.end("b2")
        for node in w.nodes:
            w.logged(node, "403")
        assert w.metric("n1", "naru_watch_failures_total") > failures
        connected(w, 0)
        served(w, vip, lb, number, ["a2", "b2"])
        well(w)
    finally:
        w.plane.grant()
    reached_again(w, vip, ["a2"])
    served(w, vip, lb, number, ["a2"])


if __name__ == "__main__":
    suite.main()
