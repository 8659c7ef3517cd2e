"""A small client of the Kubernetes API."""

import json
import ssl
import urllib.error
import urllib.request

from config import TLS


class ApiError(Exception):
    def __init__(self, code: int, text: str) -> None:
        super().__init__(f"{code}: {text}")
        self.code = code


class Api:
    """`url` with a client certificate's rights. A loaded machine may take its time: 30 s for an answer."""

    def __init__(self, url: str, certificate: str, key: str, ca: str) -> None:
        self.url = url
        self.context = ssl.create_default_context(cafile=ca)
        self.context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        self.context.load_cert_chain(certificate, key)

    def call(self, method: str, path: str, body: object = None, kind: str = "application/json") -> dict:
        content = json.dumps(body).encode() if body is not None else None
        request = urllib.request.Request(self.url + path, content, {"Content-Type": kind}, method=method)
        try:
            with urllib.request.urlopen(request, context=self.context, timeout=30) as answer:
                text = answer.read()
                return json.loads(text) if text.startswith(b"{") else {"text": text.decode()}
        except urllib.error.HTTPError as error:
            raise ApiError(error.code, error.read().decode()[-400:]) from None

    def get(self, path: str) -> dict | None:
        try:
            return self.call("GET", path)
        except ApiError as error:
            if error.code == 404:
                return None
            raise

    def patch(self, path: str, body: object) -> dict:
        return self.call("PATCH", path, body, "application/merge-patch+json")


def local_api(port: int = 6444, user: str = "client-admin") -> Api:
    return Api(f"https://127.0.0.1:{port}", str(TLS / f"{user}.crt"), str(TLS / f"{user}.key"), str(TLS / "server-ca.crt"))
