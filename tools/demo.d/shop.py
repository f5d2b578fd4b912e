"""The servers behind examples/shop: which pods run where, in the order of their addresses, and what they serve."""

PODS = {
    "n1": ["shopper-1", "frontend-1", "backend-1", "catalog-1", "cart-1", "checkout-1", "telemetry-1", "resolver-1"],
    "n2": ["shopper-2", "frontend-2", "frontend-3", "backend-2", "catalog-2", "cart-2", "cart-3", "resolver-2",
           "mysql-1"],
}

SERVES = {
    "frontend": ["8080/tcp", "9091/tcp"],
    "backend": ["9000/tcp"],
    "catalog": ["8080/tcp"],
    "cart": ["8080/tcp"],
    "checkout": ["8443/tcp"],
    "telemetry": ["4317/tcp"],
    "resolver": ["5353/udp"],
    "mysql": ["3306/tcp"],
}
OUTSIDE_SERVES = ["8443/tcp"]  # the payment company, on the client's machine


def vip(number):
    """Of both families, as in examples/shop."""
    return {4: f"10.96.0.{number}", 6: f"fd96::{number}"}


def lb(number):
    return {4: f"192.0.2.{number}", 6: f"2001:db8::{number}"}


def pods_of(app):
    return {pod for pods in PODS.values() for pod in pods if pod.rpartition("-")[0] == app}


def with_readiness(manifest, address, ready):
    """The manifest with one endpoint's `ready` as told, edited like a person would: in place."""
    lines = manifest.splitlines(keepends=True)
    for index, line in enumerate(lines):
        if f'addresses: ["{address}"]' in line:
            old, new = ("ready: false", "ready: true") if ready else ("ready: true", "ready: false")
            if old not in lines[index + 1]:
                raise ValueError(f"endpoint {address} is not {old}")
            lines[index + 1] = lines[index + 1].replace(old, new)
            return "".join(lines)
    raise ValueError(f"no endpoint {address}")
