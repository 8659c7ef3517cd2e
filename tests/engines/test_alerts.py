"""Alerts and dashboards as Prometheus understands them, by its own promtool."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.support.observability import CASES, DASHBOARDS, RULES, targets


def promtool(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["promtool", *arguments], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("path", RULES, ids=lambda path: path.stem)
def test_prometheus_takes_the_rules(path: Path) -> None:
    checked = promtool("check", "rules", path)
    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_alerts_fire_when_they_should_and_only_then(path: Path) -> None:
    tried = promtool("test", "rules", path)
    assert tried.returncode == 0, tried.stdout + tried.stderr


def test_each_rule_file_is_tried_by_the_cases_of_its_name() -> None:
    rules = [(path.parent / only).resolve() for path in CASES for only in yaml.safe_load(path.read_text())["rule_files"]]
    assert rules == RULES
    assert [path.name for path in CASES] == [path.name for path in RULES]


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_prometheus_understands_every_query_of_a_dashboard(path: Path, tmp_path: Path) -> None:
    queries = [re.sub(r"\$__rate_interval", "5m", target["expr"]) for target in targets(path)]
    rules = [{"record": f"query:{number}", "expr": query} for number, query in enumerate(queries)]
    file = tmp_path / "queries.yaml"
    file.write_text(yaml.safe_dump({"groups": [{"name": path.stem, "rules": rules}]}))
    checked = promtool("check", "rules", file)
    assert checked.returncode == 0, checked.stdout + checked.stderr
