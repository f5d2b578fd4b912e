"""Serves TCP, UDP and SCTP on both families. A client of TCP or SCTP that says GET is answered like a web server would; any other line
is echoed and the connection stays open. UDP answers each datagram, "fill N" with so many bytes at least. Every
answer tells who answers and which client address was seen."""

import functools
import json
import selectors
import socket
import struct
import threading
import zlib

import stream

IP_PKTINFO = 8
IP_FREEBIND = 15
FAMILIES = (socket.AF_INET, socket.AF_INET6)


def about(name, client, port, at):
    return {"pod": name, "client": client[0], "client_port": client[1], "port": port, "at": at}


class Server:
    """Listens on both families. UDP is answered from the address that was asked, as a node with several
    addresses must."""

    def __init__(self, name):
        self.name = name
        self.selector = selectors.DefaultSelector()
        self.sockets = {}
        threading.Thread(target=self.loop, daemon=True).start()

    def open(self, proto, port, both=False):
        streams = proto in stream.PROTOCOLS
        for family in (socket.AF_INET6,) if both else FAMILIES:
            sock = stream.make(family, proto, both) if streams else socket.socket(family, socket.SOCK_DGRAM)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6 and not both:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            if proto == "udp":
                sock.setsockopt(socket.IPPROTO_IP, IP_FREEBIND, 1)  # answer for routed addresses nobody has
                if family == socket.AF_INET6:
                    sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
                else:
                    sock.setsockopt(socket.IPPROTO_IP, IP_PKTINFO, 1)
            sock.bind(("", port))
            if streams:
                sock.listen(256)
            handle = functools.partial(self.accept, proto) if streams else self.datagram
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

    def accept(self, proto, listener):
        connection, client = listener.accept()
        connection.settimeout(5)
        stream.without_delay(connection, proto)
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
            body = json.dumps(about(self.name, client, local[1], local[0])).encode()
            head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
            stream.send(sock, head.encode() + body)
            return True
        while (end := unread.find(b"\n")) >= 0:
            line = bytes(unread[:end])
            del unread[:end + 1]
            stream.send(sock, self.name.encode() + b" " + line + b"\n")
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
        said = about(self.name, client, sock.getsockname()[1], where)
        said |= {"size": len(data), "text": data[:64].decode("latin1")}
        said |= {"crc": zlib.crc32(data)}
        length = int(data[5:]) if data.startswith(b"fill ") else 0
        if data.startswith(b"="):
            length = len(data)  # as large as the question
        sock.sendmsg([json.dumps(said).encode().ljust(length)], reply, 0, client)
