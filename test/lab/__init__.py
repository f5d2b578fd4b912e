"""A two-node cluster and a client outside it, made of network namespaces, for tools/demo and test/net."""

from .lab import Lab
from .place import Answer, tally
from .system import Missing

__all__ = ["Answer", "Lab", "Missing", "tally"]
