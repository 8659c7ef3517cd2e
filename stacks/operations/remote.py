"""A location's servers over the system's own `ssh`, with the host keys that the location file pins."""

from __future__ import annotations

import io
import shlex
import subprocess
import tarfile
import tempfile
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ib_constructs.cluster.k3s import SCRIPTS
from stacks.config.schema import Server

PRIVATE_KEY_HELP = "private key file (default: what ssh finds by itself: its agent, ~/.ssh/config, ~/.ssh/id_*)"


class RemoteError(Exception):
    """A server could not be reached, or a command on it failed; the text says which and why."""


@dataclass(frozen=True)
class Remote:
    """A server of the location. `options`: arguments of `ssh`, the same for all servers of a location."""

    server: Server
    options: tuple[str, ...]

    @property
    def name(self) -> str:
        """The server's name in the location file."""
        return self.server.name

    def attempt(self, command: str, stdin: bytes | None = None) -> subprocess.CompletedProcess[str]:
        """Run *command* as root, whatever it comes to; exit code 255 is that of `ssh` itself."""
        host, port = self.server.ssh_endpoint
        user = self.server.ssh_user
        as_root = command if user == "root" else f"sudo -n sh -c {shlex.quote(command)}"
        done = subprocess.run(
            ["ssh", *self.options, "-p", str(port), f"{user}@{host}", as_root], input=stdin or b"", capture_output=True, check=False
        )
        return subprocess.CompletedProcess(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())

    def run(self, command: str, stdin: bytes | None = None) -> str:
        """Standard output of *command*.

        Raises RemoteError: the server cannot be reached or the command fails.
        """
        done = self.attempt(command, stdin)
        if done.returncode:
            raise RemoteError(f"{self.name}: {(done.stderr or done.stdout).strip() or f'{command!r} exited with {done.returncode}'}")
        return done.stdout

    def kubectl(self, arguments: str) -> str:
        """Output of `kubectl`, with the rights of this server's K3s."""
        return self.run(f"k3s kubectl --request-timeout=20s {arguments}")

    def run_script(self, script: str, environment: Mapping[str, str]) -> str:
        """Upload our scripts to a directory in memory, run one and return what it printed; the script removes the directory.

        Raises RemoteError: the server cannot be reached or the script fails.
        """
        stage = f"/run/inference-platform/{script}-by-hand"
        self.run(f"rm -rf {stage} && install -d -m 0700 {stage} && tar -xf - -C {stage}", _archive())
        variables = " ".join(f"{key}={shlex.quote(value)}" for key, value in {"SERVER_NAME": self.name, **environment}.items())
        return self.run(f"{variables} sh {stage}/{script}.sh")


@contextmanager
def open_remotes(servers: list[Server], private_key: Path | None) -> Generator[list[Remote]]:
    """The servers, in the order given. Only their pinned host keys are trusted."""
    with tempfile.NamedTemporaryFile("w", suffix=".known_hosts") as known_hosts:
        for server in servers:
            host, port = server.ssh_endpoint
            known_hosts.write(f"{host if port == 22 else f'[{host}]:{port}'} {server.ssh_host_key}\n")  # noqa: PLR2004 - SSH's own port
        known_hosts.flush()
        options = [
            *("-o", f"UserKnownHostsFile={known_hosts.name}", "-o", "GlobalKnownHostsFile=/dev/null", "-o", "StrictHostKeyChecking=yes"),
            *("-o", "HostKeyAlgorithms=ecdsa-sha2-nistp256", "-o", "BatchMode=yes", "-o", "ConnectTimeout=10", "-o", "LogLevel=ERROR"),
            *("-o", "ServerAliveInterval=5", "-o", "ServerAliveCountMax=6"),
            *(("-i", str(private_key), "-o", "IdentitiesOnly=yes") if private_key else ()),
        ]
        yield [Remote(server, tuple(options)) for server in servers]


def _archive() -> bytes:
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for path in sorted(SCRIPTS.iterdir()):
            tar.add(path, path.name)
    return archive.getvalue()
