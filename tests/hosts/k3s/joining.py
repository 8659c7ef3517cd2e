"""What a joiner asks of a running server, trusting the hash in its token and nothing else."""

import base64
import hashlib
import json
import ssl
import time
import urllib.error
import urllib.request

from config import CRITICAL, ENCRYPTION, TLS, fatal, log, token

BOOTSTRAP = "/v1-k3s/server-bootstrap"


def request(config: dict, key: str, path: str, headers: dict | None = None, seconds: float = float("inf")) -> bytes:
    """GET *path* of the server, with the token in the file that *key* names; nothing where none came in time.

    Retries as K3s does: for ever, or where there is a datastore on its own disk for *seconds*.
    """
    server, secret = config["server"], token(config, key)
    deadline = time.monotonic() + seconds
    while True:
        try:
            # Three times in K3s: by the system's trust, by none, and verified.
            insecure = ssl._create_unverified_context()
            cacerts = urllib.request.urlopen(server + "/cacerts", context=insecure, timeout=min(30, seconds)).read()
            if not secret.startswith(f"K10{hashlib.sha256(cacerts).hexdigest()}::"):
                fatal("token CA hash does not match the Cluster CA certificate hash")
            trusted = ssl.create_default_context(cadata=cacerts.decode())
            trusted.verify_flags &= ~ssl.VERIFY_X509_STRICT
            basic = "Basic " + base64.b64encode(secret.split("::")[1].encode()).decode()
            asked = urllib.request.Request(server + path, headers={"Authorization": basic, **(headers or {})})
            return urllib.request.urlopen(asked, context=trusted, timeout=30).read()
        except urllib.error.HTTPError as error:
            reason = error.read().decode()
            if error.code == 401:
                fatal("failed to get CA certs or validate the token: not authorized")
        except OSError as error:
            reason = str(error)
        log(f"Failed to validate connection to cluster at {server}: {reason}")
        if time.monotonic() > deadline:
            return b""
        time.sleep(1)


def is_reached(config: dict, seconds: float) -> bool:
    """Whether the cluster answers at the join address in time; what is on the disk here serves as well."""
    return request(config, "token-file", BOOTSTRAP, seconds=seconds) != b""


def bootstrap(config: dict) -> None:
    """The authorities of the cluster that we join."""
    answer = json.loads(request(config, "token-file", BOOTSTRAP))
    theirs, ours = answer["critical"], {key: config.get(key) for key in CRITICAL}
    if theirs != ours:
        fatal(f"failed to validate server configuration: critical configuration value mismatch: {theirs} {ours}")
    for name, text in answer["files"].items():
        path = ENCRYPTION if name == "encryption-config" else TLS / name
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.touch(mode=0o600)
        path.write_text(text)
