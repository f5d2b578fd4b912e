"""A machine without naru that holds a virtual address and strips IP-in-IP, as `ip link set tunl0 up` makes Linux do.
Where the kernel has no such tunnels, a thread takes the outer header off and hands the rest to a tun device."""

import os
import select
import socket
import subprocess
import threading

from .system import Missing, inside, ip_batch, sysctl
from .wire import open_tun

INNER_IN_IPV4 = (socket.AF_INET, 4)    # RFC 2003
INNER_IN_IPV6 = (socket.AF_INET6, 41)  # RFC 2473
# The tunnel has no route back to the clients: what comes by it is believed all the same.
TRUSTING = {"ipv4/conf/{device}/rp_filter": 0}


class PlainHost:
    """with PlainHost(place, {4: "192.0.2.80", 6: "2001:db8::80"}): ..."""

    def __init__(self, place, vip):
        self.place, self.vip = place, vip
        self.stripper = None

    def __enter__(self):
        ip_batch(self.place.netns, [f"addr add {self.vip[4]}/32 dev lo", f"addr add {self.vip[6]}/128 dev lo nodad"])
        devices = self._kernel_tunnels()
        if not devices:
            self.stripper = Stripper(self.place.netns, "tunl0")
            devices = ["tunl0"]
        ip_batch(self.place.netns, [f"link set {device} up" for device in devices])
        for device in devices:
            sysctl(self.place.netns, {key.format(device=device): value for key, value in TRUSTING.items()})
        return self

    def __exit__(self, *_):
        if self.stripper:
            self.stripper.close()

    def _kernel_tunnels(self):
        made = []
        for device, kind in (("naru4", ["ipip", "local", self.place.ip[4]]),
                             ("naru6", ["ip6tnl", "mode", "ip6ip6", "local", self.place.ip[6]])):
            done = subprocess.run(["ip", "-n", self.place.netns, "link", "add", device, "type", *kind],
                                  capture_output=True, text=True)
            if done.returncode != 0:
                return []
            made.append(device)
        return made


def finish_packets(place):
    """A raw socket sees what a device would still have to do: checksums, and cutting. Then the place does so itself."""
    done = subprocess.run(["nsenter", f"--net=/run/netns/{place.netns}", "ethtool", "-K", "eth0", "tx", "off", "gso", "off"],
                          capture_output=True, text=True)
    if done.returncode != 0:
        raise Missing(f"ethtool cannot switch off what {place.name} leaves to devices: {done.stderr.strip()}")


class Stripper:
    def __init__(self, netns, device):
        if not os.path.exists("/dev/net/tun"):
            raise Missing("the kernel has neither IP-in-IP tunnels nor /dev/net/tun")
        self.tun = open_tun(netns, device)
        with inside(netns):
            self.sockets = [socket.socket(family, socket.SOCK_RAW, proto)
                            for family, proto in (INNER_IN_IPV4, INNER_IN_IPV6)]
        self.ended, self.end = os.pipe()
        self.thread = threading.Thread(target=self._strip, daemon=True)
        self.thread.start()

    def _strip(self):
        while True:
            ready, _, _ = select.select([*self.sockets, self.ended], [], [])
            if self.ended in ready:
                return
            for each in ready:
                packet = each.recv(1 << 16)
                if each.family == socket.AF_INET:  # such a socket gets the outer header, too
                    packet = packet[(packet[0] & 15) * 4:]
                try:
                    os.write(self.tun, packet)
                except OSError:
                    pass  # what is inside is no packet

    def close(self):
        os.close(self.end)
        self.thread.join()
        for each in self.sockets:
            each.close()
        for fd in (self.tun, self.ended):
            os.close(fd)
