"""A WSGI application in a gunicorn of its own, for as long as it is measured."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import NamedTuple

from control_app.service import gunicorn_config
from tests.support.waiting import until

CONTROL = "--config=python:control_app.service.gunicorn_config"
"""As the control service runs, which is warm when it is ready."""
BARE = (f"--worker-class={gunicorn_config.worker_class}", f"--threads={gunicorn_config.threads}")
"""The same server, for another application."""


class Served(NamedTuple):
    """Where it listens, and the process that answers."""

    address: str
    process: int


@contextlib.contextmanager
def serving(application: str, environment: Mapping[str, str], *settings: str) -> Generator[str]:
    """Its address; one process, by gunicorn's *settings*."""
    with served(application, environment, *settings) as found:
        yield found.address


@contextlib.contextmanager
def served(application: str, environment: Mapping[str, str], *settings: str) -> Generator[Served]:
    """The same, with its process."""
    command = [sys.executable, "-m", "gunicorn", *settings, "--bind=127.0.0.1:0"]
    with (
        tempfile.NamedTemporaryFile("w") as file,
        subprocess.Popen([*command, application], stderr=file, env=os.environ | environment) as master,
    ):
        try:
            until(lambda: _told(file.name) is not None, "gunicorn listens", 120)
            found = _told(file.name)
            assert found  # noqa: S101 (it was there)
            if CONTROL in settings:
                # It listens before its worker is there; in a cluster, too, nobody asks a service that is not ready.
                until(lambda: _is_ready(found.address), "the service is ready", 120)
            yield found
        finally:
            master.terminate()


def _is_ready(address: str) -> bool:
    try:
        urllib.request.urlopen(f"{address}/readyz", timeout=60).close()  # noqa: S310
    except urllib.error.HTTPError:
        return False
    return True


def _told(log: str) -> Served | None:
    text = Path(log).read_text()
    address, process = re.search(r"http://127\.0\.0\.1:[0-9]+", text), re.search(r"Booting worker with pid: ([0-9]+)", text)
    return Served(address[0], int(process[1])) if address and process else None
