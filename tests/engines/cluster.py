"""A real etcd and a real kube-apiserver on loopback, started from a cluster identity of ours."""

from __future__ import annotations

import base64
import contextlib
import http
import json
import socket
import ssl
import subprocess
import urllib.error
import urllib.request
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ib_constructs import Identity, KeyPair
from tests.support.identities import client_certificate, server_certificate
from tests.support.waiting import until

ADDRESS = "127.0.0.1"
SECONDS_TO_START = 60


@dataclass
class Cluster:
    """A running Kubernetes API without nodes."""

    folder: Path
    engines: Path
    identity: Identity
    url: str

    def kubeconfig(self, user: str, group: str) -> Path:
        """A kubeconfig file of *user* in *group*."""
        return self._write(user, client_certificate(self.identity.authorities["client-ca"], user, group))

    def admin_kubeconfig(self) -> Path:
        """The kubeconfig of the identity's own administrators."""
        return self._write("admin", self.identity.admin)

    def run(self, kubeconfig: Path, *command: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        """Run `helm …` or `kubectl …`-like *command* with *kubeconfig*."""
        program = str(self.engines / command[0]) if (self.engines / command[0]).exists() else command[0]
        environment = {"KUBECONFIG": str(kubeconfig), "HOME": str(self.folder), "PATH": "/usr/bin:/bin"}
        return subprocess.run([program, *command[1:]], input=stdin, env=environment, capture_output=True, text=True, check=False)

    def request(self, pair: KeyPair | None, method: str, path: str, body: object = None) -> tuple[int, str]:
        """Status and text of one API request, with *pair* as the client certificate."""
        context = ssl.create_default_context(cadata=self.identity.server_ca)
        if pair:
            file = self.folder / "client.pem"
            file.write_text(pair.certificate + pair.key)
            context.load_cert_chain(file)
        content = json.dumps(body).encode() if body is not None else None
        kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
        request = urllib.request.Request(self.url + path, content, {"Content-Type": kind}, method=method)
        try:
            with urllib.request.urlopen(request, context=context, timeout=10) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def _write(self, user: str, pair: KeyPair) -> Path:
        def encoded(text: str) -> str:
            return base64.b64encode(text.encode()).decode()

        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "c", "cluster": {"server": self.url, "certificate-authority-data": encoded(self.identity.server_ca)}}],
            "users": [{"name": "u", "user": {"client-certificate-data": encoded(pair.certificate), "client-key-data": encoded(pair.key)}}],
            "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
            "current-context": "x",
        }
        path = self.folder / f"{user}.kubeconfig"
        path.write_text(json.dumps(config))
        return path


@contextlib.contextmanager
def start_cluster(folder: Path, engines: Path, identity: Identity, *, webhooks: bool = True) -> Generator[Cluster]:
    """Start both programs, wait until the API is ready, and stop them at the end.

    *webhooks*: whether objects are shown to those that are registered, whose pods may be no more than objects themselves.
    """
    client_port, peer_port, api_port = _free_ports(3)
    cluster = Cluster(folder, engines, identity, f"https://{ADDRESS}:{api_port}")
    etcd = [
        *(f"--data-dir={folder / 'etcd'}", f"--listen-client-urls=http://{ADDRESS}:{client_port}"),
        *(f"--advertise-client-urls=http://{ADDRESS}:{client_port}", f"--listen-peer-urls=http://{ADDRESS}:{peer_port}"),
    ]
    serving = server_certificate(identity.authorities["server-ca"], ADDRESS)
    files = {
        "client-ca.crt": identity.authorities["client-ca"].certificate,
        "serving.crt": serving.certificate,
        "serving.key": serving.key,
        "service.key": identity.service_key,
    }
    for name, text in files.items():
        (folder / name).write_text(text)
    api = [
        *(f"--etcd-servers=http://{ADDRESS}:{client_port}", f"--secure-port={api_port}", f"--bind-address={ADDRESS}"),
        *(
            f"--client-ca-file={folder}/client-ca.crt",
            f"--tls-cert-file={folder}/serving.crt",
            f"--tls-private-key-file={folder}/serving.key",
        ),
        *(f"--service-account-key-file={folder}/service.key", f"--service-account-signing-key-file={folder}/service.key"),
        *("--service-account-issuer=https://kubernetes.default.svc", "--service-cluster-ip-range=10.43.0.0/16"),
        *("--authorization-mode=Node,RBAC", "--allow-privileged=true"),
    ]
    if not webhooks:
        api.append("--disable-admission-plugins=MutatingAdmissionWebhook,ValidatingAdmissionWebhook")
    with program([str(engines / "etcd"), *etcd], folder), program([str(engines / "kube-apiserver"), *api], folder) as server:
        until(lambda: _ready(cluster, server), "the Kubernetes API is ready", SECONDS_TO_START)
        yield cluster


@contextlib.contextmanager
def program(command: Sequence[str], folder: Path) -> Generator[subprocess.Popen[bytes]]:
    """Run *command* with its log in *folder*, and end it."""
    with (folder / f"{Path(command[0]).name}.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=subprocess.STDOUT)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _ready(cluster: Cluster, server: subprocess.Popen[bytes]) -> bool:
    if server.poll() is not None:
        raise AssertionError("kube-apiserver ended: " + (cluster.folder / "kube-apiserver.log").read_text()[-3000:])
    try:
        return cluster.request(None, "GET", "/readyz")[0] == http.HTTPStatus.OK
    except OSError:
        return False


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind((ADDRESS, 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports
