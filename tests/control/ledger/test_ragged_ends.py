"""A range may begin and end at any moment: whole parts of days come from sums, and the rest from few rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from control_app.core.time import DAY, HOUR, Range
from control_app.gateway.port import UsageRow
from control_app.ledger.columns import PART
from control_app.ledger.reader import Dimension
from control_app.ledger.usage import Usage
from tests.control.ledger.test_ledger_properties import END, START, books_of, pages, quick, worlds
from tests.control.support.ledgers import OCTOBER, Books, small_world
from tests.control.support.ledgers import row as call
from tests.control.support.recomputation import World, at

MODELS = ("llama", "qwen")
# At the borders of months, days and parts of days, and beside them by as little as there is.
borders = st.sampled_from([border + beside for border in range(START, END + 1, PART) for beside in (-1, 0, 1)])
moments = st.integers(START, END) | borders


@pytest.fixture
def busy(tmp_path: Path) -> Iterator[Books]:
    """A call every half hour of October, of two models in turn."""
    books = small_world(tmp_path)
    books.take(*(call(moment, model=MODELS[number % 2]) for number, moment in enumerate(range(*OCTOBER, HOUR // 2))))
    yield books
    books.db.close()


def used(books: Books, dimensions: tuple[Dimension, ...], within: Range, **of: Any) -> dict[tuple[Any, ...], Usage]:
    return books.reader.by(dimensions, within, **of)


def read_from_rows(books: Books, within: Range) -> int:
    """Of how many calls by themselves the answer for *within* is made, be they added or taken off: it changes with each of them."""
    middle, right = (within.start + within.end) // 2, books.used(within).prompt
    changed = 0
    for half in (f"at < {middle}", f"at >= {middle}"):
        books.db.connection.execute(f"UPDATE requests SET prompt = prompt + 1 WHERE {half}")  # noqa: S608 (numbers of ours)
        changed += abs(books.used(within).prompt - right)
        books.db.connection.execute(f"UPDATE requests SET prompt = prompt - 1 WHERE {half}")  # noqa: S608
    return changed


@quick
@given(worlds, pages, st.tuples(moments, moments).map(sorted))
def test_any_range_has_the_rows_that_started_in_it_by_key_day_and_model(world: World, page: list[UsageRow], ends: list[int]) -> None:
    start, end = ends
    with books_of(world) as books:
        books.take(*page)
        keys, models = books.names("keys"), books.names("models")
        found = used(books, ("key", "day", "model"), Range(start, end))
        told = {
            (keys[key], day, models[model]): (one.requests + one.unused + one.cancelled) > 0 for (key, day, model), one in found.items()
        }
        expected = Counter((row.key, row.at // DAY, row.model) for row in page if start <= row.at < end)
        assert told == dict.fromkeys(expected, True)


@quick
@given(worlds, pages, st.tuples(moments, moments, moments).map(sorted), st.sampled_from(["key", "customer", None]))
def test_what_lies_in_two_ranges_adds_up_to_what_lies_in_both(
    world: World, page: list[UsageRow], ends: list[int], whose: str | None
) -> None:
    start, middle, end = ends
    with books_of(world) as books:
        books.take(*page)
        of = {} if whose is None else {whose: books.key("k1") if whose == "key" else books.customer("acme")}
        dimensions: tuple[Dimension, ...] = ("model", "customer", "price", "billed_in")
        parts, whole = Counter[tuple[Any, ...]](), Counter[tuple[Any, ...]]()
        for within in (Range(start, middle), Range(middle, end)):
            parts.update({cell: one.amount for cell, one in used(books, dimensions, within, **of).items()})
        whole.update({cell: one.amount for cell, one in used(books, dimensions, Range(start, end), **of).items()})
        assert parts == whole


@pytest.mark.parametrize("start", ["2026-10-03T07:13", "2026-10-03T01:59", "2026-10-03T02:01", "2026-10-03T23:59", "2026-10-01T00:01"])
@pytest.mark.parametrize("end", ["2026-10-29T19:47", "2026-10-29T10:00", "2026-10-29T00:01", "2026-10-31T23:59"])
def test_a_ragged_end_costs_the_rows_of_half_a_part_at_most(busy: Books, start: str, end: str) -> None:
    within = Range(at(start), at(end))
    assert busy.used(within).requests == sum(within.start <= moment < within.end for moment in range(*OCTOBER, HOUR // 2))
    assert read_from_rows(busy, within) <= 2 * (PART // 2) // (HOUR // 2)


def test_whole_parts_of_days_cost_no_row(busy: Books) -> None:
    for within in (OCTOBER, Range(at("2026-10-03T08:00"), at("2026-10-29T16:00"))):
        assert busy.used(within).requests == len(range(*within, HOUR // 2))
        assert read_from_rows(busy, within) == 0


def test_a_range_within_a_part_of_a_day_is_read_from_its_rows(busy: Books) -> None:
    within = Range(at("2026-10-03T08:15"), at("2026-10-03T09:15"))
    assert used(busy, ("model",), within).keys() == {(busy.model(name),) for name in MODELS}
    assert busy.used(within).requests == 2


def test_what_is_taken_off_whole_is_not_told_as_used_without_requests(tmp_path: Path) -> None:
    books = small_world(tmp_path)
    books.take(call("2026-10-03T04:30", model="before"), call("2026-10-29T19:30", model="after"))
    books.take(call("2026-10-03T06:00"), call("2026-10-29T17:00"))
    within = Range(at("2026-10-03T05:00"), at("2026-10-29T19:00"))
    assert {model for (model,) in used(books, ("model",), within)} == {books.model("llama")}
    books.db.close()


def test_an_empty_range_and_an_empty_ledger_have_nothing(busy: Books, tmp_path: Path) -> None:
    noon = at("2026-10-03T12:00")
    empty = Books(tmp_path / "empty")
    asked: list[tuple[Dimension, ...]] = [(), ("day", "model"), ("key",)]
    for dimensions in asked:
        assert used(busy, dimensions, Range(noon, noon)) == {}
        assert used(empty, dimensions, Range(noon, noon + DAY + 1)) == {}
    empty.db.close()
