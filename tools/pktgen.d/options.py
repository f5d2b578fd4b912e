"""What was asked for, refused as a whole before anything is touched when it makes no sense."""

import argparse
import ipaddress
import re
import shlex
from dataclasses import dataclass

EXAMPLE = """\
  tools/pktgen --device eth1 --dst 192.0.2.10 --dst-port 80 --seconds 10 --burst 32
  tools/pktgen --device eth1 --dst 192.0.2.10 --direct 198.51.100.7 --counter 'ssh peer cat /sys/class/net/eth1/statistics/rx_packets'

Packets are made by the kernel (pktgen) and leave by --device as they are: no route, no firewall, no conntrack of this machine
is asked. What arrived is the growth of a counter of received packets: that of --device, for packets that come back to where
they came from, or whatever number --counter prints."""
SMALLEST = {4: 60, 6: 78}  # Ethernet frames with the 16 bytes that pktgen marks each packet with
LARGEST_PORT = 65534       # pktgen wants one more as the end of a range, in 16 bits
USUAL = 10.0               # seconds of a round without --count
AT_MOST = 600.0            # seconds of a round, whatever was asked for


class UserError(Exception):
    """One line for the user, with the remedy."""


@dataclass(frozen=True)
class Target:
    name: str      # "through" the balancer, or "direct"
    address: object
    mac: str       # empty: the neighbour's


@dataclass(frozen=True)
class Options:
    device: str
    targets: tuple
    sources: tuple    # first and last address, empty: the device's own
    ports: tuple      # first and last source port
    dst_port: int
    size: int         # bytes of a frame, without its checksum
    count: int        # packets a round, 0: as many as go into the seconds
    seconds: float
    rounds: int
    threads: int
    burst: int
    rate: int         # packets a second of all threads, 0: as fast as they can
    random: bool
    checksum: bool
    counter: tuple    # words of the command, empty: the device
    modprobe: bool
    output: str

    @property
    def family(self):
        return self.targets[0].address.version

    def flows(self):
        """Different packets before the first one comes again; with --random those that there are."""
        ports = self.ports[1] - self.ports[0] + 1
        sources = int(self.sources[1]) - int(self.sources[0]) + 1 if self.sources else 1
        if self.random or ports == 1 or sources == 1:
            return ports * sources
        common, rest = ports, sources  # both step with every packet
        while rest:
            common, rest = rest, common % rest
        return ports * sources // common


class Parser(argparse.ArgumentParser):
    def error(self, message):
        raise UserError(f"{message} (tools/pktgen --help)")


def parser():
    made = Parser(prog="tools/pktgen", allow_abbrev=False, formatter_class=argparse.RawDescriptionHelpFormatter,
                  description="Sends UDP packets with the kernel's packet generator and counts what arrives.",
                  epilog=EXAMPLE)
    add = made.add_argument
    add("--device", required=True, metavar="DEV", help="what they leave by")
    add("--dst", required=True, metavar="ADDRESS", help="where they go: a Service, an address of the balancer")
    add("--dst-mac", default="", metavar="MAC", help="[the next hop's, by its neighbour entry]")
    add("--dst-port", default="9", metavar="PORT", help="[9]")
    add("--direct", default="", metavar="ADDRESS", help="the same rounds in turns to this address, past the balancer, for a ratio")
    add("--direct-mac", default="", metavar="MAC", help="[the next hop's]")
    add("--src", default="", metavar="A[-B]", help="source addresses [the device's]; a range is for IPv4")
    add("--src-ports", default="1024", metavar="A[-B]", help="source ports [1024]: flows, one after the other")
    add("--random", action="store_true", help="source addresses and ports by chance instead of in turns")
    add("--size", default="", metavar="BYTES", help="of an Ethernet frame without its checksum [60, over IPv6 78]")
    add("--no-checksum", action="store_true", help="UDP without a checksum, over IPv4")
    add("--count", default="0", metavar="N", help="packets a round [as many as go into --seconds]")
    add("--seconds", default="", metavar="S", help="a round takes no longer [10, with --count 600]")
    add("--rounds", default="5", metavar="N", help="[5]")
    add("--threads", default="1", metavar="N", help="processors that send, and queues they use [1]")
    add("--burst", default="1", metavar="N", help="how often each packet is sent in a row [1]; fast cards need 16 and more")
    add("--rate", default="0", metavar="PPS", help="packets a second [as fast as it goes]")
    add("--counter", default="", metavar="COMMAND", help="prints the packets that arrived [those received by --device]")
    add("--modprobe", action="store_true", help="load the kernel module pktgen when it is not there, and remove it after")
    add("-o", "--output", choices=("table", "json"), default="table", help="[table]")
    return made


def options(words):
    given = parser().parse_args(words)
    through = Target("through", destination("--dst", given.dst), mac("--dst-mac", given.dst_mac))
    targets = (through,)
    if given.direct:
        direct = Target("direct", destination("--direct", given.direct), mac("--direct-mac", given.direct_mac))
        if direct.address == through.address:
            raise UserError(f"--direct {given.direct} is --dst: name the address that packets have behind the balancer")
        targets = (direct, through)
    elif given.direct_mac:
        raise UserError("--direct-mac is of no use without --direct")
    family = through.address.version
    if any(target.address.version != family for target in targets):
        raise UserError("--dst and --direct are of two families: a ratio needs the same packets")
    count = number("--count", given.count, 0, 10**12)
    made = Options(
        device=device(given.device), targets=targets, sources=sources(given.src, family),
        ports=ports("--src-ports", given.src_ports), dst_port=number("--dst-port", given.dst_port, 1, 65535),
        size=number("--size", given.size or str(SMALLEST[family]), SMALLEST[family], 9014), count=count,
        seconds=seconds(given.seconds) if given.seconds else AT_MOST if count else USUAL,
        rounds=number("--rounds", given.rounds, 1, 1000), threads=number("--threads", given.threads, 1, 1024),
        burst=number("--burst", given.burst, 1, 65535), rate=number("--rate", given.rate, 0, 10**9),
        random=given.random, checksum=not given.no_checksum, counter=words_of(given.counter),
        modprobe=given.modprobe, output=given.output)
    if not made.checksum and family == 6:
        raise UserError("--no-checksum: over IPv6 a UDP packet without a checksum is dropped, leave it out")
    if made.count and made.count < made.threads:
        raise UserError(f"--count {made.count} is less than one packet for each of --threads {made.threads}")
    if made.rate and made.rate < made.threads:
        raise UserError(f"--rate {made.rate} is less than one packet for each of --threads {made.threads}")
    return made


def number(flag, text, least, most):
    if not re.fullmatch(r"\d{1,15}", text) or not least <= int(text) <= most:
        raise UserError(f"{flag} {text!r} is no number from {least} to {most}")
    return int(text)


def seconds(text):
    if not re.fullmatch(r"\d{1,3}(\.\d+)?", text) or not 0.1 <= float(text) <= AT_MOST:
        raise UserError(f"--seconds {text!r} is not between 0.1 and {AT_MOST:g}")
    return float(text)


def ports(flag, text):
    first, dash, last = text.partition("-")
    pair = number(flag, first, 1, LARGEST_PORT), number(flag, last if dash else first, 1, LARGEST_PORT)
    if pair[0] > pair[1]:
        raise UserError(f"{flag} {text} ends before it begins")
    return pair


def address(flag, text):
    try:
        found = ipaddress.ip_address(text)
    except ValueError:
        raise UserError(f"{flag} {text!r} is no IP address; names are not looked up") from None
    if getattr(found, "scope_id", None):
        raise UserError(f"{flag} {text}: no zone, --device says where packets leave")
    return found


def destination(flag, text):
    found = address(flag, text)
    if found.is_loopback:
        raise UserError(f"{flag} {text} never leaves this machine: name an address that is reached by --device")
    if found.is_multicast or found.is_unspecified or str(found) == "255.255.255.255":
        raise UserError(f"{flag} {text} is not the address of one machine")
    return found


def sources(text, family):
    if not text:
        return ()
    first, dash, last = text.partition("-")
    pair = address("--src", first), address("--src", last if dash else first)
    if any(each.version != family for each in pair):
        raise UserError(f"--src {text} and --dst are of two families")
    if any(each.is_multicast or each.is_unspecified or each.is_loopback for each in pair):
        raise UserError(f"--src {text}: nobody takes packets from there")
    if pair[0] > pair[1]:
        raise UserError(f"--src {text} ends before it begins")
    if family == 6 and pair[0] != pair[1]:
        raise UserError("--src: pktgen has no source ranges over IPv6, vary --src-ports")
    return pair


def mac(flag, text):
    if text and not re.fullmatch(r"([0-9a-fA-F]{2}:){5}[0-9a-fA-F]{2}", text):
        raise UserError(f"{flag} {text!r} is no MAC address, such as 02:00:00:00:00:01")
    return text.lower()


def device(text):
    if not re.fullmatch(r"[^\s/@:]{1,15}", text) or text in (".", ".."):
        raise UserError(f"--device {text!r} is no name of a device")
    return text


def words_of(text):
    try:
        return tuple(shlex.split(text))
    except ValueError as why:
        raise UserError(f"--counter {text!r}: {why}") from None
