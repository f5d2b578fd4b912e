"""The rules a node has beside naru: masquerade as CNI plugins install it, and a firewall that drops what connection
tracking calls invalid or what comes in on another device than its answer would leave by. Rules are written once and
rendered for nft and for iptables."""

import subprocess
from dataclasses import dataclass

from . import system

CLUSTER = {4: "10.244.0.0/16", 6: "fd00:10:244::/48"}
MULTICAST = {4: "224.0.0.0/4", 6: "ff00::/8"}


@dataclass(frozen=True)
class Rule:
    """Networks with a leading "!" are negated. A verdict is RETURN, ACCEPT, DROP or MASQUERADE."""

    verdict: str
    source: str = ""
    target: str = ""
    invalid: bool = False


def masquerade(shape, own, family):
    cluster, not_multicast = CLUSTER[family], "!" + MULTICAST[family]
    if shape == "plugin":
        return [Rule("RETURN", own, own), Rule("MASQUERADE", own, not_multicast)]
    if shape == "flannel":
        return [Rule("RETURN", own, cluster), Rule("RETURN", cluster, own), Rule("RETURN", "!" + cluster, own),
                Rule("MASQUERADE", cluster, not_multicast), Rule("MASQUERADE", "!" + cluster, cluster)]
    return []


def forward(family):
    """Behind a policy of DROP."""
    return [Rule("DROP", invalid=True), Rule("ACCEPT", source=CLUSTER[family]), Rule("ACCEPT", target=CLUSTER[family])]


def as_nft(rule, family):
    words = ["ct state invalid"] if rule.invalid else []
    for side, network in (("saddr", rule.source), ("daddr", rule.target)):
        if network:
            sign = "!= " if network.startswith("!") else ""
            words.append(f"{'ip' if family == 4 else 'ip6'} {side} {sign}{network.lstrip('!')}")
    return " ".join([*words, {"MASQUERADE": "masquerade fully-random"}.get(rule.verdict, rule.verdict.lower())])


def as_iptables(rule):
    words = ["-m conntrack --ctstate INVALID"] if rule.invalid else []
    for option, network in (("-s", rule.source), ("-d", rule.target)):
        if network:
            words.append(f"{'! ' if network.startswith('!') else ''}{option} {network.lstrip('!')}")
    return " ".join([*words, "-j", rule.verdict, *(["--random-fully"] if rule.verdict == "MASQUERADE" else [])])


def nft_text(shape, pod_cidr):
    def rules(of):
        return [as_nft(rule, family) for family in (4, 6) for rule in of(family)]
    return "\n".join([
        "table inet cni {",
        "chain prerouting { type filter hook prerouting priority raw; policy accept;",
        "meta l4proto ipv6-icmp accept; fib saddr . iif oif missing drop; }",
        "chain postrouting { type nat hook postrouting priority srcnat; policy accept;",
        *rules(lambda family: masquerade(shape, pod_cidr[family], family)), "}",
        "chain input { type filter hook input priority filter; policy accept; ct state invalid drop; }",
        "chain forward { type filter hook forward priority filter; policy drop;", *rules(forward), "}", "}"]) + "\n"


def iptables_text(shape, pod_cidr, family):
    return "\n".join([
        "*nat", ":CNI-POSTROUTING - [0:0]", "-A POSTROUTING -j CNI-POSTROUTING",
        *(f"-A CNI-POSTROUTING {as_iptables(rule)}" for rule in masquerade(shape, pod_cidr[family], family)), "COMMIT",
        "*raw", *(["-A PREROUTING -p ipv6-icmp -j ACCEPT"] if family == 6 else []),
        "-A PREROUTING -m rpfilter --validmark --invert -j DROP", "COMMIT",
        "*filter", ":FORWARD DROP [0:0]", f"-A INPUT {as_iptables(Rule('DROP', invalid=True))}",
        *(f"-A FORWARD {as_iptables(rule)}" for rule in forward(family)), "COMMIT"]) + "\n"


def install(netns, tables, shape, pod_cidr):
    if tables == "nft":
        load(netns, ["nft", "-f", "-"], nft_text(shape, pod_cidr))
        return
    kind = tables.removeprefix("iptables-")
    for family, tool in ((4, "iptables"), (6, "ip6tables")):
        load(netns, [f"{tool}-{kind}-restore", "-w"], iptables_text(shape, pod_cidr, family))


def load(netns, argv, text):
    done = subprocess.run(["nsenter", f"--net={system.NETNS / netns}", *argv], input=text, capture_output=True,
                          text=True)
    if done.returncode != 0:
        raise RuntimeError(f"{argv[0]} in {netns}: {done.stderr.strip()}\n{text}")
