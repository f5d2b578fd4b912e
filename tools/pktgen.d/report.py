"""Rounds as a table or as JSON."""

import json
from dataclasses import asdict, dataclass
from statistics import median


@dataclass(frozen=True)
class Round:
    number: int
    to: str           # name of the target
    sent: int
    errors: int       # not taken by the driver, not among those sent
    arrived: int
    seconds: float

    @property
    def lost(self):
        return max(0, self.sent - self.arrived)

    @property
    def sent_rate(self):
        return self.sent / self.seconds if self.seconds else 0.0

    @property
    def arrived_rate(self):
        return self.arrived / self.seconds if self.seconds else 0.0


HEAD = ("round", "to", "sent", "errors", "arrived", "lost", "sent/s", "arrived/s")
WIDTHS = (5, 8, 13, 9, 13, 13, 13, 13)


def head():
    return row(HEAD)


def line(each):
    return row((each.number, each.to, f"{each.sent:,}", f"{each.errors:,}", f"{each.arrived:,}", f"{each.lost:,}",
                f"{each.sent_rate:,.0f}", f"{each.arrived_rate:,.0f}"))


def row(cells):
    return " ".join(f"{cell:<{width}}" if name == "to" else f"{cell:>{width}}"
                    for cell, width, name in zip(cells, WIDTHS, HEAD))


def of(rounds, name):
    return [each for each in rounds if each.to == name]


def ratio(rounds):
    """Arrived through the balancer, of what arrived directly; None without both."""
    direct, through = (median([each.arrived_rate for each in of(rounds, name)] or [0.0]) for name in ("direct", "through"))
    return through / direct if direct else None


def summary(rounds):
    """What to read when the table is long."""
    lines = []
    for name in dict.fromkeys(each.to for each in rounds):
        rates = [each.arrived_rate for each in of(rounds, name)]
        lines.append(f"{name}: {median(rates):,.0f} packets a second arrived, median of {len(rates)} rounds, "
                     f"{min(rates):,.0f} to {max(rates):,.0f}")
    found = ratio(rounds)
    if found is not None:
        lines.append(f"through the balancer: {found:.3f} of direct")
    if any(each.errors for each in rounds):
        lines.append("errors: the driver did not take every packet; they are not among those sent (--rate makes it slower)")
    if any(each.arrived > each.sent for each in rounds):
        lines.append("more arrived than was sent: the counter sees other traffic too, rounds are only as good as it is quiet")
    if rounds and not any(each.arrived for each in rounds):
        lines.append("nothing arrived: is the Service known to the balancer (naructl services there), and does the counter "
                     "look where packets end?")
    return lines


def as_json(facts, rounds):
    rows = [asdict(each) | {"lost": each.lost, "sent_per_second": each.sent_rate, "arrived_per_second": each.arrived_rate}
            for each in rounds]
    return json.dumps(facts | {"rounds": rows, "ratio": ratio(rounds)}, indent=1)
