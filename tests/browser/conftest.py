"""The browser tier: the real service by its own command, and Debian's Chromium."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from tests.control_app.models import ANNOTATION, write
from tests.waiting import until

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the served models: the example, a broken one and one whose name is markup."""
    folder = tmp_path_factory.mktemp("models")
    write(folder, ANNOTATION)
    write(folder, "{", "broken")
    write(folder, {**ANNOTATION, "id": "sly", "name": "<img src=x onerror=alert(1)>"}, "sly")
    return folder


@pytest.fixture(scope="session")
def service(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a running control service."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        bind = f"127.0.0.1:{free.getsockname()[1]}"
    folder = tmp_path_factory.mktemp("service")
    settings = {"CONTROL_BIND": bind, "CONTROL_DATABASE": str(folder / "control.sqlite3"), "CONTROL_MODELS_DIR": str(models)}
    clean = {name: value for name, value in os.environ.items() if not name.startswith("CONTROL_")}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([sys.executable, "-m", "control_app"], cwd=ROOT, env=clean | settings, stderr=log)
    try:
        until(lambda: _answers(f"http://{bind}/healthz", process, folder / "log"), "the control service answers", 30)
        yield f"http://{bind}"
    finally:
        process.terminate()
        process.wait(30)


def _answers(address: str, process: subprocess.Popen[bytes], log: Path) -> bool:
    if process.poll() is not None:
        raise AssertionError(log.read_text())
    try:
        with urllib.request.urlopen(address, timeout=2):
            return True
    except OSError:
        return False


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Debian's Chromium, which asks nothing of the internet."""
    executable = shutil.which("chromium")
    assert executable, "browser tier: chromium is missing; `make test` installs it where the user is root"
    quiet = ["--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-quic", "--no-first-run"]
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=executable, args=[*quiet, "--no-sandbox"])
        yield started
        started.close()


@pytest.fixture
def visit(browser: Browser, service: str) -> Iterator[Callable[..., Page]]:
    """Open a path of the service; what the page complains of fails the test."""
    complaints: list[str] = []
    contexts: list[BrowserContext] = []

    def open_page(path: str = "/", *, width: int = 1280, dark: bool = False) -> Page:
        context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme="dark" if dark else "light")
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: complaints.append(message.text) if message.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(service + path)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []
