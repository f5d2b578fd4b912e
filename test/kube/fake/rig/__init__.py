"""naru-agent against the scripted API server, in a pair of network namespaces of their own."""

from .rig import Rig
from .suite import Suite

__all__ = ["Rig", "Suite"]
