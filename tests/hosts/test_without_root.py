"""What stops a deployment before it logs in, against a plain sshd: needs no root and no test host."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from ib_constructs.versions import K3S_VERSION
from tests.hosts.deployment import Deployment
from tests.hosts.keys import SshKey
from tests.hosts.loopback import start_sshd


@pytest.fixture
def sshd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, str]]:
    """Port and host key of a running sshd."""
    with start_sshd(tmp_path_factory.mktemp("sshd")) as started:
        yield started


@pytest.fixture
def deployment(tmp_path: Path) -> Deployment:
    """A location not yet described."""
    return Deployment([], SshKey.make(ed25519.Ed25519PrivateKey).private, tmp_path, {K3S_VERSION: "0" * 64})


def entry(port: int, host_key: str) -> dict[str, str | int]:
    return {"name": "s1", "ip": "192.168.1.11", "ssh_host": "127.0.0.1", "ssh_port": port, "ssh_host_key": host_key}


def test_a_wrong_host_key_behind_a_forwarded_port_is_refused_with_the_line_to_write(deployment: Deployment, sshd: tuple[int, str]) -> None:
    port, host_key = sshd
    deployment.describe([entry(port, SshKey.make(ec.EllipticCurvePrivateKey).public)])

    failed = deployment.apply()

    assert failed.code == 1
    assert f"s1: the host key at 127.0.0.1:{port} is not the one in the location file" in failed.output
    assert f'ssh_host_key = "{host_key}"' in failed.output


def test_a_port_where_nobody_listens_is_named(deployment: Deployment, sshd: tuple[int, str]) -> None:
    deployment.describe([entry(1, sshd[1])])

    failed = deployment.apply()

    assert failed.code == 1
    assert "s1: no SSH server answers at 127.0.0.1:1 within 10 s" in failed.output


def test_a_key_that_the_server_does_not_know_fails_at_the_login_and_not_before(deployment: Deployment, sshd: tuple[int, str]) -> None:
    deployment.describe([entry(*sshd)])

    failed = deployment.apply()

    assert failed.code == 1
    assert "the host key at" not in failed.output
    assert "unable to authenticate, attempted methods" in " ".join(failed.output.split())
