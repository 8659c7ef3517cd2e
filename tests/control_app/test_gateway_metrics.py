"""What Prometheus is told of prices, of what the gateway lost, and of holds."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from control_app.catalog import Catalog
from control_app.completeness import told_of
from control_app.gateway_metrics import GatewayMetrics
from control_app.holds import REMEDIES
from control_app.price_book import PriceBook
from control_app.spans import DAY, HOUR, microseconds, month_of, month_range
from tests.control_app.clocks import Clock, Source
from tests.control_app.ledgers import Books, row, small_world
from tests.control_app.models import NAME, model, priced

NOON = datetime(2026, 10, 20, 12, 30, tzinfo=UTC)
NOW = microseconds(NOON)
OCTOBER = month_of(NOW)


@pytest.fixture
def books(tmp_path: Path) -> Books:
    books = small_world(tmp_path)
    books.ledger.ingest((), NOW, "rows", NOW + DAY)
    books.db.connection.execute("INSERT INTO readings VALUES (1, 0, ?, NULL, 0)", [NOW])
    return books


@pytest.fixture
def metrics(books: Books) -> GatewayMetrics:
    return GatewayMetrics(Catalog(Source(), PriceBook(books.db)), books.db, lambda: NOON)


def lose(books: Books, missing: int, at: int = NOW - 2 * HOUR) -> None:
    """The gateway counted so many requests more than it logged."""
    books.db.connection.execute("INSERT INTO hours VALUES (?, ?, 0, ?)", [books.key("k1"), at // HOUR, missing])


@pytest.mark.parametrize(("missing", "tolerated", "held"), [(20, 20, 0), (21, 0, 21)])
def test_missing_requests_are_told_by_whether_they_are_tolerated(
    books: Books, metrics: GatewayMetrics, missing: int, tolerated: int, held: int
) -> None:
    lose(books, missing)
    assert metrics.missing() == {("yes",): tolerated, ("no",): held}


def test_what_was_counted_in_this_hour_is_not_missing_yet(books: Books, metrics: GatewayMetrics) -> None:
    lose(books, 100, NOW)
    assert metrics.missing() == {("yes",): 0, ("no",): 0}


def test_holds_of_last_month_and_this_one_are_told_by_code_and_those_that_are_not_are_zero(books: Books, metrics: GatewayMetrics) -> None:
    books.take(row("2026-10-19", key="stray"), row("2026-09-19", key="stray"), row("2026-08-19", key="stray"), row("2026-10-19", model="x"))
    found = metrics.holds()
    assert set(found) == {(code,) for code in REMEDIES}
    assert {code: held for (code,), held in found.items() if held} == {"unmapped-key": 2, "unrated": 1}


def test_models_are_told_by_what_became_of_their_annotations(tmp_path: Path) -> None:
    books, clock, source = small_world(tmp_path), Clock(), Source(model(), model("{", "bad"))
    told = GatewayMetrics(Catalog(source, PriceBook(books.db, clock), clock), books.db, clock)
    assert told.models() == {("published",): 1, ("refused",): 1, ("pending",): 0}
    assert told.broken() == {("bad",): 1}
    source.answer = [model(priced(prompt="0.005"))]
    clock.pass_time()
    assert told.models()["pending",] == 1
    assert NAME not in str(told.broken())


def test_before_the_first_look_nothing_is_told_of_the_sheet(metrics: GatewayMetrics) -> None:
    assert (metrics.in_sync(), metrics.written()) == ({}, {})


@pytest.mark.parametrize(
    ("month", "through", "told"),
    [
        (OCTOBER - 1, None, month_range(OCTOBER - 1)),
        (OCTOBER, None, None),
        (OCTOBER, month_range(OCTOBER).start + HOUR - 1, None),
        (OCTOBER, NOW, (month_range(OCTOBER).start, NOW - HOUR // 2)),
    ],
)
def test_of_a_month_that_runs_only_the_whole_hours_that_were_read_are_told(
    month: int, through: int | None, told: tuple[int, int] | None
) -> None:
    assert told_of(month, NOW, through) == told
