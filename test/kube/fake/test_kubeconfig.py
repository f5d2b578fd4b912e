"""A kubeconfig that cannot be used ends the agent with one line that says why, and nothing is told that is secret."""

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[1])]

import base64
import shutil

from rig import kubeconfig, objects  # noqa: E402
from rig.rig import TOKEN  # noqa: E402
from rig.stage import suite_of_rigs  # noqa: E402

suite = suite_of_rigs("conf")


def refused(r, text, *words):
    """Exit code 1 or 2 and one line with all the words."""
    file = r.folder / "kubeconfig"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    done = r.agent.run("--kubeconfig", str(file))
    said = done.stderr.strip()
    assert done.returncode in (1, 2), f"exit code {done.returncode}: {said}"
    assert said.count("\n") == 0 and all(word in said for word in words), f"wanted {words}: {said!r}"
    assert "planted-token" not in said and "PRIVATE KEY" not in said, said


def document(r, user=None, **cluster):
    return kubeconfig.json.dumps(kubeconfig.document(r.server.url, r.ca_file, user or r.user(), **cluster))


@suite.scenario("what a kubeconfig asks for and naru does not do is refused by its name")
def unsupported(r):
    for user in ({"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": "get-token"}},
                 {"auth-provider": {"name": "oidc", "config": {"id-token": "planted-token"}}},
                 {"username": "admin", "password": "planted-token"},
                 {"token": "planted-token", "as": "system:admin"}):
        refused(r, document(r, user), "kubeconfig", next(word for word in ("exec", "auth-provider", "username", "as")
                                                        if word in user))
    refused(r, document(r, **{"insecure-skip-tls-verify": True}), "kubeconfig", "insecure-skip-tls-verify")
    refused(r, document(r, **{"proxy-url": "http://proxy:3128"}), "kubeconfig", "proxy-url")


@suite.scenario("a kubeconfig that is broken, empty, too large or too deep is refused with the reason")
def broken(r):
    refused(r, "", "kubeconfig")
    refused(r, "apiVersion: v1\nkind: Config\n  broken: [\n", "kubeconfig")
    refused(r, "a: &x [1]\nb: *x\n", "kubeconfig")
    refused(r, "[" * 100 + "]" * 100, "kubeconfig")
    refused(r, b"\x00\xff\xfe\x1b[31m", "kubeconfig")
    refused(r, "# " + "x" * (1 << 20) + "\n" + document(r), "kubeconfig", "1 MB")
    refused(r, document(r).replace('"current-context": "fake"', '"current-context": "other"'), "other")
    refused(r, document(r).replace(r.server.url, "ftp://10.77.0.2"), "ftp://10.77.0.2")
    refused(r, document(r, {"client-certificate-data": "AAAA"}), "client-key")
    refused(r, document(r, **{"certificate-authority-data": "this is not base64!"}), "certificate-authority-data")
    done = r.agent.run("--kubeconfig", "/proc/nowhere/kubeconfig")
    assert done.returncode in (1, 2) and "/proc/nowhere/kubeconfig" in done.stderr, done


def inline(file):
    return base64.b64encode(file.read_bytes()).decode()


@suite.scenario("data inside the kubeconfig wins over files, and is told nowhere")
def inline_data(r):
    certificate, key = r.pki.client
    user = {"client-certificate-data": inline(certificate), "client-key-data": inline(key),
            "client-certificate": "/proc/nowhere", "client-key": "/proc/nowhere"}
    r.server.start()
    r.start_agent(user=user, **{"certificate-authority-data": inline(r.ca_file),
                                "certificate-authority": "/proc/nowhere"})
    r.agent.wait_ready()
    assert {each.client for each in r.server.requests} == {"agent"}
    secret = inline(key)[40:80]
    for text in (r.agent.log(), r.agent.metrics(), r.agent.get("/configz", 10249).body):
        assert secret not in text
    r.recovers()


@suite.scenario("paths are relative to the kubeconfig, and tokenFile wins over token")
def relative(r):
    shutil.copy(r.token_file, r.folder / "secret")
    r.server.start()
    r.start_agent(user={"tokenFile": "secret", "token": "planted-token-of-the-text"},
                  **{"certificate-authority": "ca.crt"})
    r.agent.wait_ready()
    assert {each.headers["authorization"] for each in r.server.requests} == {f"Bearer {TOKEN}"}
    r.recovers()


@suite.scenario("a token in the kubeconfig is used and told nowhere, not even when it is refused")
def fixed_token(r):
    r.up(user={"token": TOKEN})
    r.server.tokens = {"another"}
    for resource in ("services", "endpointslices", "nodes"):
        r.server.streams.order(resource, lambda exchange: exchange.cut())
    r.holds(lambda: len([each for each in r.server.requests if each.answered == 401]) > 4, "refusals")
    r.check_secrets()
    r.server.tokens = {TOKEN}
    r.recovers()


@suite.scenario("a token that would break the header is not sent")
def hostile_token(r):
    r.token_file.write_text("planted-token\r\nX-Injected: yes")
    r.server.tokens = None
    r.server.start()
    r.start_agent()
    r.holds(lambda: r.agent.get("/livez").status == 200, "/livez answers")
    r.holds(lambda: r.server.requests or r.agent.log(), "something happened")
    assert not [each for each in r.server.requests if "x-injected" in each.headers], r.server.requests
    r.token_file.write_text(TOKEN)


@suite.scenario("the server of the flag wins over that of the kubeconfig")
def flag_wins(r):
    r.server.start()
    made = kubeconfig.document("https://10.77.0.250:6443", r.ca_file, r.user())
    r.flags = ("--kubeconfig", str(kubeconfig.write(r.folder / "kubeconfig", made)), "--kubernetes-api", r.server.url)
    r.cluster.put(*objects.web(3))
    r.agent.start(*r.flags)
    r.agent.wait_ready()
    r.recovers()


if __name__ == "__main__":
    suite.main()
