"""How tests read PromQL, and the recorded samples that they hold it against."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support.observability import SAMPLES
from tests.support.promql import Selector, parse


def test_a_query_is_taken_apart_into_metrics_and_labels() -> None:
    query = parse(
        """
        histogram_quantile(0.95, sum without (a) (rate(x:y_bucket{b=~"in (1|2)", c!='}'}[$__rate_interval] offset 1h)) > bool 1e3)
          * on (d) group_left (e) label_replace(z, "f", "${1}", "g", "(.*)")  # not_a_metric
        """
    )
    assert query.selectors == (Selector("x:y_bucket", frozenset("bc")), Selector("z", frozenset()))
    assert query.groups == {"a", "d", "e", "g"}
    assert query.made == {"f"}


@pytest.mark.parametrize(
    ("text", "groups", "made"),
    [
        ("sum(up) by (a) and ignoring (b) up", "ab", ""),
        ("topk(5, up) unless up", "", ""),
        ('count_values("v", up)', "", "v"),
        ('label_join(up, "t", ",", "a", "b")', "ab", "t"),
        ("max_over_time(sum by (a) (up)[1h:5m])", "a", ""),
        ("-up + absent(up)", "", ""),
    ],
)
def test_labels_are_found_wherever_a_query_reads_or_writes_them(text: str, groups: str, made: str) -> None:
    query = parse(text)
    assert {selector.metric for selector in query.selectors} == {"up"}
    assert query.groups == frozenset(groups)
    assert query.made == frozenset(made)


@pytest.mark.parametrize("text", ['{job="x"}', '{__name__="up"}', "sum(up) & 1", "$metric", "made_up_function(up)", "rate(up[5m]", ""])
def test_a_query_that_hides_its_metric_or_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=re.escape(text) + "$"):
        parse(text)


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
def test_a_sample_names_its_source_and_declares_every_series(path: Path) -> None:
    text = path.read_text()
    assert text.startswith("# Source: ")
    declared = set(re.findall(r"^# TYPE (\S+) (?:gauge|counter|histogram)$", text, re.MULTILINE))
    assert declared == set(re.findall(r"^# HELP (\S+) .", text, re.MULTILINE))
    series = {re.split(r"[ {]", line, maxsplit=1)[0] for line in text.splitlines() if not line.startswith("#")}
    assert {name if name in declared else re.sub(r"_(bucket|sum|count)$", "", name) for name in series} == declared
