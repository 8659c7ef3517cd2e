"""What every test stands on, and the count of each tier at the end."""

from __future__ import annotations

import os
import subprocess
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

# Before cdktf is imported: jsii's notice of Node 20's end of life is a warning, and warnings are errors here.
os.environ.setdefault("JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION", "20")

import pytest  # after the line above
import structlog

ROOT = Path(__file__).parent.parent
TIERS = {"hosts": "hosts", "engines": "engines", "browser": "browser", "providers": "providers"}


@pytest.fixture(scope="session", autouse=True)
def _loggers_that_can_be_captured() -> Iterator[None]:
    """Loggers that remember where they wrote first would write there in every later test."""
    configure = structlog.configure

    def forgetful(**how: Any) -> None:
        how["cache_logger_on_first_use"] = False
        configure(**how)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(structlog, "configure", forgetful)
        yield


@pytest.fixture(scope="session")
def engines() -> Path:
    """The folder of etcd, kube-apiserver and helm, built at the first use."""
    built = subprocess.run([ROOT / "tools" / "build-engines.sh"], check=True, stdout=subprocess.PIPE, text=True)
    return Path(built.stdout.strip())


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print how many tests of each tier came to what; a tier that did not run says why."""
    counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
    reasons: dict[str, str] = {}
    for outcome in ("passed", "failed", "error", "skipped"):
        for report in terminalreporter.stats.get(outcome, []):
            tier = TIERS.get(report.nodeid.split("/")[1], "unit")
            counts[tier][outcome] += 1
            if outcome == "skipped":
                reasons[tier] = str(report.longrepr[2]).removeprefix("Skipped: ")
    terminalreporter.section("tiers")
    for tier, outcomes in counts.items():
        said = ", ".join(f"{count} {outcome}" for outcome, count in outcomes.items())
        terminalreporter.write_line(f"{tier}: {said}" if set(outcomes) != {"skipped"} else f"{tier}: not run: {reasons[tier]}")
