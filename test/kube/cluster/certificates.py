"""A certificate authority for one run, and what it signs. By the openssl program: Python's own ssl signs nothing."""

import base64
import json
import subprocess

from lab.system import Missing


def openssl(*words, text=""):
    try:
        done = subprocess.run(["openssl", *map(str, words)], input=text, capture_output=True, text=True)
    except FileNotFoundError:
        raise Missing("openssl is not installed: run tools/setup as root") from None
    if done.returncode != 0:
        raise RuntimeError(f"openssl {words[0]}: {done.stderr.strip()}")


class Authority:
    """Keys and certificates below `folder`: NAME.key, NAME.crt."""

    def __init__(self, folder, name="ca"):
        self.folder, self.name = folder, name
        folder.mkdir(parents=True, exist_ok=True)
        self._key(name)
        openssl("req", "-x509", "-new", "-key", self.key(name), "-subj", f"/CN=naru test {name}", "-days", "2",
                "-out", self.certificate(name))

    def key(self, name):
        return self.folder / f"{name}.key"

    def certificate(self, name):
        return self.folder / f"{name}.crt"

    def _key(self, name):
        openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", self.key(name))

    def server(self, name, addresses, names):
        alternatives = ",".join([*(f"IP:{address}" for address in addresses), *(f"DNS:{text}" for text in names)])
        self._sign(name, f"/CN={name}", f"subjectAltName={alternatives}\nextendedKeyUsage=serverAuth\n")

    def client(self, name, user):
        self._sign(name, f"/CN={user}", "extendedKeyUsage=clientAuth\n")

    def _sign(self, name, subject, extensions):
        self._key(name)
        request, config = self.folder / f"{name}.csr", self.folder / f"{name}.cnf"
        config.write_text(extensions)
        openssl("req", "-new", "-key", self.key(name), "-subj", subject, "-out", request)
        openssl("x509", "-req", "-in", request, "-CA", self.certificate(self.name), "-CAkey", self.key(self.name),
                "-CAcreateserial", "-days", "2", "-extfile", config, "-out", self.certificate(name))


def inline(path):
    return base64.b64encode(path.read_bytes()).decode()


def kubeconfig(path, server, ca, **user):
    """JSON is YAML. `user`: token, or client certificate and key as files or inline."""
    user = {key.replace("_", "-"): str(value) for key, value in user.items()}
    path.write_text(json.dumps({
        "apiVersion": "v1", "kind": "Config", "current-context": "test",
        "clusters": [{"name": "test", "cluster": {"server": server, "certificate-authority-data": inline(ca)}}],
        "users": [{"name": "test", "user": user}],
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}]}, indent=1))
    path.chmod(0o600)
    return path
