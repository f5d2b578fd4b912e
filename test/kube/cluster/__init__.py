"""A real Kubernetes control plane in the lab: its processes, a client of its API, pods whose status the test writes."""
