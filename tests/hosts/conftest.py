"""The hosts tier: what it needs, and one lab for all of its tests."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.hosts.artefacts import make_artefacts
from tests.hosts.deployment import Deployment
from tests.hosts.fleet import Fleet
from tests.hosts.issuer import Issuer
from tests.hosts.lab import Host, Lab, missing_tools, open_lab

HERE = Path(__file__).parent


@pytest.fixture(scope="session")
def rootfs() -> Path:
    """The root file system of the hosts; made at the first use."""
    if missing := missing_tools():
        reason = f"hosts tier: needs {', '.join(missing)}"
        if os.environ.get("CI") or missing != ["root"]:
            pytest.fail(f"{reason}; `make test` installs it where the user is root")
        pytest.skip(reason)
    made = subprocess.run([str(HERE / "make-rootfs.sh")], check=True, stdout=subprocess.PIPE, text=True)
    return Path(made.stdout.strip())


@pytest.fixture(scope="session")
def lab(rootfs: Path, engines: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A network of test hosts with the stand-in K3s on its mirror."""
    artefacts = tmp_path_factory.mktemp("artefacts")
    sums = make_artefacts(artefacts)
    with open_lab(tmp_path_factory.mktemp("lab"), rootfs, engines, artefacts) as opened:
        opened.k3s_sha256 = sums
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
    return Deployment(lab.inside, lab.user.private, tmp_path, lab.k3s_sha256)


@pytest.fixture(scope="session")
def issuer(tmp_path_factory: pytest.TempPathFactory) -> Issuer:
    """Where people log in; not listening yet."""
    return Issuer(tmp_path_factory.mktemp("issuer"), "dex.test.example.com")


@pytest.fixture(scope="session")
def fleet(lab: Lab, issuer: Issuer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """Three servers and two agents, deployed; each test leaves all five in the cluster and well."""
    before = len(lab.hosts)
    deployment = Deployment(lab.inside, lab.user.private, tmp_path_factory.mktemp("fleet"), lab.k3s_sha256)
    deployment.issuer_ca = issuer.ca
    fleet = Fleet(lab, deployment, {"s1": "server", "s2": "server", "s3": "server", "a1": "agent", "a2": "agent"})
    fleet.boot(*fleet.roles)
    fleet.first = fleet.apply()
    assert fleet.first.code == 0, fleet.first.output
    yield fleet
    for host in lab.hosts[before:]:
        host.stop()
