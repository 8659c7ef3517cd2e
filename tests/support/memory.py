"""A folder in memory, where the machine has room for one: a test's files need not outlive it, and no commit waits for a disk."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Generator
from pathlib import Path

MEMORY, PREFIX, ROOM = Path("/dev/shm"), "inference-tests", 1 << 30  # noqa: S108 (only a faster place)


@contextlib.contextmanager
def folder_in_memory() -> Generator[Path]:
    """One that is removed at the end; on the disk where less than a gibibyte of memory may hold files, as in a container's default."""
    _sweep()
    has_room = MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > ROOM
    with tempfile.TemporaryDirectory(
        prefix=f"{PREFIX}-{os.getpid()}-", dir=MEMORY if has_room else None, ignore_cleanup_errors=True
    ) as folder:
        yield Path(folder)


def _sweep() -> None:
    """Remove what killed runs left: nobody else would, and it is memory."""
    for folder in MEMORY.glob(f"{PREFIX}-*"):
        if not Path("/proc", folder.name.removeprefix(PREFIX).split("-")[1]).exists():
            shutil.rmtree(folder, ignore_errors=True)
