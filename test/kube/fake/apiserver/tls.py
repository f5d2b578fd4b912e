"""A certificate authority for the length of a test run, made by openssl."""

import ssl
import subprocess
import threading
from pathlib import Path

CONFIG = """[ca]
default_ca = own
[own]
dir = {folder}
new_certs_dir = {folder}
database = {folder}/index
rand_serial = yes
unique_subject = no
default_md = sha256
policy = any
copy_extensions = copy
[any]
commonName = supplied
[req]
distinguished_name = subject
[subject]
"""
VALID = ("20200101000000Z", "20491231235959Z")
EXPIRED = ("20200101000000Z", "20200201000000Z")


def openssl(*words):
    done = subprocess.run(["openssl", *map(str, words)], capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"openssl {words[0]}: {done.stderr.strip()}")


class Authority:
    """Its files, and those of what it issues, are in `folder`."""

    def __init__(self, folder, name="fake-ca"):
        self.folder, self.name = Path(folder), name
        self.folder.mkdir(parents=True)
        self.index = threading.Lock()  # scenarios play side by side, and openssl renames its file with no regard to that
        self.config, self.certificate, self.key = (self.folder / each for each in ("ca.conf", "ca.crt", "ca.key"))
        (self.folder / "index").touch()
        self.config.write_text(CONFIG.format(folder=self.folder))
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "3650",
                "-subj", f"/CN={name}", "-config", self.config, "-addext", "basicConstraints=critical,CA:TRUE",
                "-addext", "keyUsage=critical,keyCertSign,digitalSignature",
                "-keyout", self.key, "-out", self.certificate)

    def issue(self, name, san="", validity=VALID):
        """(certificate, key), PEM files, signed by this authority."""
        key, request, certificate = (self.folder / f"{name}.{end}" for end in ("key", "csr", "crt"))
        extension = ("-addext", f"subjectAltName={san}") if san else ()
        openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={name}",
                "-config", self.config, *extension, "-keyout", key, "-out", request)
        self.sign(request, certificate, validity)
        return certificate, key

    def vouch_for(self, other):
        """That authority's certificate becomes one that this authority signed."""
        request = self.folder / f"{other.name}.csr"
        openssl("req", "-new", "-key", other.key, "-subj", f"/CN={other.name}", "-config", self.config,
                "-addext", "basicConstraints=critical,CA:TRUE",
                "-addext", "keyUsage=critical,keyCertSign,digitalSignature", "-out", request)
        self.sign(request, other.certificate)

    def sign(self, request, certificate, validity=VALID):
        with self.index:
            openssl("ca", "-batch", "-notext", "-config", self.config, "-cert", self.certificate, "-keyfile", self.key,
                    "-startdate", validity[0], "-enddate", validity[1], "-in", request, "-out", certificate)


class ServerTls:
    """What the server shows and asks for. A change counts from the next connection on."""

    def __init__(self, certificate, key, clients, versions=(ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3),
                 client_required=False):
        self.certificate, self.key, self.clients = certificate, key, clients
        self.versions, self.client_required = versions, client_required

    def server_context(self):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, self.key)
        context.load_verify_locations(self.clients)
        context.verify_mode = ssl.CERT_REQUIRED if self.client_required else ssl.CERT_OPTIONAL
        context.minimum_version, context.maximum_version = self.versions
        return context
