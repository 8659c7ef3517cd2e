"""The benchmarks: the computed length of a first deployment, and how answers are counted."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from perf.first_apply import TABLE, critical_path
from perf.ingest import ROUNDS, stretches
from perf.invoices import tally
from perf.run import ROWS

STEPS = tomllib.loads(TABLE.read_text())


def test_the_path_is_the_longest_way_through_the_steps() -> None:
    steps: dict[str, dict[str, Any]] = {
        "a": {"seconds": 1, "after": []},
        "b": {"seconds": 5, "after": ["a"]},
        "c": {"seconds": 2, "after": ["a"]},
    }
    assert critical_path(steps) == (6, ["a", "b"])


def test_a_step_that_waits_for_an_unknown_one_is_refused() -> None:
    with pytest.raises(ValueError, match="not described: nowhere"):
        critical_path({"a": {"seconds": 1, "after": ["nowhere"]}})


def test_every_step_has_a_source() -> None:
    assert [name for name, step in STEPS.items() if not step["source"]] == []


def test_the_diagram_shows_the_critical_path() -> None:
    page = (Path(__file__).parent.parent / "docs" / "life-cycle.md").read_text()
    shown = re.search(r"class (\S+) critical", page)
    assert shown
    names = [
        re.sub(r"^([ic])(\d)$", lambda m: f"{'install' if m[1] == 'i' else 'configure'}-s{m[2]}", name) for name in shown[1].split(",")
    ]
    assert names == critical_path(STEPS)[1]


def test_every_row_is_in_the_readme_and_the_other_way_round() -> None:
    page = (Path(__file__).parent.parent / "perf" / "README.md").read_text()
    assert re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE) == list(ROWS)


@pytest.mark.parametrize("pages", [6, 50, 1000])
def test_a_pass_is_measured_by_stretches_of_as_many_rows(pages: int) -> None:
    slow_at_first = [(20 * number, number + min(number, pages / 6)) for number in range(pages + 1)]
    first, *others = stretches(slow_at_first)
    assert others == pytest.approx([20] * ROUNDS, rel=0.2)
    assert first == pytest.approx(10, rel=0.2)


def test_a_pass_that_ends_with_a_short_page_is_measured_to_its_end() -> None:
    assert stretches([*((20 * number, float(number)) for number in range(7)), (130, 9.0)])[-1] == pytest.approx(10 / 3)


def test_a_pass_of_few_pages_is_refused() -> None:
    with pytest.raises(ValueError, match="120,000 rows are 5 pages, and 6 are needed at least: set PERF_ROWS to more"):
        stretches([(24_000 * number, float(number)) for number in range(6)])


@pytest.mark.parametrize("size", [1, 7, 64, 1000])
def test_invoices_of_an_answer_are_counted_wherever_its_parts_end(size: int) -> None:
    details = [b'{"invoice":{"models":[]},"sync_result":{"status":"%b"}}' % status for status in (b"held", b"skipped", b"held")]
    answer = b'{"summary":{"held":2},"details":[' + b",".join(details) + b"]}"
    parts = [answer[start : start + size] for start in range(0, len(answer), size)]
    assert tally(parts) == (len(answer), {"held": 2, "skipped": 1})
