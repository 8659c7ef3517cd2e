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

from tests.waiting import until


@contextlib.contextmanager
def serving(application: str, environment: Mapping[str, str], threads: int = 1) -> Generator[str]:
    """Its address; one process."""
    command = [sys.executable, "-m", "gunicorn", "--bind", "127.0.0.1:0", "--worker-class", "gthread", "--threads", str(threads)]
    with (
        tempfile.NamedTemporaryFile("w") as file,
        subprocess.Popen([*command, application], stderr=file, env=os.environ | environment) as served,
    ):
        try:
            until(lambda: bool(_address(file.name)), "gunicorn listens", 120)
            yield _address(file.name)
        finally:
            served.terminate()


def _address(log: str) -> str:
    found = re.search(r"http://127\.0\.0\.1:[0-9]+", Path(log).read_text())
    return found[0] if found else ""
