"""`k3s agent`: a kubelet's certificate for the token and the node's password, then a Node."""

import json
import signal
import sys
import time
from pathlib import Path

import node
from config import DATA, check_kernel, notify_ready, read_config
from joining import request
from kube import Api

AGENT = DATA / "agent"


def run_agent() -> None:
    config = read_config()
    check_kernel(config)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    headers = {"k3s-Node-Name": config["node-name"], "k3s-Node-Password": node.password()}
    kubelet, kwok = json.loads(request(config, "token-file", "/v1-k3s/client-kubelet.crt", headers))
    ca = request(config, "token-file", "/cacerts").decode()
    secret_file(AGENT / "server-ca.crt", ca)
    pem = secret_file(AGENT / "client-kubelet.pem", kubelet)
    node.register(Api(config["server"], str(pem), str(pem), str(AGENT / "server-ca.crt")), config, None)
    kubeconfig(AGENT / "kubelet.kubeconfig", config["server"], pem)
    process = node.start_kwok(config, kubeconfig(AGENT / "kwok.kubeconfig", config["server"], secret_file(AGENT / "kwok.pem", kwok)))
    notify_ready()
    while process.poll() is None:
        time.sleep(0.5)
    sys.exit(1)


def secret_file(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    path.touch(mode=0o600)
    path.write_text(text)
    return path


def kubeconfig(path: Path, server: str, pem: Path) -> Path:
    cluster = f"{{name: default, cluster: {{server: '{server}', certificate-authority: {AGENT}/server-ca.crt}}}}"
    return secret_file(
        path,
        f"apiVersion: v1\nkind: Config\ncurrent-context: default\nclusters: [{cluster}]\n"
        f"users: [{{name: default, user: {{client-certificate: {pem}, client-key: {pem}}}}}]\n"
        "contexts: [{name: default, context: {cluster: default, user: default}}]\n",
    )
