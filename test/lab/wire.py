"""A tunnel between two places whose devices have no link layer header: two tun devices, and a thread that carries
packets from one to the other."""

import fcntl
import os
import select
import struct
import threading

from . import system

TUNSETIFF = 0x400454ca
IFF_TUN, IFF_NO_PI = 0x0001, 0x1000


def open_tun(netns, name):
    with system.inside(netns):
        fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
        fcntl.ioctl(fd, TUNSETIFF, struct.pack("16sH", name.encode(), IFF_TUN | IFF_NO_PI))
    return fd


class Wire:
    """with Wire(one, other, "tun7"): both have a device of this name, without address and down."""

    def __init__(self, one, other, name):
        if not os.path.exists("/dev/net/tun"):
            raise system.Missing("no /dev/net/tun: the kernel has no tun devices")
        self.ends = [open_tun(place.netns, name) for place in (one, other)]
        self.ended, self.end = os.pipe()
        self.thread = threading.Thread(target=self._carry, daemon=True)
        self.thread.start()

    def _carry(self):
        there = dict(zip(self.ends, reversed(self.ends)))
        while True:
            ready, _, _ = select.select([*self.ends, self.ended], [], [])
            if self.ended in ready:
                return
            for fd in ready:
                try:
                    os.write(there[fd], os.read(fd, 1 << 16))
                except OSError:
                    pass  # a device that is down takes and gives nothing

    def __enter__(self):
        return self

    def __exit__(self, *_):
        os.close(self.end)
        self.thread.join()
        for fd in (*self.ends, self.ended):
            os.close(fd)
