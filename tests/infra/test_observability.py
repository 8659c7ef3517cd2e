"""Dashboards and alerts: what they ask for exists, and each alert is explained and tried."""

from __future__ import annotations

import re
from collections import Counter
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.observability import CASES, DASHBOARDS, ROOT, RULES, alerts, all_alerts, dashboard, panels, samples, targets
from tests.support.promql import Query, parse

# Prometheus gives these to every series of a target that the operator's monitors describe.
OF_THE_TARGET = {"job", "instance", "namespace", "pod", "container", "service", "endpoint", "node"}
CHANNELS = {"monitoring", "incidents", "billing"}
SEVERITIES = {"critical", "warning", "info"}
PAGE = (ROOT / "docs" / "alerts.md").read_text()
SECTIONS = {part.split("\n", 1)[0]: part for part in PAGE.split("\n### ")[1:]}
RECORDED = samples()

each_dashboard = pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
each_rule_file = pytest.mark.parametrize("path", RULES, ids=lambda path: path.stem)


def unknown_metrics(query: Query) -> set[str]:
    return {selector.metric for selector in query.selectors} - RECORDED.keys()


def unknown_labels(query: Query, used: set[str]) -> set[str]:
    """Labels that a metric is selected by and does not have, and those *used* besides that no metric of the query has."""
    known = OF_THE_TARGET.union(query.made, *(RECORDED[selector.metric] for selector in query.selectors))
    selected = {label for selector in query.selectors for label in selector.labels - RECORDED[selector.metric] - OF_THE_TARGET}
    return selected | (query.groups | used) - known


def legend(target: dict[str, Any]) -> set[str]:
    return set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]))


def test_dashboards_rules_and_their_cases_are_found() -> None:
    assert DASHBOARDS
    assert RULES
    assert [path.name for path in CASES] == [path.name for path in RULES], "tests of what is not found would be skipped without a word"


@each_dashboard
def test_a_dashboard_has_a_lasting_address_and_says_what_it_shows(path: Path) -> None:
    content = dashboard(path)
    assert content["uid"] == f"ib-{path.stem}"
    assert content["title"]
    assert content["description"]
    assert content["tags"] == [path.stem]
    assert content["timezone"] == "utc", "a billing period is in UTC"
    assert content["refresh"]


def test_no_two_dashboards_have_one_title() -> None:
    assert len({dashboard(path)["title"] for path in DASHBOARDS}) == len(DASHBOARDS)


@each_dashboard
def test_each_panel_says_what_it_shows_in_which_unit_and_has_a_name_for_each_line(path: Path) -> None:
    for panel in panels(path):
        assert panel["description"].endswith("."), panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]
        assert panel["targets"], panel["title"]
        assert all(target["legendFormat"] for target in panel["targets"]), panel["title"]


@each_dashboard
def test_panels_and_their_queries_can_be_told_apart(path: Path) -> None:
    ids = [panel["id"] for panel in dashboard(path)["panels"]]
    assert len(set(ids)) == len(ids)
    for panel in panels(path):
        references = [target["refId"] for target in panel["targets"]]
        assert len(set(references)) == len(references), panel["title"]


@each_dashboard
def test_panels_lie_side_by_side(path: Path) -> None:
    def overlap(one: dict[str, int], other: dict[str, int]) -> bool:
        return all(one[at] < other[at] + other[size] and other[at] < one[at] + one[size] for at, size in (("x", "w"), ("y", "h")))

    places = [panel["gridPos"] for panel in dashboard(path)["panels"]]
    assert all(place["x"] + place["w"] <= 24 for place in places)
    assert [pair for pair in combinations(places, 2) if overlap(*pair)] == []


@each_dashboard
def test_a_dashboard_asks_the_locations_prometheus_only(path: Path) -> None:
    asked = re.findall(r'"datasource": (\{[^}]*\})', path.read_text())
    assert set(asked) == {'{"type": "prometheus", "uid": "prometheus"}'}
    assert all(panel["datasource"]["uid"] == "prometheus" for panel in panels(path))


@each_dashboard
def test_every_query_of_a_dashboard_is_about_recorded_metrics_and_their_labels(path: Path) -> None:
    for target in targets(path):
        query = parse(target["expr"])
        assert unknown_metrics(query) == set(), target["expr"]
        assert unknown_labels(query, legend(target)) == set(), target["expr"]


@each_dashboard
def test_what_a_dashboard_lets_choose_is_recorded_and_used(path: Path) -> None:
    for variable in dashboard(path)["templating"]["list"]:
        choices = re.fullmatch(r"label_values\((.*), (\w+)\)", variable["query"]["query"])
        assert choices, variable["query"]["query"]
        query = parse(choices[1])
        assert unknown_metrics(query) == set()
        assert unknown_labels(query, {choices[2]}) == set()
        assert f"${variable['name']}" in path.read_text()


@each_rule_file
def test_every_alert_is_about_recorded_metrics_and_their_labels(path: Path) -> None:
    for alert in alerts(path):
        query = parse(alert.expr)
        named = set(re.findall(r"\$labels\.(\w+)", "".join(alert.annotations.values())))
        assert unknown_metrics(query) == set(), alert.name
        assert unknown_labels(query, named) == set(), alert.name


@each_rule_file
def test_every_alert_goes_to_a_channel_and_leads_to_its_section(path: Path) -> None:
    for alert in alerts(path):
        assert set(alert.labels) == {"severity", "channel"}, alert.name
        assert alert.labels["severity"] in SEVERITIES, alert.name
        assert alert.labels["channel"] in CHANNELS, alert.name
        assert alert.duration, alert.name
        assert set(alert.annotations) == {"summary", "description", "runbook"}, alert.name
        assert alert.annotations["runbook"] == f"docs/alerts.md#{alert.name.lower()}"


def test_each_alert_has_its_section_and_no_section_is_of_an_alert_that_is_gone() -> None:
    assert set(SECTIONS) == {alert.name for alert in all_alerts()}


@pytest.mark.parametrize("name", SECTIONS)
def test_a_section_says_what_it_means_what_to_look_at_and_what_to_do(name: str) -> None:
    assert re.findall(r"^- \*\*(.*?)\*\*", SECTIONS[name], re.MULTILINE) == ["Means", "Look at", "Do"]


def test_an_alert_and_its_severity_are_one_rule() -> None:
    rules = Counter((alert.name, alert.labels["severity"]) for alert in all_alerts())
    assert [rule for rule, count in rules.items() if count > 1] == []


def test_each_alert_is_tried_firing_and_silent() -> None:
    fired: set[tuple[str, str]] = set()
    silent: set[str] = set()
    for path in CASES:
        for case in (case for group in yaml.safe_load(path.read_text())["tests"] for case in group["alert_rule_test"]):
            expected = case.get("exp_alerts", [])
            fired |= {(case["alertname"], alert["exp_labels"]["severity"]) for alert in expected}
            silent |= set() if expected else {case["alertname"]}
    assert fired == {(alert.name, alert.labels["severity"]) for alert in all_alerts()}
    assert silent == {alert.name for alert in all_alerts()} - {"Watchdog"}


def test_each_dashboard_is_in_the_documentation() -> None:
    page = (ROOT / "docs" / "observability.md").read_text()
    listed = dict(re.findall(r"^\| \*\*(.*?)\*\* \| `(\w+)\.json` \|", page, re.MULTILINE))
    assert listed == {dashboard(path)["title"]: path.stem for path in DASHBOARDS}


def test_a_made_up_metric_or_label_is_noticed() -> None:
    assert unknown_metrics(parse("sum by (job) (rate(vllm:made_up_total[5m])) / up")) == {"vllm:made_up_total"}
    assert unknown_labels(parse('up{made_up="x"}'), set()) == {"made_up"}
    assert unknown_labels(parse("sum by (made_up) (up)"), {"also_made_up"}) == {"made_up", "also_made_up"}
