"""Objects, lists, watch events and Status answers as bytes, in the two encodings an API server speaks."""

import json

from . import protobuf
from .protobuf import delimited, raw_bytes

MAGIC = b"k8s\0"
KINDS = {"services": ("v1", "Service"), "endpointslices": ("discovery.k8s.io/v1", "EndpointSlice"),
         "nodes": ("v1", "Node")}
INITIAL_EVENTS_END = "k8s.io/initial-events-end"


def unknown(api_version, kind, raw):
    """The envelope of everything that is not inside something else."""
    type_meta = protobuf.encode("TypeMeta", {"apiVersion": api_version, "kind": kind})
    return MAGIC + delimited(1, type_meta) + delimited(2, raw) + delimited(3, b"") + delimited(4, b"")


def status_of(code, reason, message="", causes=(), retry_after=None):
    details = {"causes": list(causes)} if causes else {}
    if retry_after is not None:
        details["retryAfterSeconds"] = retry_after
    made = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": message,
            "reason": reason, "code": code}
    return made | ({"details": details} if details else {})


def bookmark_of(resource, version, initial_events_end=False):
    api_version, kind = KINDS[resource]
    meta = {"resourceVersion": version}
    if initial_events_end:
        meta["annotations"] = {INITIAL_EVENTS_END: "true"}
    return {"kind": kind, "apiVersion": api_version, "metadata": meta}


class Json:
    content_type = "application/json"
    watch_type = "application/json"

    @staticmethod
    def _bytes(document):
        return json.dumps(document, ensure_ascii=False).encode("utf-8", "surrogateescape")

    def object(self, made):
        return self._bytes(made)

    status = object

    def list(self, resource, items, version, continue_token=""):
        api_version, kind = KINDS[resource]
        bare = [{key: value for key, value in item.items() if key not in ("kind", "apiVersion")} for item in items]
        meta = {"resourceVersion": version} | ({"continue": continue_token} if continue_token else {})
        return self._bytes({"kind": kind + "List", "apiVersion": api_version, "metadata": meta, "items": bare})

    def event(self, kind, made):
        return self._bytes({"type": kind, "object": made}) + b"\n"

    def frame(self, kind, object_bytes):
        """An event around bytes that need not be an object."""
        return b'{"type":"' + kind.encode() + b'","object":' + object_bytes + b"}\n"


class Protobuf:
    content_type = "application/vnd.kubernetes.protobuf"
    watch_type = "application/vnd.kubernetes.protobuf;stream=watch"

    def object(self, made):
        return unknown(made["apiVersion"], made["kind"], protobuf.encode(made["kind"], made))

    status = object

    def list(self, resource, items, version, continue_token=""):
        api_version, kind = KINDS[resource]
        meta = protobuf.encode("ListMeta", {"resourceVersion": version, "continue": continue_token})
        raw = delimited(1, meta) + b"".join(delimited(2, protobuf.encode(kind, item)) for item in items)
        return unknown(api_version, kind + "List", raw)

    def event(self, kind, made):
        return self.frame(kind, self.object(made))

    def frame(self, kind, object_bytes):
        message = delimited(1, raw_bytes(kind)) + delimited(2, delimited(1, object_bytes))
        return len(message).to_bytes(4, "big") + message


ENCODINGS = {"json": Json(), "protobuf": Protobuf()}


def negotiate(accept, offered):
    """The first encoding of the client's list that the server offers, as an API server does; None: 406."""
    for media_range in accept.split(","):
        media_type = media_range.split(";")[0].strip()
        for name in offered:
            if media_type in (ENCODINGS[name].content_type, "*/*"):
                return ENCODINGS[name]
    return None
