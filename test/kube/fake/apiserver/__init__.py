"""A Kubernetes API server for tests: truthful by default, wrong on order."""

from .cluster import Cluster
from .server import Server
from .tls import EXPIRED, Authority, ServerTls

__all__ = ["EXPIRED", "Authority", "Cluster", "Server", "ServerTls"]
