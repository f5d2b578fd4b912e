"""What the API server stores: objects by resource, one version counter, and the changes a watch can still replay."""

import copy
import threading
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta

from .wire import KINDS

RESOURCE_OF = {kind: resource for resource, (_, kind) in KINDS.items()}


@dataclass(frozen=True)
class Change:
    version: int
    resource: str
    new: dict | None
    old: dict | None


def key_of(made):
    meta = made["metadata"]
    return meta.get("namespace", ""), meta["name"]


def version_of(made):
    return int(made["metadata"]["resourceVersion"])


def timestamp(version):
    """What is made later is younger: one second a version."""
    return (datetime(2026, 1, 1) + timedelta(seconds=version)).isoformat() + "Z"


class Cluster:
    """Guarded by `changed`, which is notified whenever a stream may have something to do."""

    def __init__(self):
        self.changed = threading.Condition()
        self.objects = {resource: {} for resource in KINDS}
        self.history = []
        self.version = 1000
        self.oldest = 1000  # a watch from before this version gets 410

    def put(self, *objects):
        for made in objects:
            self._store(made)

    def _store(self, made):
        made = copy.deepcopy(made)
        resource, key = RESOURCE_OF[made["kind"]], key_of(made)
        with self.changed:
            old = self.objects[resource].get(key)
            self.version += 1
            meta = made["metadata"]
            meta.setdefault("uid", old["metadata"]["uid"] if old else str(uuid.uuid4()))
            made_at = old["metadata"]["creationTimestamp"] if old else timestamp(self.version)
            meta.setdefault("creationTimestamp", made_at)
            meta["resourceVersion"] = str(self.version)
            self.objects[resource][key] = made
            self.history.append(Change(self.version, resource, made, old))
            self.changed.notify_all()

    def remove(self, *objects):
        for made in objects:
            resource = RESOURCE_OF[made["kind"]]
            with self.changed:
                old = self.objects[resource].pop(key_of(made))
                self.version += 1
                self.history.append(Change(self.version, resource, None, old))
                self.changed.notify_all()

    def compact(self):
        """etcd forgets: from now on only changes that are still to come can be replayed."""
        with self.changed:
            self.version += 1
            self.oldest = self.version
            self.history.clear()

    def roll_back(self, resource, keep=lambda made: False):
        """The store is another one, as after a lost or restored etcd: objects are gone, and nobody saw it happen."""
        with self.changed:
            kept = {key: made for key, made in self.objects[resource].items() if keep(made)}
            self.objects[resource] = kept
        self.compact()

    def snapshot(self, resource):
        """(objects, version) at one moment."""
        with self.changed:
            return list(self.objects[resource].values()), self.version

    def since(self, resource, version):
        """Changes after `version`; the caller holds `changed`."""
        return [change for change in self.history if change.resource == resource and change.version > version]
