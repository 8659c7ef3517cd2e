#!/usr/bin/python3
"""Stands in for the `k3s` binary on a test host, where K3s itself cannot be downloaded.

It reads the same files, founds or joins as K3s does, and serves /ping, /cacerts and /readyz over TLS with a certificate
that the staged server CA signed. It runs no containers. What it keeps of K3s's behaviour, because our scripts depend on it:
`cluster-init` and `server` count only where no etcd data is; a joiner trusts the hash in its token and nothing else;
the authorities reach it by the bootstrap request; readiness is told to systemd; a start that fails exits with 1.
It does not keep that K3s refuses a Node or an etcd member whose name the cluster knows already.
"""

import base64
import hashlib
import json
import os
import re
import socket
import ssl
import subprocess
import sys
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

CONFIG = Path("/etc/rancher/k3s")
DATA = Path("/var/lib/rancher/k3s")
TLS = DATA / "server/tls"
NAMES = ["server-ca", "client-ca", "request-header-ca", "etcd/peer-ca", "etcd/server-ca"]
REFUSE = Path("/root/refuse-configuration")  # a test writes text here; a configuration that holds it is fatal


def main() -> None:
    command = sys.argv[1]
    if command == "server":
        config = read_config()
        run_server(config)
    elif command == "agent":
        config = read_config()
        join_address(config, "agent-token")
        notify_ready()
        signal_wait()
    elif command == "kubectl":
        kubectl(sys.argv[2:])


def read_config() -> dict:
    """K3s's YAML as far as we write it: scalars and lists of scalars."""
    texts = [CONFIG / "config.yaml", *sorted((CONFIG / "config.yaml.d").glob("*.yaml"))]
    config, key = {}, ""
    for line in "\n".join(path.read_text() for path in texts).splitlines():
        if line.startswith("- "):
            config[key].append(line[2:].strip("'\""))
        elif line:
            key, _, value = line.partition(":")
            config[key] = value.strip().strip("'\"") or []
    if REFUSE.exists() and REFUSE.read_text().strip() in "\n".join(path.read_text() for path in texts):
        sys.exit('level=fatal msg="invalid configuration"')
    return config


def run_server(config: dict) -> None:
    if not (DATA / "server/db/etcd").exists():
        if "server" in config:
            bootstrap(config)
        elif config.get("cluster-init") != "true":
            sys.exit('level=fatal msg="neither cluster-init nor server"')
        missing = [n for n in NAMES for end in ("crt", "key") if not (TLS / f"{n}.{end}").exists()]
        if missing:
            sys.exit(f'level=fatal msg="missing authorities {missing}"')
        (DATA / "server/db/etcd").mkdir(parents=True)
    serve(config)


def bootstrap(config: dict) -> None:
    token = join_address(config, "server-token")
    request = urllib.request.Request(config["server"] + "/v1-k3s/server-bootstrap")
    request.add_header("Authorization", "Basic " + base64.b64encode(token.split("::")[1].encode()).decode())
    trusted = ssl.create_default_context(cadata=fetch_cacerts(config["server"]).decode())
    for name, text in json.load(urllib.request.urlopen(request, context=trusted)).items():
        path = TLS / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def join_address(config: dict, token_file: str) -> str:
    token = (CONFIG / token_file).read_text()
    digest = hashlib.sha256(fetch_cacerts(config["server"])).hexdigest()
    if not token.startswith(f"K10{digest}::"):
        sys.exit('level=fatal msg="token CA hash does not match the Cluster CA certificate hash"')
    return token


def fetch_cacerts(address: str) -> bytes:
    context = ssl._create_unverified_context()  # as K3s: the token's hash is what is trusted
    return urllib.request.urlopen(address + "/cacerts", context=context, timeout=10).read()


def serve(config: dict) -> None:
    certificate, key = serving_certificate([*config["tls-san"], "127.0.0.1"])
    vip = re.search(r"name: address\n\s+value: (\S+)", manifest("ib-kube-vip.yaml"))
    if vip and not answers(vip[1]):
        interface = json.loads(run("ip", "-j", "-4", "route", "get", vip[1]))[0]["dev"]
        run("ip", "address", "replace", f"{vip[1]}/32", "dev", interface)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server = ThreadingHTTPServer(("0.0.0.0", 6443), Api)
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    notify_ready()
    server.serve_forever()


def manifest(name: str) -> str:
    path = DATA / "server/manifests" / name
    return path.read_text() if path.exists() else ""


def answers(address: str) -> bool:
    try:
        fetch_cacerts(f"https://{address}:6443")
    except OSError:
        return False
    return True


class Api(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path == "/cacerts":
            self.answer((TLS / "server-ca.crt").read_bytes())
        elif self.path == "/ping":
            self.answer(b"pong")
        elif self.path == "/readyz":
            self.answer(b"ok")
        elif self.path == "/v1-k3s/server-bootstrap" and self.authorized():
            files = {f"{n}.{end}": (TLS / f"{n}.{end}").read_text() for n in NAMES for end in ("crt", "key")}
            files["service.key"] = (TLS / "service.key").read_text()
            self.answer(json.dumps(files).encode())
        else:
            self.send_error(401)

    def authorized(self) -> bool:
        given = base64.b64decode(self.headers.get("Authorization", "").removeprefix("Basic ") or b"").decode()
        return given == (CONFIG / "server-token").read_text().split("::")[1]

    def answer(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


def serving_certificate(names: list) -> tuple:
    """A leaf of the server CA for *names*, as K3s's listener makes it."""
    folder = DATA / "server/serving"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    key, request, certificate = folder / "tls.key", folder / "tls.csr", folder / "tls.crt"
    san = ",".join(("IP:" if re.fullmatch(r"[\d.]+", n) else "DNS:") + n for n in names)
    (folder / "san").write_text(f"subjectAltName={san}\n")
    run(
        "openssl",
        "req",
        "-new",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-subj",
        "/CN=k3s",
        "-keyout",
        key,
        "-out",
        request,
    )
    run(
        "openssl", "x509", "-req", "-in", request, "-CA", TLS / "server-ca.crt", "-CAkey", TLS / "server-ca.key",
        "-CAserial", folder / "serial", "-CAcreateserial", "-days", "365", "-extfile", folder / "san", "-out", certificate,
    )  # fmt: skip
    return certificate, key


def run(*command: object) -> str:
    return subprocess.run([str(part) for part in command], check=True, capture_output=True, text=True).stdout


def kubectl(arguments: list) -> None:
    """`k3s kubectl get --raw PATH` and `get clusterrolebinding NAME`, the calls that our scripts make."""
    if arguments[1] == "clusterrolebinding":
        sys.exit(0 if manifest(f"{arguments[2]}.yaml") else "not found")
    context = ssl.create_default_context(cafile=str(TLS / "server-ca.crt"))
    print(urllib.request.urlopen("https://127.0.0.1:6443" + arguments[-1], context=context).read().decode())


def notify_ready() -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notifier:
        notifier.sendto(b"READY=1", os.environ["NOTIFY_SOCKET"])


def signal_wait() -> None:
    import signal

    signal.pause()


main()
