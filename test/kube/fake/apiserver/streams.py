"""The watches that are open now, and what a test orders on them."""

import time


class Stream:
    def __init__(self, exchange):
        self.exchange, self.resource = exchange, exchange.resource
        self.orders, self.ended, self.aborted = [], False, False

    def take_orders(self):
        taken, self.orders = self.orders, []
        return taken


class Streams:
    def __init__(self, cluster):
        self.cluster, self.all = cluster, []

    def open(self, exchange):
        stream = Stream(exchange)
        with self.cluster.changed:
            self.all.append(stream)
            self.cluster.changed.notify_all()
        return stream

    def close(self, stream):
        with self.cluster.changed:
            self.all.remove(stream)
            self.cluster.changed.notify_all()

    def of(self, resource):
        with self.cluster.changed:
            return [stream for stream in self.all if stream.resource == resource]

    def order(self, resource, action, within=10):
        """`action(exchange)` runs on the open watch of `resource`, which must come within the time."""
        with self.cluster.changed:
            until = time.monotonic() + within
            while not (found := [stream for stream in self.all if stream.resource == resource]):
                if not self.cluster.changed.wait(until - time.monotonic()) and time.monotonic() > until:
                    raise AssertionError(f"no watch of {resource} is open")
            found[-1].orders.append(action)
            self.cluster.changed.notify_all()

    def end(self, resource):
        """Every watch of `resource` ends in order, as when its time is over."""
        with self.cluster.changed:
            for stream in self.all:
                if stream.resource == resource:
                    stream.ended = True
            self.cluster.changed.notify_all()

    def abort(self):
        with self.cluster.changed:
            for stream in self.all:
                stream.aborted = True
            self.cluster.changed.notify_all()
