"""How a packet gets to its target: the device, the next hop's MAC address, the source address."""

import ipaddress
import json
import socket
import subprocess
import time
from dataclasses import dataclass

from options import UserError

RESOLVED_WITHIN = 3  # seconds
DISCARD = 9
UNUSABLE = {"FAILED", "INCOMPLETE", "NONE"}


@dataclass(frozen=True)
class Way:
    mac: str
    source: object


def check_device(name, size):
    found = ask("-d", "link", "show", "dev", name)
    if not found:
        raise UserError(f"there is no device {name} here: ip link shows those there are")
    link = found[0]
    if link.get("link_type") != "ether":
        raise UserError(f"{name} has no Ethernet frames (it is {link.get('link_type')}): name a network card")
    if "UP" not in link.get("flags", []):
        raise UserError(f"{name} is down: ip link set {name} up")
    if size > link["mtu"] + 14:
        raise UserError(f"--size {size} is more than {name} takes: {link['mtu'] + 14}")
    return link


def way(device, target, source):
    """`source`: the first address of --src, or None."""
    if target.mac and source:
        return Way(target.mac, source)
    route = route_to(device, target.address)
    source = source or own_source(device, route, target)
    hop = ipaddress.ip_address(route.get("gateway") or route.get("via", {}).get("host") or str(target.address))
    return Way(target.mac or neighbour(device, hop), source)


def route_to(device, address):
    found = ask("route", "get", str(address), "oif", device)
    if not found:
        raise UserError(f"no route to {address} by {device}: add one, or give --dst-mac and --src")
    if found[0].get("type") == "local" or found[0].get("dev") == "lo":
        raise UserError(f"{address} is an address of this machine: packets to it pass no wire, name one of another machine")
    if found[0].get("type", "unicast") != "unicast":
        raise UserError(f"{address} is not the address of one machine: its route is of type {found[0]['type']}")
    return found[0]


def own_source(device, route, target):
    if "prefsrc" not in route:
        raise UserError(f"{device} has no address to send to {target.address} from: give it one, or --src")
    return ipaddress.ip_address(route["prefsrc"])


def neighbour(device, hop):
    deadline = time.monotonic() + RESOLVED_WITHIN
    while True:
        for entry in ask("neigh", "show", "to", str(hop), "dev", device):
            if entry.get("lladdr") and not UNUSABLE & set(entry.get("state", [])):
                return entry["lladdr"]
        if time.monotonic() > deadline:
            raise UserError(f"{hop} does not answer on {device}: is it up? Or give its MAC address (--dst-mac, --direct-mac)")
        poke(device, hop)
        time.sleep(0.1)


def poke(device, hop):
    """The kernel looks for a neighbour when there is something to send."""
    family = socket.AF_INET if hop.version == 4 else socket.AF_INET6
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device.encode())
        try:
            sock.sendto(b"", (str(hop), DISCARD))
        except OSError:
            pass  # the entry says what became of it


def ask(*words):
    """By netlink, which knows the network namespace this runs in; empty when the kernel has no such thing."""
    try:
        done = subprocess.run(["ip", "-json", *words], capture_output=True, text=True)
    except FileNotFoundError:
        raise UserError("ip is not installed (Debian package iproute2)") from None
    found = json.loads(done.stdout or "[]") if done.returncode == 0 else []
    return [entry for entry in found if entry]
