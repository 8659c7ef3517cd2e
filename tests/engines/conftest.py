"""The engines tier: one Kubernetes API for all of its tests, and Litestream."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from control_app.service.settings import Settings
from tests.engines.cluster import Cluster, start_cluster
from tests.engines.volume import ROOT, Place
from tests.support.identities import make_identity


@pytest.fixture(scope="session")
def cluster(engines: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A Kubernetes API started from a fresh identity."""
    with start_cluster(tmp_path_factory.mktemp("cluster"), engines, make_identity()) as started:
        yield started


@pytest.fixture(scope="session")
def litestream() -> Path:
    """The program, built at the first use."""
    built = subprocess.run([ROOT / "tools" / "build-litestream.sh"], check=True, stdout=subprocess.PIPE, text=True)
    return Path(built.stdout.strip()) / "litestream"


@pytest.fixture
def place(litestream: Path, tmp_path: Path) -> Place:
    """An empty volume, and an empty folder in the bucket's place."""
    bucket = tmp_path / "bucket"
    bucket.mkdir()
    return Place(
        Settings.of(database=tmp_path / "volume" / "control.sqlite3", replica=f"file://{bucket}", litestream=str(litestream)), bucket
    )
