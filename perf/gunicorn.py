"""A WSGI application in a gunicorn of its own, for as long as it is measured."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import NamedTuple

from tests.waiting import until


class Served(NamedTuple):
    """Where it listens, and the process that answers."""

    address: str
    process: int


@contextlib.contextmanager
def serving(application: str, environment: Mapping[str, str], threads: int = 1) -> Generator[str]:
    """Its address; one process."""
    with served(application, environment, threads) as found:
        yield found.address


@contextlib.contextmanager
def served(application: str, environment: Mapping[str, str], threads: int = 1) -> Generator[Served]:
    """The same, with its process."""
    command = [sys.executable, "-m", "gunicorn", "--bind", "127.0.0.1:0", "--worker-class", "gthread", "--threads", str(threads)]
    with (
        tempfile.NamedTemporaryFile("w") as file,
        subprocess.Popen([*command, application], stderr=file, env=os.environ | environment) as master,
    ):
        try:
            until(lambda: _told(file.name) is not None, "gunicorn listens", 120)
            found = _told(file.name)
            assert found  # noqa: S101 (it was there)
            yield found
        finally:
            master.terminate()


def _told(log: str) -> Served | None:
    text = Path(log).read_text()
    address, process = re.search(r"http://127\.0\.0\.1:[0-9]+", text), re.search(r"Booting worker with pid: ([0-9]+)", text)
    return Served(address[0], int(process[1])) if address and process else None
