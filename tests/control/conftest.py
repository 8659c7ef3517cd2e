"""Tests see the settings they make, not the developer's, and databases that need not be made anew for each."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.control.support.once import made_once
from tests.support.memory import folder_in_memory


@pytest.fixture(scope="package", autouse=True)
def _no_settings_of_the_developer() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("CONTROL_")]:
            patch.delenv(name)
        yield


@pytest.fixture(scope="package", autouse=True)
def _quick_services() -> Iterator[None]:
    """Temporary folders, also those of `tempfile`, are where no commit waits for a disk; what all services have alike is made once."""
    with folder_in_memory() as folder, pytest.MonkeyPatch.context() as patch, made_once(folder):
        patch.setattr(tempfile, "tempdir", str(folder))
        yield


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        yield Path(folder)
