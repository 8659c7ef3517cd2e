"""Rows that contradict themselves are rated by the table of docs/billing-rules.md, counted by cause, and hold above tolerance."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from control_app.ledger.contradictions import BESIDE, CAUSES, contradictions
from control_app.ledger.holds import Holds
from control_app.ledger.usage import Usage
from tests.control.support import recomputation
from tests.control.support.ledgers import ALWAYS, NOW, OCTOBER, Books, row, small_world
from tests.control.support.recomputation import Price, World

RATES = {
    **{kind: Decimal(number) for number, kind in enumerate(("prompt", "completion", "input_cache_read", "input_cache_write"), 1)},
    "internal_reasoning": Decimal("0.01"),
    "request": Decimal(0),
}
WORLD = World({"each": [Price(0, RATES)]}, {})
COUNTS = ("prompt", "cached_read", "cached_write", "completion", "reasoning", "total")


@pytest.fixture
def books(tmp_path: Path) -> Books:
    books = small_world(tmp_path)
    books.price("each", 0, RATES)
    books.ledger.ingest((), NOW, "rows", NOW)
    books.db.connection.execute("INSERT INTO readings (id, first_at, at, started, dropped) VALUES (1, 0, ?, NULL, 0)", [NOW])
    return books


def told(*counts: int, **other: Any) -> Any:
    fields: dict[str, Any] = dict(zip(COUNTS, counts, strict=True)) | other
    return row(model="each", **fields)


def causes(books: Books) -> dict[str, int]:
    return dict(contradictions(books.db, ALWAYS)[books.key("k1")])


@pytest.mark.parametrize(
    ("counts", "cause", "rated"),
    [
        # prompt, cached read, cached write, completion, reasoning, total; then the same as they are rated.
        ((10, 2, 1, 8, 3, 18), None, (10, 2, 1, 8, 3)),
        ((10, 2, 1, 8, 3, 0), None, (10, 2, 1, 8, 3)),
        ((100, 0, 0, 15, 28, 143), BESIDE, (100, 0, 0, 43, 28)),
        ((100, 0, 0, 15, 28, 115), "more reasoning than completion", (100, 0, 0, 28, 28)),
        ((100, 0, 0, 15, 28, 0), "more reasoning than completion", (100, 0, 0, 28, 28)),
        ((10, 0, 0, 0, 5, 10), "more reasoning than completion", (10, 0, 0, 5, 5)),
        ((10, 40, 0, 8, 3, 18), "more cached than prompt", (10, 10, 0, 8, 3)),
        ((10, 4, 40, 8, 3, 18), "more cached than prompt", (10, 4, 6, 8, 3)),
        ((10, 40, 40, 8, 3, 0), "more cached than prompt", (10, 10, 0, 8, 3)),
        ((10, 2, 1, 8, 3, 17), "a total that is not the sum", (10, 2, 1, 8, 3)),
        ((10, 2, 1, 8, 3, 21), "a total that is not the sum", (10, 2, 1, 8, 3)),
        ((0, 0, 0, 20, 5, 20), "a completion without a prompt", (0, 0, 0, 20, 5)),
        ((0, 7, 0, 20, 5, 0), "more cached than prompt", (0, 0, 0, 20, 5)),
        ((0, 0, 0, 20, 28, 48), BESIDE, (0, 0, 0, 48, 28)),
    ],
)
def test_a_row_is_rated_by_the_table(books: Books, counts: tuple[int, ...], cause: str | None, rated: tuple[int, ...]) -> None:
    logged = told(*counts)
    books.take(logged)
    used = books.used()
    assert (used.prompt, used.cached_read, used.cached_write, used.completion, used.reasoning) == rated
    prompt, cached_read, cached_write, completion, reasoning = rated
    assert (used.plain_prompt, used.plain_completion) == (prompt - cached_read - cached_write, completion - reasoning)
    assert books.cost() == recomputation.cost(logged, WORLD)
    assert causes(books) == ({} if cause is None else {cause: 1})


def test_reasoning_beside_the_completion_is_billed_in_full(books: Books) -> None:
    books.take(told(100, 0, 0, 150, 2809, 3059))
    assert books.cost() == 100 * 1 + 150 * 2 + 2809 * Decimal("0.01")


def test_what_was_logged_is_kept_beside_what_is_rated(books: Books) -> None:
    books.take(told(100, 0, 0, 15, 28, 143), told(10, 2, 1, 8, 3, 18))
    kept = [json.loads(text) for (text,) in books.db.connection.execute("SELECT logged FROM requests WHERE logged IS NOT NULL")]
    assert kept == [[BESIDE, 100, 0, 0, 15, 28, 143]]


def test_a_row_without_tokens_contradicts_nothing(books: Books) -> None:
    books.take(told(0, 40, 3, 0, 5, 48))
    assert (books.used(), causes(books)) == (Usage(unused=1), {})


def test_a_contradiction_that_is_read_again_counts_once_and_differs_from_nothing(books: Books) -> None:
    logged = told(100, 0, 0, 15, 28, 143)
    for _ in range(2):
        assert books.ledger.ingest([logged, logged], NOW).differences == 0
    assert causes(books) == {BESIDE: 1}


def test_a_row_that_is_rated_again_stays_as_the_table_says(books: Books) -> None:
    books.take(told(100, 0, 0, 15, 28, 143))
    before = books.used()
    books.ledger.correct(key=books.key("k1"))
    assert (books.used(), causes(books)) == (before, {BESIDE: 1})


def test_a_difference_is_told_as_it_came(books: Books) -> None:
    first = told(100, 0, 0, 15, 28, 143)
    books.take(first)
    books.take(first._replace(prompt=99))
    assert books.db.connection.execute("SELECT first, later FROM differences").fetchall() == [("[100,0,0,15,28]", "[99,0,0,15,28]")]


@pytest.mark.parametrize(("rows", "expected"), [(20, set[str]()), (21, {"contradictory"})])
def test_contradictions_hold_their_customer_above_tolerance(books: Books, rows: int, expected: set[str]) -> None:
    books.take(*(told(10, 2, 1, 8, 3, 17, time=OCTOBER.start + number) for number in range(rows)))
    books.db.connection.execute("UPDATE hours SET counted = logged")
    assert {hold.code for hold in Holds(books.db).within(OCTOBER)} == expected


def test_the_hold_names_each_cause_and_how_often(books: Books) -> None:
    books.take(*(told(10, 2, 1, 8, 3, 17, time=OCTOBER.start + number) for number in range(20)))
    books.take(*(told(10, 40, 1, 8, 3, 18, time=OCTOBER.start + number) for number in range(5)))
    books.db.connection.execute("UPDATE hours SET counted = logged")
    (hold,) = Holds(books.db).within(OCTOBER)
    assert hold.customer == books.customer("acme")
    assert hold.message == (
        "25 requests with key 'k1' contradict themselves: a total that is not the sum (20), more cached than prompt (5)"
    )


def test_every_cause_is_in_the_rules() -> None:
    page = (Path(__file__).parents[3] / "docs" / "billing-rules.md").read_text()
    assert [cause for cause in CAUSES if cause not in page] == []
