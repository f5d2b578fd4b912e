"""The probe set of the wiring matrix: every kind of client dials every kind of frontend, clients side by side."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from .place import Place, tally

COUNT = 3            # requests of a probe
LINE = "0123456789"
BULK = 250_000       # lines of a transfer
DATAGRAMS = 20
SILENCE = 0.4        # seconds without an answer that count as a drop


@dataclass(frozen=True)
class Probe:
    """`answers`: who shall answer, "" for silence. `sees`: whom it shall take for the client; "": anyone."""

    who: Place
    what: str
    address: str
    port: int
    proto: str
    answers: str
    sees: str = ""
    bulk: bool = False

    def wrong(self):
        answers = self.who.fetch(self.address, self.port, self.proto, COUNT if self.answers else 1,
                                 timeout=2 if self.answers else SILENCE)
        wanted = {self.answers or "timeout"}
        if set(tally(answers)) != wanted:
            return self.told(f"{dict(tally(answers))}, wanted {wanted}")
        for answer in answers if self.answers else []:
            if self.sees and answer.client != self.sees:
                return self.told(f"{answer.pod} saw {answer.client}, wanted {self.sees}")
            if (answer.peer, answer.peer_port) != (self.address, self.port):
                return self.told(f"answered by {answer.peer} port {answer.peer_port}")
        return ""

    def transfer(self, payload):
        """A connection both of whose directions are full, or datagrams as large as the way takes."""
        flow = self.who.open(self.address, self.port, self.proto)
        if flow.error:
            return self.told(f"open: {flow.error}")
        try:
            if self.proto == "tcp":
                answer = flow.say(LINE, BULK)
                return "" if answer.size == len(LINE) * BULK else self.told(f"bulk: {answer} {answer.size}")
            for number in range(DATAGRAMS):
                answer = flow.say("x" * payload)
                if answer.size != payload:
                    return self.told(f"datagram {number} of {payload} bytes: {answer} {answer.size}")
            return ""
        finally:
            flow.close()

    def told(self, wrong):
        return f"{self.who.name} -> {self.what} ({self.address} port {self.port}/{self.proto}): {wrong}"


def side_by_side(probes, ask):
    """What is wrong, of all. One thread for each client: a Place is used by one at a time. Nobody promises that no
    datagram is ever lost: where one is and no more, it is sent again."""
    by_client = {}
    for probe in probes:
        by_client.setdefault(probe.who.name, []).append(probe)
    with ThreadPoolExecutor(len(by_client)) as pool:
        told = pool.map(lambda mine: [(probe, ask(probe)) for probe in mine], by_client.values())
        wrong = [(probe, what) for each in told for probe, what in each if what]
    if len(wrong) == 1 and wrong[0][0].proto == "udp" and "timeout" in wrong[0][1]:
        wrong = [(probe, ask(probe)) for probe, _ in wrong]
    return [what for _, what in wrong if what]
