"""The dashboards and alerts as tests read them, and the recorded samples of the metrics they may use."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
CHART = ROOT / "constructs" / "ib_constructs" / "addons" / "charts" / "observability"
DASHBOARDS = sorted((CHART / "dashboards").glob("*.json"))
RULES = sorted((CHART / "rules").glob("*.yaml"))
SAMPLES = sorted((ROOT / "tests" / "infra" / "metrics").glob("*.prom"))
CASES = sorted((ROOT / "tests" / "engines" / "alerts").glob("*.yaml"))


@dataclass(frozen=True)
class Alert:
    """One alerting rule of a file."""

    file: str
    name: str
    expr: str
    duration: str
    labels: dict[str, str]
    annotations: dict[str, str]


def alerts(path: Path) -> list[Alert]:
    """The alerts of a rule file, whose one group is named as the file."""
    (group,) = yaml.safe_load(path.read_text())["groups"]
    assert group["name"] == path.stem
    return [Alert(path.stem, rule["alert"], rule["expr"], rule["for"], rule["labels"], rule["annotations"]) for rule in group["rules"]]


def all_alerts() -> list[Alert]:
    """The alerts of all rule files."""
    return [alert for path in RULES for alert in alerts(path)]


def dashboard(path: Path) -> dict[str, Any]:
    """The content of a dashboard's file."""
    content: dict[str, Any] = json.loads(path.read_text())
    return content


def panels(path: Path) -> list[dict[str, Any]]:
    """The panels of a dashboard that show something; a row is a heading."""
    return [panel for panel in dashboard(path)["panels"] if panel["type"] != "row"]


def targets(path: Path) -> Iterator[dict[str, Any]]:
    """The queries of all panels of a dashboard."""
    for panel in panels(path):
        yield from panel["targets"]


def samples() -> dict[str, set[str]]:
    """Every recorded series: its name, and all labels it has in any sample."""
    found: dict[str, set[str]] = {}
    for path in SAMPLES:
        for line in path.read_text().splitlines():
            if not line.startswith("#"):
                name = re.split(r"[ {]", line, maxsplit=1)[0]
                found.setdefault(name, set()).update(re.findall(r'(\w+)="', line))
    return found
