"""The lab by itself: what the other tests take for granted. Needs no agent."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from lab import Lab, Missing  # noqa: E402
from lab import lab as labs  # noqa: E402
from lab import system  # noqa: E402
from lab.check import PODS, SKIP  # noqa: E402

FAMILIES = (4, 6)


def plain_traffic(lab):
    """Everybody reaches every pod and node, and is seen under its own address."""
    for place in lab.places:
        place.serve("8080/tcp", "8080/udp")
    for who in lab.places:
        for target in lab.places:
            for family in FAMILIES:
                for proto in ("tcp", "udp"):
                    answer = who.fetch(target.ip[family], 8080, proto)[0]
                    assert answer.pod == target.name, f"{who.name} -> {target.name}, IPv{family}/{proto}: {answer}"
                    own_pod = who.name == target.node  # a node has more than one address for its own pods
                    assert own_pod or answer.client == who.ip[family], f"{target.name} saw {answer.client}"


def outcomes(lab):
    """A closed port is refused; an address nobody serves goes to the router of the fabric, unchanged."""
    for who in lab.places[1:]:
        for family in FAMILIES:
            for proto in ("tcp", "udp"):
                closed = who.fetch(lab.pods["b1"].ip[family], 9, proto)[0]
                assert closed.error == "ECONNREFUSED", f"{who.name}, IPv{family}/{proto}: {closed}"
                for address in ({4: "192.0.2.1", 6: "2001:db8::1"}[family], {4: "10.96.0.1", 6: "fd96::1"}[family]):
                    nobody = who.fetch(address, 80, proto)[0]
                    assert (nobody.pod, nobody.client) == ("fabric", who.ip[family]), f"{who.name}: {nobody}"


def cgroups(lab):
    """A namespace alone does not select the socket programs: processes live in the folder of their node."""
    for place in lab.places:
        wanted = f"/{lab.prefix}/{place.node or place.name}"
        found = Path(f"/proc/{place.process.pid}/cgroup").read_text()
        assert any(line.startswith("0::") and line.endswith(wanted) for line in found.splitlines()), found


def leftovers(lab_id):
    prefix = f"naru-{lab_id}"
    return [*system.NETNS.glob(f"{prefix}*"), *system.cgroup_root().glob(f"{prefix}*"),
            *system.BPFFS.glob(f"{prefix}*")]


def main():
    lab_id = labs.own_id("lab")
    try:
        with Lab(lab_id, PODS) as lab:
            for check in (plain_traffic, outcomes, cgroups):
                check(lab)
                print(f"ok    {check.__doc__.strip()}")
            assert leftovers(lab_id), "the lab is not where its name says"
    except Missing as why:
        print(f"skipped: {why}")
        sys.exit(SKIP)
    assert not leftovers(lab_id), leftovers(lab_id)
    print("ok    Nothing is left behind.")


if __name__ == "__main__":
    main()
