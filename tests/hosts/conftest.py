"""The hosts tier: what it needs, and one lab for all of its tests."""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ib_constructs.versions import K3S_VERSION
from tests.hosts.deployment import Deployment
from tests.hosts.lab import Host, Lab, missing_tools, open_lab

HERE = Path(__file__).parent


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A network of test hosts with the stand-in K3s on its mirror."""
    if missing := missing_tools():
        reason = f"hosts tier: needs {', '.join(missing)}"
        if os.environ.get("CI") or missing != ["root"]:
            pytest.fail(f"{reason}; `make test` installs it where the user is root")
        pytest.skip(reason)
    artefacts = tmp_path_factory.mktemp("artefacts")
    (artefacts / K3S_VERSION).mkdir()
    (artefacts / K3S_VERSION / "k3s").write_bytes((HERE / "stub_k3s.py").read_bytes())
    rootfs = subprocess.run([str(HERE / "make-rootfs.sh")], check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
    with open_lab(tmp_path_factory.mktemp("lab"), Path(rootfs), artefacts) as opened:
        yield opened


@pytest.fixture
def boot(lab: Lab) -> Iterator[Callable[[str, str], Host]]:
    """Boot hosts for one test."""
    before = len(lab.hosts)
    yield lab.start_host
    for host in lab.hosts[before:]:
        host.stop()


@pytest.fixture
def s1(boot: Callable[[str, str], Host]) -> Host:
    """One fresh host, 192.168.1.11."""
    return boot("s1", "192.168.1.11")


@pytest.fixture
def deployment(lab: Lab, tmp_path: Path) -> Deployment:
    """A location not yet described."""
    return Deployment(lab.inside, lab.user.private, tmp_path, hashlib.sha256((HERE / "stub_k3s.py").read_bytes()).hexdigest())
