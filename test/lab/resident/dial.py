"""Dials: one request, or a flow that outlives one command."""

import errno
import itertools
import json
import socket
import threading
import time

import stream

IP_RECVERR, IPV6_RECVERR = 11, 25
IP_MTU, IPV6_MTU = 14, 24
IP_MTU_DISCOVER, IPV6_MTU_DISCOVER, PMTUDISC_DO = 10, 23, 2
MSG_ERRQUEUE = 0x2000
fresh_ports = itertools.cycle(range(32768, 61000))


def family_of(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def error_name(why):
    if isinstance(why, TimeoutError):
        return "timeout"
    return errno.errorcode.get(why.errno, str(why))


def bind(sock, port):
    """A port told, or one that no earlier socket of this place had: flows of different scenarios never share the
    ports of both ends, unless a scenario is about just that."""
    if port:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(("", port))
        return
    while True:
        try:
            sock.bind(("", next(fresh_ports)))
            return
        except OSError as why:
            if why.errno != errno.EADDRINUSE:
                raise


def dial(ask, connected=True):
    """A socket as the command wants it: source port, timeout, and for TCP and SCTP an open connection."""
    address, port, proto = ask["address"], ask["port"], ask.get("proto", "tcp")
    family = family_of(address)
    sock = (stream.make(family, proto, ask.get("both")) if proto in stream.PROTOCOLS
            else socket.socket(family, socket.SOCK_DGRAM))
    try:
        sock.settimeout(ask.get("timeout", 2))
        bind(sock, ask.get("source_port"))
        if proto == "udp":
            level, option = ((socket.IPPROTO_IP, IP_RECVERR) if family == socket.AF_INET
                             else (socket.IPPROTO_IPV6, IPV6_RECVERR))
            sock.setsockopt(level, option, 1)
        if ask.get("whole"):  # datagrams that must not be cut
            level, option = ((socket.IPPROTO_IP, IP_MTU_DISCOVER) if family == socket.AF_INET
                             else (socket.IPPROTO_IPV6, IPV6_MTU_DISCOVER))
            sock.setsockopt(level, option, PMTUDISC_DO)
        if proto in stream.PROTOCOLS:
            stream.without_delay(sock, proto)
        if connected:
            sock.connect((address, port))
        return sock
    except OSError:
        sock.close()
        raise


def read_all(sock):
    data = b""
    while chunk := sock.recv(1 << 16):
        data += chunk
    return data


def http(ask):
    with dial(ask) as sock:
        peer = sock.getpeername()
        sock.sendall(f"GET {ask.get('path', '/')} HTTP/1.1\r\nHost: lab\r\nConnection: close\r\n\r\n".encode())
        head, _, body = read_all(sock).partition(b"\r\n\r\n")
        status, *lines = head.decode("latin1").split("\r\n")
        headers = dict(line.split(": ", 1) for line in lines)
        return int(status.split()[1]), headers, body.decode("utf-8", "replace"), peer


def ask_once(ask):
    try:
        if ask.get("proto", "tcp") in stream.PROTOCOLS:
            _, _, body, peer = http(ask)
            return json.loads(body) | {"peer": peer[0], "peer_port": peer[1]}
        connected = ask.get("connected", True)
        with dial(ask, connected) as sock:
            return datagram(sock, ask, b"hello", connected)
    except OSError as why:
        return {"error": error_name(why)}
    except (IndexError, ValueError) as why:
        return {"error": f"bad answer: {why}"}


def datagram(sock, ask, payload, connected):
    if connected:
        sock.send(payload)
    else:
        sock.sendto(payload, (ask["address"], ask["port"]))
    data, peer = sock.recvfrom(1 << 16)
    return json.loads(data) | {"peer": peer[0], "peer_port": peer[1], "length": len(data)}


class Flow:
    """A connection or socket that outlives one command."""

    def __init__(self, ask):
        self.ask = ask
        self.streams = ask.get("proto", "tcp") in stream.PROTOCOLS
        self.connected = self.streams or ask.get("connected", True)
        self.sock = dial(ask, self.connected)
        self.reader = self.sock.makefile("rb") if self.streams else None
        self.stopping = None

    def say(self, text):
        try:
            if not self.streams:
                self.forget_late_answers()
                return datagram(self.sock, self.ask, text.encode(), self.connected)
            stream.send(self.sock, text.encode() + b"\n")
            line = self.reader.readline()
            if not line:
                return {"error": "closed"}
            pod, _, echo = line.decode().rstrip("\n").partition(" ")
            return {"pod": pod, "text": echo[:64], "size": len(echo)}
        except OSError as why:
            return {"error": error_name(why)}

    def mtu(self):
        if self.sock.family == socket.AF_INET:
            return self.sock.getsockopt(socket.IPPROTO_IP, IP_MTU)
        return self.sock.getsockopt(socket.IPPROTO_IPV6, IPV6_MTU)

    def forget_late_answers(self):
        """And late errors: they too would be taken for the answer to the next datagram."""
        self.sock.setblocking(False)
        for kind in (MSG_ERRQUEUE, 0):  # in this order: emptying the first clears the pending error
            try:
                while True:
                    self.sock.recvmsg(1 << 16, 512, kind)
            except OSError:
                pass  # nothing left
        self.sock.settimeout(self.ask.get("timeout", 2))

    def stream(self, interval):
        """Talks in the background until stop(); remembers what was lost."""
        self.stopping = threading.Event()
        self.told = {"sent": 0, "answered": 0, "errors": [], "pods": {}}
        self.thread = threading.Thread(target=self.talk, args=(interval,), daemon=True)
        self.thread.start()

    def talk(self, interval):
        while not self.stopping.is_set():
            self.told["sent"] += 1
            answer = self.say(str(self.told["sent"]))
            if answer.get("text") == str(self.told["sent"]):
                self.told["answered"] += 1
                pod = answer["pod"]
                self.told["pods"][pod] = self.told["pods"].get(pod, 0) + 1
            else:
                self.told["errors"].append(f"{self.told['sent']}: {answer.get('error', answer)}")
                if self.streams:
                    return
            time.sleep(interval)

    def stop(self):
        self.stopping.set()
        self.thread.join()
        return self.told

    def close(self):
        if self.reader:
            self.reader.close()
        self.sock.close()
