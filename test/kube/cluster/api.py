"""A client of the API server, for the test's own wishes. One connection, made inside a namespace of the lab."""

import http.client
import json
import ssl

from lab import system

MERGE = "application/merge-patch+json"


class Refused(Exception):
    """The server's answer was no."""

    def __init__(self, status, what, answer):
        self.status = status
        self.message = answer.get("message", "") if isinstance(answer, dict) else str(answer)
        super().__init__(f"{what}: {status} {self.message}")


class Connection(http.client.HTTPSConnection):
    def __init__(self, netns, host, port, ca):
        super().__init__(host, port, timeout=20, context=ssl.create_default_context(cafile=ca))
        self.netns = netns

    def connect(self):
        with system.inside(self.netns):
            super().connect()


class Api:
    def __init__(self, netns, host, port, ca, token):
        self.make = lambda: Connection(netns, host, port, ca)
        self.connection = None
        self.headers = {"Authorization": f"Bearer {token}", "Accept": "application/json"}

    def ask(self, method, path, body=None, kind="application/json"):
        """Status and text. What was sent on a connection that the server had closed is sent once more."""
        text = None if body is None else json.dumps(body)
        for fresh in (self.connection is None, True):
            if self.connection is None:
                self.connection = self.make()
            try:
                self.connection.request(method, path, text, self.headers | {"Content-Type": kind})
                answer = self.connection.getresponse()
                return answer.status, answer.read().decode()
            except (OSError, http.client.HTTPException):
                self.close()
                if fresh:
                    raise

    def call(self, method, path, body=None, kind="application/json"):
        status, text = self.ask(method, path, body, kind)
        answer = json.loads(text) if text.startswith("{") else text
        if status >= 300:
            raise Refused(status, f"{method} {path}", answer)
        return answer

    def get(self, path):
        return self.call("GET", path)

    def find(self, path):
        """Nothing when it is not there."""
        try:
            return self.get(path)
        except Refused as why:
            if why.status == 404:
                return None
            raise

    def items(self, path):
        return self.get(path)["items"]

    def create(self, path, body):
        return self.call("POST", path, body)

    def replace(self, path, body):
        return self.call("PUT", path, body)

    def patch(self, path, body):
        """A merge patch: None removes, lists are replaced as a whole."""
        return self.call("PATCH", path, body, MERGE)

    def delete(self, path, grace=None):
        """What is not there is no error."""
        try:
            self.call("DELETE", path, None if grace is None else {"gracePeriodSeconds": grace})
        except Refused as why:
            if why.status != 404:
                raise

    def is_ready(self):
        try:
            return self.ask("GET", "/readyz")[0] == 200
        except (OSError, http.client.HTTPException):
            return False

    def close(self):
        if self.connection:
            self.connection.close()
            self.connection = None
