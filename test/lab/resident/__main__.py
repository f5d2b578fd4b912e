"""The one process that lives in a namespace of the lab: serves the ports it is told to and dials the addresses it
is told to. Commands and answers are JSON, one a line, on stdin and stdout. It ends when stdin does."""

import json
import os
import sys
import threading

from dial import Flow, ask_once, error_name, http
from server import Server
from traceroute import trace


class Resident:
    def __init__(self):
        self.server = Server(sys.argv[1])
        self.flows = {}
        self.stays = False

    def serve(self, ask):
        self.server.open(ask["proto"], ask["port"], ask.get("both", False))
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
            status, headers, body, _ = http(ask)
            return {"status": status, "headers": headers, "body": body}
        except OSError as why:
            return {"error": error_name(why)}
        except (IndexError, ValueError) as why:  # a server that ends closes what it has just accepted
            return {"error": f"bad answer: {why}"}

    def open(self, ask):
        try:
            flow = Flow(ask)
        except OSError as why:
            return {"error": error_name(why)}
        self.flows[ask["flow"]] = flow
        return {"source_port": flow.sock.getsockname()[1]}

    def say(self, ask):
        return self.flows[ask["flow"]].say(ask["text"] * ask.get("times", 1))

    def trace(self, ask):
        return trace(ask)

    def mtu(self, ask):
        return {"mtu": self.flows[ask["flow"]].mtu()}

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
