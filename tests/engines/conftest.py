"""The engines tier: one Kubernetes API for all of its tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engines.cluster import Cluster, start_cluster
from tests.identities import make_identity


@pytest.fixture(scope="session")
def cluster(engines: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A Kubernetes API started from a fresh identity."""
    with start_cluster(tmp_path_factory.mktemp("cluster"), engines, make_identity()) as started:
        yield started
