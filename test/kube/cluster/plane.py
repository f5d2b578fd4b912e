"""etcd, kube-apiserver and kube-controller-manager in a namespace of the lab, and the rights of the agents."""

import os
import subprocess
import time
from pathlib import Path

from lab import system
from lab.system import Missing

from .api import Api, Refused
from .certificates import Authority, kubeconfig, openssl

PORT = 6443
START = 150  # seconds an API server may take to be ready
ADDRESS = {4: "172.18.0.90", 6: "fd00:172:18::90"}
SERVICE_RANGES = "10.96.0.0/16,fd96::/108"
CONTROLLERS = ["endpointslice-controller", "endpointslice-mirroring-controller", "garbage-collector-controller",
               "service-cidr-controller"]
ADMIN, AGENT = "admin", "naru"
NAMESPACE = "test"
# All that naru may do; a test takes it away and gives it back.
RULES = [{"apiGroups": [""], "resources": ["services", "nodes"], "verbs": ["list", "watch"]},
         {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": ["list", "watch"]},
         {"apiGroups": ["", "events.k8s.io"], "resources": ["events"], "verbs": ["create", "patch"]}]
RBAC = "/apis/rbac.authorization.k8s.io/v1"


def binaries():
    """Where the script beside us puts them; it is quick when they are there."""
    build = Path(__file__).parents[1] / "build"
    done = subprocess.run([str(build)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines() or ["test/kube/build said nothing"]
        raise Missing(lines[-1].removeprefix("skipped: "))
    return Path(done.stdout.strip())


class Plane:
    """`place`: the namespace it lives in. Everything it writes is below `folder`."""

    def __init__(self, place, folder, binaries):
        self.place, self.folder, self.bin = place, folder, binaries
        self.url = f"https://{ADDRESS[4]}:{PORT}"
        self.processes = {}
        folder.mkdir(parents=True, exist_ok=True)
        self.ca = Authority(folder)
        self.ca.server("apiserver", [*ADDRESS.values(), "127.0.0.1", "::1", "10.96.0.1"], ["kubernetes", "localhost"])
        self.ca.client("agent", AGENT)
        openssl("genrsa", "-out", folder / "accounts.key", "2048")
        self.tokens = {name: os.urandom(16).hex() for name in (ADMIN, AGENT)}
        groups = {ADMIN: "system:masters", AGENT: ""}
        (folder / "tokens.csv").write_text("".join(f'{token},{name},{name},"{groups[name]}"\n'
                                                   for name, token in self.tokens.items()))
        self.api = self.client()

    def client(self):
        """One connection; each thread needs its own."""
        return Api(self.place.netns, ADDRESS[4], PORT, self.ca.certificate("ca"), self.tokens[ADMIN])

    def start(self):
        self.run("etcd", "--name=test", f"--data-dir={self.folder}/etcd", "--unsafe-no-fsync", "--log-level=error",
                 "--listen-client-urls=http://127.0.0.1:2379", "--advertise-client-urls=http://127.0.0.1:2379",
                 "--listen-peer-urls=http://127.0.0.1:2380", "--initial-advertise-peer-urls=http://127.0.0.1:2380",
                 "--initial-cluster=test=http://127.0.0.1:2380")
        self.bring_back()
        self.api.create("/api/v1/namespaces", {"metadata": {"name": NAMESPACE}})
        self.api.create(f"{RBAC}/clusterroles", {"metadata": {"name": AGENT}, "rules": RULES})
        self.grant()

    def bring_back(self):
        """A new API server, and new controllers: the old ones would take their time to come back to it."""
        if "kube-apiserver" in self.processes:
            return
        self.start_api_server()
        self.wait_ready()
        if "kube-controller-manager" in self.processes:
            self.kill("kube-controller-manager")
        self.start_controllers()

    def start_controllers(self):
        config = kubeconfig(self.folder / "controllers.conf", self.url, self.ca.certificate("ca"),
                            token=self.tokens[ADMIN])
        self.run("kube-controller-manager", f"--kubeconfig={config}", "--leader-elect=false", "--secure-port=0",
                 f"--controllers={','.join(CONTROLLERS)}", "--kube-api-qps=1000", "--kube-api-burst=2000",
                 "--concurrent-service-endpoint-syncs=20")

    def start_api_server(self):
        keys = self.ca
        self.run("kube-apiserver", "--etcd-servers=http://127.0.0.1:2379", "--bind-address=::",
                 f"--advertise-address={ADDRESS[4]}", f"--secure-port={PORT}",
                 f"--service-cluster-ip-range={SERVICE_RANGES}", "--authorization-mode=RBAC",
                 f"--client-ca-file={keys.certificate('ca')}", f"--token-auth-file={self.folder}/tokens.csv",
                 f"--tls-cert-file={keys.certificate('apiserver')}",
                 f"--tls-private-key-file={keys.key('apiserver')}",
                 "--service-account-issuer=https://kubernetes.default.svc",
                 f"--service-account-key-file={self.folder}/accounts.key",
                 f"--service-account-signing-key-file={self.folder}/accounts.key",
                 "--disable-admission-plugins=ServiceAccount")

    def run(self, name, *flags):
        with (self.folder / f"{name}.log").open("ab") as log:
            self.processes[name] = system.spawn([str(self.bin / name), *flags], self.place.netns, self.place.cgroup,
                                                stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def wait_ready(self):
        """A busy machine may take its time: a process that ended is what fails at once."""
        deadline = time.monotonic() + START
        while not self.api.is_ready():
            for name, process in self.processes.items():
                if process.poll() is not None:
                    raise RuntimeError(f"{name} ended with {process.returncode}:\n{self.log(name)}")
            if time.monotonic() > deadline:
                raise RuntimeError(f"the API server is not ready within {START} s:\n{self.log('kube-apiserver')}")
            time.sleep(0.1)

    def log(self, name):
        return "\n".join((self.folder / f"{name}.log").read_text(errors="replace").splitlines()[-12:])

    def stop_api_server(self):
        self.api.close()
        self.kill("kube-apiserver")

    def stop(self):
        self.api.close()
        for name in list(self.processes):
            self.kill(name)

    def kill(self, name):
        process = self.processes.pop(name)
        process.kill()
        process.wait()

    # What agents need

    def agent_config(self, name, certificate=False):
        """A kubeconfig for one agent: by token, or by client certificate."""
        user = ({"client_certificate": self.ca.certificate("agent"), "client_key": self.ca.key("agent")}
                if certificate else {"token": self.tokens[AGENT]})
        return kubeconfig(self.folder / f"{name}.conf", self.url, self.ca.certificate("ca"), **user)

    def revoke(self):
        self.api.delete(f"{RBAC}/clusterrolebindings/{AGENT}")

    def grant(self):
        body = {"metadata": {"name": AGENT}, "subjects": [{"kind": "User", "name": AGENT}],
                "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": AGENT}}
        try:
            self.api.create(f"{RBAC}/clusterrolebindings", body)
        except Refused as why:
            if why.status != 409:
                raise
