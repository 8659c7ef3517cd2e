"""Port 6443: K3s's own paths, and everything else on to kube-apiserver at 127.0.0.1:6444.

K3s runs the API server in its own process; here a client's certificate is verified by this listener and told to the
API server as its front proxy does it (request-header authentication). Bearer tokens pass through as they are.
"""

import base64
import hashlib
import http.client
import json
import secrets
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import etcd
import pki
from config import CRITICAL, ENCRYPTION, TLS, token
from kube import ApiError, local_api

BOOTSTRAP = [*(f"{name}.{end}" for name in pki.AUTHORITIES for end in ("crt", "key")), "service.key"]


def serve(config: dict) -> None:
    """Listen; *config* says who may join."""
    server = ThreadingHTTPServer(("0.0.0.0", 6443), _Handler)
    server.daemon_threads = True
    server.config = config
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(TLS / "serving-kube-apiserver.crt", TLS / "serving-kube-apiserver.key")
    context.load_verify_locations(TLS / "client-ca.crt")
    context.verify_mode = ssl.CERT_OPTIONAL
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    threading.Thread(target=server.serve_forever, daemon=True).start()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 600

    def handle_one_request(self) -> None:
        try:
            super().handle_one_request()
        except OSError:
            self.close_connection = True

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path == "/cacerts":
            self.answer(200, (TLS / "server-ca.crt").read_bytes())
        elif path == "/ping":
            self.answer(200, b"pong")
        elif path.startswith("/v1-k3s/") or path == "/db/info":
            self.k3s(path.rpartition("/")[2])
        else:
            self.forward()

    def do_other(self) -> None:
        self.forward()

    do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = do_HEAD = do_other

    def k3s(self, name: str) -> None:
        user, _, password = base64.b64decode(self.headers.get("Authorization", "").removeprefix("Basic ") or b"").decode().partition(":")
        config = self.server.config
        servers = token(config, "token-file").split("::")[1]
        agents = token(config, "agent-token-file").split("::")[1]
        given = f"{user}:{password}"
        if name == "server-bootstrap" and secrets.compare_digest(given, servers):
            self.answer(200, json.dumps(_bootstrap(config)).encode())
        elif name == "info" and secrets.compare_digest(given, servers):
            self.answer(200, json.dumps({"members": _members(config)}).encode())
        elif name == "client-kubelet.crt" and (secrets.compare_digest(given, servers) or secrets.compare_digest(given, agents)):
            self.kubelet()
        else:
            self.answer(401, b"not authorized")

    def kubelet(self) -> None:
        name = self.headers["k3s-Node-Name"]
        try:
            accepted = accept_node_password(name, self.headers["k3s-Node-Password"])
        except (OSError, ApiError):
            self.answer(503, b"not ready")
            return
        if not accepted:
            self.answer(403, f"Node password rejected, duplicate hostname or contents of '/etc/rancher/node/password' ({name})".encode())
            return
        kubelet = pki.mint("client-ca", f"system:node:{name}", ["system:nodes"], [], [pki.CLIENT])
        # kwok is no kubelet: it lists all Nodes, which a node's certificate may not.
        kwok = pki.mint("client-ca", "kwok", ["system:masters"], [], [pki.CLIENT])
        self.answer(200, json.dumps([b"".join(pair).decode() for pair in (kubelet, kwok)]).encode())

    def forward(self) -> None:
        length = self.headers.get("Content-Length")
        body = self.rfile.read(int(length)) if length else self.chunks() if self.headers.get("Transfer-Encoding") == "chunked" else None
        headers = [
            (k, v) for k, v in self.headers.items() if not k.lower().startswith(("x-remote-", "transfer-encoding", "content-length"))
        ]
        subject = [pair for part in (self.connection.getpeercert() or {}).get("subject", ()) for pair in part]
        headers += [("X-Remote-User", value) for key, value in subject if key == "commonName"]
        headers += [("X-Remote-Group", value) for key, value in subject if key == "organizationName"]
        connection = http.client.HTTPSConnection("127.0.0.1", 6444, context=_proxy_context(), timeout=600)
        try:
            connection.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for key, value in headers:
                connection.putheader(key, value)
            if body is not None:
                connection.putheader("Content-Length", str(len(body)))
            connection.endheaders(body)
            self.pass_on(connection.getresponse())
        except ConnectionRefusedError:
            self.answer(503, b"apiserver not ready")
        finally:
            connection.close()

    def chunks(self) -> bytes:
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def pass_on(self, response: http.client.HTTPResponse) -> None:
        self.send_response(response.status)
        stream = response.getheader("Content-Length") is None and self.command != "HEAD" and response.status != 204
        for key, value in response.getheaders():
            if key.lower() not in ("connection", "transfer-encoding"):
                self.send_header(key, value)
        if stream:
            self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        while part := response.read1(65536):
            self.wfile.write(b"%x\r\n%s\r\n" % (len(part), part) if stream else part)
        if stream:
            self.wfile.write(b"0\r\n\r\n")

    def answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


def accept_node_password(name: str, password: str) -> bool:
    """The first password that a Node's name comes with is the Node's, until some time after the Node is deleted."""
    path = f"/api/v1/namespaces/kube-system/secrets/{name}.node-password.k3s"
    digest = hashlib.sha256(password.encode()).hexdigest()
    api = local_api()
    known = api.get(path)
    if known is None:
        body = {"metadata": {"name": f"{name}.node-password.k3s"}, "stringData": {"hash": digest}}
        api.call("POST", path.rpartition("/")[0], body)
        return True
    return base64.b64decode(known["data"]["hash"]).decode() == digest


def _members(config: dict) -> list:
    """Of etcd. Without an answer of its etcd K3s tells of itself alone, and with no id."""
    try:
        return etcd.members()
    except RuntimeError:
        ip = config["node-ip"]
        return [{"name": etcd.member_name(config), "peerURLs": [f"https://{ip}:2380"], "clientURLs": [f"https://{ip}:2379"]}]


def _bootstrap(config: dict) -> dict:
    files = {name: (TLS / name).read_text() for name in BOOTSTRAP}
    if ENCRYPTION.exists():
        files["encryption-config"] = ENCRYPTION.read_text()
    return {"files": files, "critical": {key: config.get(key) for key in CRITICAL}}


def _proxy_context() -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(TLS / "server-ca.crt"))
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    context.load_cert_chain(TLS / "client-auth-proxy.crt", TLS / "client-auth-proxy.key")
    return context
