"""The engines tier: one Kubernetes API for all of its tests."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engines.cluster import Cluster, start_cluster

BUILD = Path(__file__).parents[2] / "tools" / "build-engines.sh"


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A Kubernetes API started from a fresh identity."""
    engines = subprocess.run([str(BUILD)], check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
    with start_cluster(tmp_path_factory.mktemp("cluster"), Path(engines)) as started:
        yield started
