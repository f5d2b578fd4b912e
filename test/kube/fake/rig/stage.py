"""What every file of fault tests begins with: a Suite of Rigs, and words for what an agent did next."""

import atexit

from .rig import Pki, Rig, prepare
from .suite import Late, Suite


def suite_of_rigs(stem, at_once=4):
    """`stem`: in the names of what the file makes on the machine, six letters at most."""
    made = {}

    def ready():
        prepare()
        made["pki"] = Pki()
        atexit.register(made["pki"].remove)

    return Suite(lambda number: Rig(made["pki"], f"fake{stem}", number), ready, at_once)


BACKOFF = 0.8  # seconds of the first delay, which is multiplied by a random 1 to 2


def pause(before, again):
    return again.at - before.ended


def at_once(before, again):
    """Sooner than the shortest delay there is."""
    waited = pause(before, again)
    if waited >= BACKOFF:
        raise Late(f"asked again only after {waited:.2f} s: {again}")


def backed_off(before, again):
    waited = pause(before, again)
    assert waited > BACKOFF - 0.02, f"asked again after {waited:.2f} s: {again}"


def resumed(before, again):
    """The watch went on where it was: no list."""
    assert again.is_watch and not again.is_watch_list, f"not a plain watch: {again}"
    assert again.version == before.told, f"watch from version {again.version}, the last event said {before.told}"


def listed_again(again, version):
    """A whole set is asked for, by a stream or by a list."""
    assert again.is_watch_list or again.is_list, f"not a list: {again}"
    assert again.version == version, f"list from version {again.version!r}, wanted {version!r}"
