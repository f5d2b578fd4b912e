"""The kubeconfig an agent is given, as JSON, which is YAML."""

import json


def document(server, ca, user, **cluster):
    return {"apiVersion": "v1", "kind": "Config", "current-context": "fake",
            "contexts": [{"name": "fake", "context": {"cluster": "fake", "user": "agent"}}],
            "clusters": [{"name": "fake", "cluster": {"server": server, "certificate-authority": str(ca)} | cluster}],
            "users": [{"name": "agent", "user": user}]}


def write(file, made):
    file.write_text(json.dumps(made, indent=1))
    return file
