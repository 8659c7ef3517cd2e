"""A plain sshd on loopback, for machines on which the tests may not be root."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
from collections.abc import Generator
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec

from tests.hosts.keys import SshKey
from tests.support.waiting import until

SSHD = "/usr/sbin/sshd"


@contextlib.contextmanager
def start_sshd(folder: Path) -> Generator[tuple[int, str]]:
    """Port and ECDSA host key of an sshd that runs as this user, all of its files in *folder*."""
    key = SshKey.make(ec.EllipticCurvePrivateKey)
    (folder / "host_key").write_text(key.private)
    (folder / "host_key").chmod(0o600)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    options = [f"ListenAddress=127.0.0.1:{port}", f"HostKey={folder}/host_key", f"PidFile={folder}/pid", "UsePAM=no"]
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)  # sshd insists on it as root
    command = [SSHD, "-D", "-e", "-f", "/dev/null", *(f"-o{option}" for option in options)]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stderr=log)
    try:
        until(lambda: _listens(port), f"sshd listens (its log is {folder}/log)", 10)
        yield port, key.public
    finally:
        process.terminate()
        process.wait(10)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
