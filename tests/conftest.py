"""What every test stands on, and the count of each tier at the end."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

# Before cdktf is imported: jsii's notice of Node 20's end of life is a warning, and warnings are errors here.
os.environ.setdefault("JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION", "20")

import pytest  # after the line above
import structlog

from control_app.core import logs
from tests.support.tiers import Scheduler, put_in_order, summary

ROOT = Path(__file__).parent.parent


def pytest_configure(config: pytest.Config) -> None:
    """What programs leave behind in their temporary folder (the CDK a folder for each app) goes with the tests that ran them.

    Python's own stays where it was: what a failed test leaves is to be looked at, and a server that runs as another user
    (PostgreSQL) could not enter a folder that only its maker may.
    """
    if hasattr(config, "workerinput"):
        tempfile.tempdir = str(Path(os.environ["TMPDIR"]).parent)
        return
    tempfile.gettempdir()  # remembered from here on
    os.environ["TMPDIR"] = folder = tempfile.mkdtemp(prefix="tests-")
    config.add_cleanup(lambda: shutil.rmtree(folder, ignore_errors=True))


@pytest.fixture(scope="session", autouse=True)
def _loggers_that_can_be_captured() -> Iterator[None]:
    """Logs go where the service's go, whichever test a process begins with, and none remembers where it wrote first."""
    configure = structlog.configure

    def forgetful(**how: Any) -> None:
        how["cache_logger_on_first_use"] = False
        configure(**how)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(structlog, "configure", forgetful)
        logs.configure()
        yield


@pytest.fixture(scope="session", autouse=True)
def _temporary_folders(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Made before a package that has its own elsewhere could have pytest make them there, and take them away with it."""
    tmp_path_factory.getbasetemp()


@pytest.fixture(scope="session")
def engines() -> Path:
    """The folder of etcd, kube-apiserver and helm, built at the first use."""
    built = subprocess.run([ROOT / "tools" / "build-engines.sh"], check=True, stdout=subprocess.PIPE, text=True)
    return Path(built.stdout.strip())


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Scheduler:
    """Files in the order in which they were put, to whichever worker is free."""
    config.option.loadscopereorder = False
    return Scheduler(config, log)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """In the order in which workers take them; without workers as they were named."""
    if hasattr(config, "workerinput"):
        put_in_order(items)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what tests counted, and how many of each tier came to what."""
    counted = [text for report in terminalreporter.stats.get("passed", []) for name, text in report.user_properties if name == "counted"]
    if counted:
        terminalreporter.section("counted")
        for text in counted:
            terminalreporter.write_line(text)
    terminalreporter.section("tiers")
    for line in summary(terminalreporter.stats):
        terminalreporter.write_line(line)
