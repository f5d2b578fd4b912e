"""The one process that lives in a namespace of the lab: serves the ports it is told to and dials the addresses it
is told to. Commands and answers are JSON, one a line, on stdin and stdout. It ends when stdin does.

A TCP client that says GET is answered like a web server would; any other line is echoed and the connection stays
open. UDP answers each datagram. Every answer tells who answers and which client address was seen."""

import errno
import json
import os
import select
import selectors
import socket
import struct
import sys
import threading
import time

NAME = sys.argv[1]
IP_PKTINFO = 8
IP_FREEBIND = 15
IP_RECVERR, IPV6_RECVERR = 11, 25
FAMILIES = (socket.AF_INET, socket.AF_INET6)


def family_of(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def error_name(why):
    if isinstance(why, TimeoutError):
        return "timeout"
    return errno.errorcode.get(why.errno, str(why))


def about(client, port, at):
    return {"pod": NAME, "client": client[0], "client_port": client[1], "port": port, "at": at}


class Server:
    """Listens on both families. UDP is answered from the address that was asked, as a node with several
    addresses must."""

    def __init__(self):
        self.selector = selectors.DefaultSelector()
        self.sockets = {}
        threading.Thread(target=self.loop, daemon=True).start()

    def open(self, proto, port):
        for family in FAMILIES:
            kind = socket.SOCK_STREAM if proto == "tcp" else socket.SOCK_DGRAM
            sock = socket.socket(family, kind)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            if proto == "udp":
                sock.setsockopt(socket.IPPROTO_IP, IP_FREEBIND, 1)  # answer for routed addresses nobody has
                if family == socket.AF_INET6:
                    sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
                else:
                    sock.setsockopt(socket.IPPROTO_IP, IP_PKTINFO, 1)
            sock.bind(("", port))
            if proto == "tcp":
                sock.listen(256)
            handle = self.accept if proto == "tcp" else self.datagram
            self.sockets.setdefault((proto, port), []).append(sock)
            self.selector.register(sock, selectors.EVENT_READ, handle)

    def close(self, proto, port):
        for sock in self.sockets.pop((proto, port), []):
            self.selector.unregister(sock)
            sock.close()

    def loop(self):
        while True:
            for key, _ in self.selector.select(0.2):
                try:
                    key.data(key.fileobj)
                except OSError:
                    pass

    def accept(self, listener):
        connection, client = listener.accept()
        connection.settimeout(5)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        unread = bytearray()
        self.selector.register(connection, selectors.EVENT_READ,
                               lambda sock: self.stream(sock, client, unread))

    def stream(self, sock, client, unread):
        try:
            chunk = sock.recv(1 << 16)
            unread += chunk
            if not chunk or self.answer(sock, client, unread):
                self.end(sock)
        except OSError:
            self.end(sock)
            raise

    def end(self, sock):
        self.selector.unregister(sock)
        sock.close()

    def answer(self, sock, client, unread):
        """Answers what is complete; true when the connection is over."""
        if unread.startswith(b"GET "):
            if b"\r\n\r\n" not in unread:
                return False
            local = sock.getsockname()
            body = json.dumps(about(client, local[1], local[0])).encode()
            head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
            sock.sendall(head.encode() + body)
            return True
        while (end := unread.find(b"\n")) >= 0:
            line = bytes(unread[:end])
            del unread[:end + 1]
            sock.sendall(NAME.encode() + b" " + line + b"\n")
        return False

    def datagram(self, sock):
        data, control, _, client = sock.recvmsg(1 << 16, 128)
        for level, kind, value in control:
            if (level, kind) == (socket.IPPROTO_IP, IP_PKTINFO):
                at = value[8:12]
                reply = [(level, kind, struct.pack("I4s4s", 0, at, b"\0" * 4))]
            elif (level, kind) == (socket.IPPROTO_IPV6, socket.IPV6_PKTINFO):
                at = value[:16]
                reply = [(level, kind, at + struct.pack("I", 0))]
        where = socket.inet_ntop(sock.family, at)
        said = about(client, sock.getsockname()[1], where) | {"size": len(data), "text": data[:64].decode("latin1")}
        sock.sendmsg([json.dumps(said).encode()], reply, 0, client)


def dial(ask, connected=True):
    """A socket as the command wants it: source port, timeout, and for TCP an open connection."""
    address, port, proto = ask["address"], ask["port"], ask.get("proto", "tcp")
    family = family_of(address)
    sock = socket.socket(family, socket.SOCK_STREAM if proto == "tcp" else socket.SOCK_DGRAM)
    try:
        sock.settimeout(ask.get("timeout", 2))
        if ask.get("source_port") or ask.get("source"):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind((ask.get("source") or "", ask.get("source_port") or 0))
        if proto == "udp":
            level, option = ((socket.IPPROTO_IP, IP_RECVERR) if family == socket.AF_INET
                             else (socket.IPPROTO_IPV6, IPV6_RECVERR))
            sock.setsockopt(level, option, 1)
        if proto == "tcp":
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
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
        return int(head.split()[1]), body.decode("utf-8", "replace"), peer


def ask_once(ask):
    try:
        if ask.get("proto", "tcp") == "tcp":
            _, body, peer = http(ask)
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
    return json.loads(data) | {"peer": peer[0], "peer_port": peer[1]}


class Flow:
    """A connection or socket that outlives one command."""

    def __init__(self, ask):
        self.ask = ask
        self.tcp = ask.get("proto", "tcp") == "tcp"
        self.connected = self.tcp or ask.get("connected", True)
        self.sock = dial(ask, self.connected)
        self.reader = self.sock.makefile("rb") if self.tcp else None
        self.stopping = None

    def say(self, text):
        try:
            if not self.tcp:
                self.forget_late_answers()
                return datagram(self.sock, self.ask, text.encode(), self.connected)
            self.sock.sendall(text.encode() + b"\n")
            line = self.reader.readline()
            if not line:
                return {"error": "closed"}
            pod, _, echo = line.decode().rstrip("\n").partition(" ")
            return {"pod": pod, "text": echo[:64], "size": len(echo)}
        except OSError as why:
            return {"error": error_name(why)}

    def forget_late_answers(self):
        while select.select([self.sock], [], [], 0)[0]:
            try:
                self.sock.recv(1 << 16)
            except OSError:
                pass  # an ICMP error about an earlier datagram, told then or never

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
                if self.tcp:
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


class Resident:
    def __init__(self):
        self.server = Server()
        self.flows = {}
        self.stays = False

    def serve(self, ask):
        self.server.open(ask["proto"], ask["port"])
        return {}

    def unserve(self, ask):
        self.server.close(ask["proto"], ask["port"])
        return {}

    def fetch(self, ask):
        """So many answers, or fewer: one that never comes says enough."""
        answers = []
        for _ in range(ask.get("count", 1)):
            answers.append(ask_once(ask))
            if answers[-1].get("error") == "timeout":
                break
        return answers

    def get(self, ask):
        try:
            status, body, _ = http(ask)
            return {"status": status, "body": body}
        except OSError as why:
            return {"error": error_name(why)}

    def open(self, ask):
        try:
            flow = Flow(ask)
        except OSError as why:
            return {"error": error_name(why)}
        self.flows[ask["flow"]] = flow
        return {"source_port": flow.sock.getsockname()[1]}

    def say(self, ask):
        return self.flows[ask["flow"]].say(ask["text"] * ask.get("times", 1))

    def stream(self, ask):
        self.flows[ask["flow"]].stream(ask["interval"])
        return {}

    def stop(self, ask):
        return self.flows[ask["flow"]].stop()

    def close(self, ask):
        self.flows.pop(ask["flow"]).close()
        return {}

    def stay(self, _):
        """Keeps serving when whoever made the lab is gone."""
        self.stays = True
        return {}

    def run(self):
        for line in sys.stdin:
            ask = json.loads(line)
            try:
                answer = getattr(self, ask["do"])(ask)
            except Exception as why:  # told to the caller, who is a test and will fail with it
                answer = {"failed": f"{type(why).__name__}: {why}"}
            print(json.dumps(answer), flush=True)
        if self.stays:
            threading.Event().wait()


if __name__ == "__main__":
    Resident().run()
    os._exit(0)
