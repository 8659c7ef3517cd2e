"""A small OpenID Connect issuer: discovery, keys, and tokens for whom a test likes."""

from __future__ import annotations

import base64
import json
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from tests.hosts.lab import Lab
from tests.support.identities import make_authority, server_certificate

ADDRESS = "192.168.1.240"
SERVE = """
import http.server, ssl, sys
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain("serving.crt", "serving.key")
server = http.server.ThreadingHTTPServer((sys.argv[1], 443), http.server.SimpleHTTPRequestHandler)
server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
"""


class Issuer:
    """`ca`: the root certificate (PEM) behind its own."""

    def __init__(self, folder: Path, host: str) -> None:
        self._folder, self.url = folder, f"https://{host}"
        self._key = new_key()
        authority = make_authority("issuer")
        self.ca = authority.certificate
        serving = server_certificate(authority, host)
        (folder / "serving.crt").write_text(serving.certificate)
        (folder / "serving.key").write_text(serving.key)
        (folder / ".well-known").mkdir()
        discovery = {
            "issuer": self.url,
            "jwks_uri": f"{self.url}/keys",
            "response_types_supported": ["id_token"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
        }
        (folder / ".well-known" / "openid-configuration").write_text(json.dumps(discovery))
        numbers = self._key.public_key().public_numbers()
        key = {"kty": "RSA", "use": "sig", "alg": "RS256", "kid": "1", "n": _number(numbers.n), "e": _number(numbers.e)}
        (folder / "keys").write_text(json.dumps({"keys": [key]}))

    def token(self, key: rsa.RSAPrivateKey | None = None, **claims: Any) -> str:
        """An ID token for client `k3s`, good for an hour, with *claims* over the usual ones; signed by *key*, or its own."""
        now = int(time.time())
        body = {"iss": self.url, "aud": "k3s", "sub": "1", "iat": now, "exp": now + 3600, "email_verified": True, **claims}
        signed = ".".join(_encode(json.dumps(part).encode()) for part in ({"alg": "RS256", "kid": "1"}, body))
        return f"{signed}.{_encode((key or self._key).sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256()))}"

    @contextmanager
    def listening(self, lab: Lab) -> Generator[None]:
        """Answer at the ingress IP."""
        lab.run("ip", "address", "add", f"{ADDRESS}/24", "dev", "br0")
        process = lab.start(sys.executable, "-c", SERVE, ADDRESS, log=self._folder / "log", cwd=self._folder)
        try:
            yield
        finally:
            process.kill()
            process.wait()
            lab.run("ip", "address", "del", f"{ADDRESS}/24", "dev", "br0")


def new_key() -> rsa.RSAPrivateKey:
    """A key to sign tokens with."""
    return rsa.generate_private_key(65537, 2048)


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _number(value: int) -> str:
    return _encode(value.to_bytes((value.bit_length() + 7) // 8, "big"))
