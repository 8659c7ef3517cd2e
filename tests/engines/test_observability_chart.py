"""The chart of dashboards and alerts as Helm renders it: files, unchanged."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.observability import CHART, DASHBOARDS, RULES

# What Kubernetes takes for one ConfigMap, and Helm for a whole release once compressed.
MEBIBYTE = 1 << 20


def render(engines: Path, chart: Path) -> Iterator[dict[str, Any]]:
    done = subprocess.run([engines / "helm", "template", "observability", chart], check=True, stdout=subprocess.PIPE, text=True)
    return yaml.safe_load_all(done.stdout)


@pytest.fixture(scope="module")
def objects(engines: Path) -> dict[tuple[str, str], dict[str, Any]]:
    """What the chart makes, by kind and name."""
    return {(item["kind"], item["metadata"]["name"]): item for item in render(engines, CHART)}


def test_each_file_is_one_object_and_there_is_no_other(objects: dict[tuple[str, str], dict[str, Any]]) -> None:
    dashboards = {("ConfigMap", f"dashboard-{path.stem}") for path in DASHBOARDS}
    rules = {("PrometheusRule", f"alerts-{path.stem}") for path in RULES}
    assert set(objects) == dashboards | rules


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_a_dashboard_reaches_grafana_byte_for_byte(objects: dict[tuple[str, str], dict[str, Any]], path: Path) -> None:
    item = objects["ConfigMap", f"dashboard-{path.stem}"]
    assert item["data"] == {path.name: path.read_text()}
    assert item["metadata"]["labels"] == {"grafana_dashboard": "1"}
    assert item["metadata"]["annotations"] == {"grafana_folder": "Inference platform"}
    assert len(json.dumps(item)) < MEBIBYTE / 4


@pytest.mark.parametrize("path", RULES, ids=lambda path: path.stem)
def test_rules_reach_prometheus_word_for_word(objects: dict[tuple[str, str], dict[str, Any]], path: Path) -> None:
    assert objects["PrometheusRule", f"alerts-{path.stem}"]["spec"] == yaml.safe_load(path.read_text())


def test_what_helm_and_grafana_would_take_for_their_own_is_left_alone(engines: Path, tmp_path: Path) -> None:
    chart = tmp_path / "chart"
    shutil.copytree(CHART, chart, ignore=shutil.ignore_patterns("*.json", "rules"))
    text = '{"a": "{{ $labels.x }} ${var} [[var]] %{if} \\" \\n {{`x`}} é", "n": 12345678901}\n\n'
    (chart / "dashboards" / "odd.json").write_text(text)
    (item,) = render(engines, chart)
    assert item["data"] == {"odd.json": text}
