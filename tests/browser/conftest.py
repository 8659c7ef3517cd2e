"""The browser tier: the real service by its own command, and Debian's Chromium."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from control_app import create_app
from control_app.core.clock import utc
from control_app.core.time import DAY, microseconds
from control_app.gateway.bifrost.sheet_places import SheetFile
from control_app.gateway.publication import Publication
from control_app.ledger.ledger import Ledger
from control_app.service.settings import Settings
from control_app.service.tables import open_database
from control_app.storage.database import Db
from tests.control.support.ledgers import row
from tests.control.support.models import ANNOTATION, priced, write
from tests.support.waiting import until

ROOT = Path(__file__).parents[2]
LAST_MONTH = (utc().replace(day=1) - timedelta(days=1)).replace(day=1)
# Last month cannot be billed on the 1st of this one.
TO_BILL = (LAST_MONTH - timedelta(days=1)).replace(day=1)
HELD = (TO_BILL - timedelta(days=1)).replace(day=1)


class Nothing:
    """A gateway that knows no model, and reads no sheet."""

    def __init__(self, sheet: Path) -> None:
        self._place = SheetFile(sheet)

    def publish(self, sheet: str) -> bool:
        return self._place.write(sheet)

    def reload(self) -> None:
        pass

    def prices(self) -> Mapping[str, Sequence[Mapping[str, Decimal]]]:
        return {}


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the served models: the example, a broken one, one whose name is markup, and one whose price will wait."""
    folder = tmp_path_factory.mktemp("models")
    write(folder, ANNOTATION)
    write(folder, "{", "broken")
    write(folder, {**ANNOTATION, "id": "sly", "name": "<img src=x onerror=alert(1)>"}, "sly")
    write(folder, {**ANNOTATION, "id": "dear", "name": "Dear"}, "dear")
    return folder


@pytest.fixture(scope="session")
def service(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a running control service."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        bind = f"127.0.0.1:{free.getsockname()[1]}"
    folder = tmp_path_factory.mktemp("service")
    settings = {"CONTROL_BIND": bind, "CONTROL_DATABASE": str(folder / "control.sqlite3"), "CONTROL_MODELS_DIR": str(models)}
    # No jobs: what the gateway charges stays as the earlier run left it.
    settings |= {"CONTROL_METRICS_BIND": "127.0.0.1:0", "CONTROL_SHEET_FILE": str(folder / "sheet.json"), "CONTROL_JOBS": "elsewhere"}
    settings |= {"CONTROL_ODOO_FILE": str(folder / "odoo.sqlite3"), "CONTROL_BRAKE_INVOICE": "150"}
    # An earlier run of the service took the models' prices; since then one rose, another model is gone, and the gateway was not there.
    write(models, {**ANNOTATION, "id": "gone", "name": "Gone"}, "gone")
    catalog = create_app(Settings.of(database=folder / "control.sqlite3", models_dir=models)).extensions["services"].catalog
    gateway = Publication(
        catalog=catalog,
        gateway=Nothing(folder / "sheet.json"),
        db=open_database(folder / "control.sqlite3"),
        clock=utc,
    )
    gateway.tick()
    write(models, {**priced(prompt="0.000080", request="0.5"), "id": "dear", "name": "Dear"}, "dear")
    (models / "gone.yaml").unlink()
    clean = {name: value for name, value in os.environ.items() if not name.startswith("CONTROL_")}
    subprocess.run([sys.executable, "-m", "control_app", "seed-demo"], cwd=ROOT, env=clean | settings, check=True, capture_output=True)
    _use(open_database(folder / "control.sqlite3"))
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([sys.executable, "-m", "control_app"], cwd=ROOT, env=clean | settings, stderr=log)
    try:
        until(lambda: _answers(f"http://{bind}/readyz", process, folder / "log"), "the control service answers", 30)
        yield f"http://{bind}"
    finally:
        process.terminate()
        process.wait(30)


def _use(db: Db) -> None:
    """In two months before the sample's: 160.00 by a customer, which is more than the brake lets go, 80.000984 and 40.00."""
    for month in (TO_BILL, HELD):
        for key, prompt in (("acme-production", 20_000_000), ("bluebird-assistant", 10_000_123), ("cobalt-npcs", 5_000_000)):
            tokens = {"prompt": prompt, "cached_read": 0, "completion": 0, "reasoning": 0}
            used = row(microseconds(month) + DAY, key, "qwen25-05b-instruct", **tokens)
            Ledger(db).ingest([used], microseconds(utc()))
    db.close()


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
