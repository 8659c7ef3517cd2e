"""What Prometheus is told of prices, of what the gateway lost, and of holds."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from control_app.core.numbers import Month
from control_app.core.time import DAY, HOUR, Range, microseconds, month_of, month_range, previous_month
from control_app.gateway.bifrost.sheet import sheet_text
from control_app.gateway.engines import EnginesRead
from control_app.ledger.completeness import Completeness, Verdict, told_of
from control_app.ledger.engines import EngineBook
from control_app.ledger.hold import LEDGER_CODES
from control_app.pricing.catalog import Catalog
from control_app.pricing.store import PriceBook
from control_app.service.gateway_metrics import GatewayMetrics
from control_app.storage.collector import Collector
from tests.control.support.clocks import Clock, Source
from tests.control.support.ledgers import Books, row, small_world
from tests.control.support.models import ANNOTATION, NAME, model, priced

NOON = datetime(2026, 10, 20, 12, 30, tzinfo=UTC)
NOW = microseconds(NOON)
OCTOBER = month_of(NOW)


@pytest.fixture
def books(tmp_path: Path) -> Books:
    books = small_world(tmp_path)
    books.ledger.ingest((), NOW, "rows", NOW + DAY)
    books.db.connection.execute("INSERT INTO readings VALUES (1, 0, ?, NULL, 0)", [NOW])
    return books


def noon() -> datetime:
    return NOON


@pytest.fixture
def metrics(books: Books) -> GatewayMetrics:
    return GatewayMetrics(Catalog(Source(), PriceBook(books.db, noon), sheet_text, noon), books.db, noon)


def lose(books: Books, missing: int, at: int = NOW - 2 * HOUR) -> None:
    """The gateway counted so many requests more than it logged."""
    statement = "INSERT INTO hours (key, hour, logged, counted) VALUES (?, ?, 0, ?)"
    books.db.connection.execute(statement, [books.key("k1"), at // HOUR, missing])


@pytest.mark.parametrize(("missing", "tolerated", "held"), [(20, 20, 0), (21, 0, 21)])
def test_missing_requests_are_told_by_whether_they_are_tolerated(
    books: Books, metrics: GatewayMetrics, missing: int, tolerated: int, held: int
) -> None:
    lose(books, missing)
    assert metrics.missing()[0] == {("yes",): tolerated, ("no",): held}


def test_what_was_counted_in_this_hour_is_not_missing_yet(books: Books, metrics: GatewayMetrics) -> None:
    lose(books, 100, NOW)
    assert metrics.missing()[0] == {("yes",): 0, ("no",): 0}


def test_what_engines_answered_and_nobody_logged_is_told_by_the_models_that_are_counted(books: Books, metrics: GatewayMetrics) -> None:
    statement = "INSERT INTO model_hours (hour, model, logged, counted, dearest) VALUES (?, ?, 5, ?, 0)"
    before = NOW - 2 * HOUR
    for name, counted, hour in (("llama", 9, before), ("llama", 50, NOW), ("qwen", 5, before), ("whisper", None, before)):
        books.db.connection.execute(statement, [hour // HOUR, name, counted])
    assert metrics.missing()[1] == {("llama",): 4, ("qwen",): 0}


def test_a_scrape_tells_what_is_missing_by_one_verdict(books: Books, metrics: GatewayMetrics, monkeypatch: pytest.MonkeyPatch) -> None:
    ranges: list[Range] = []
    verdict = Completeness.verdict

    def counted(completeness: Completeness, within: Range) -> Verdict:
        ranges.append(within)
        return verdict(completeness, within)

    monkeypatch.setattr(Completeness, "verdict", counted)
    lose(books, 21)
    collector = Collector(books.db)
    metrics.register(collector)
    told = {family.name: [sample.value for sample in family.samples] for family in collector.collect()}
    assert (told["control_ledger_missing_requests"], told["control_engine_missing_requests"]) == ([0, 21], [])
    assert ranges.count(Range(month_range(OCTOBER).start, NOW // HOUR * HOUR)) <= 2, "once for these two, and once for the holds"


def test_engines_that_could_not_be_read_are_counted(books: Books, metrics: GatewayMetrics) -> None:
    assert metrics.unread() == {(): 0}
    EngineBook(books.db).keep(EnginesRead({}, {"10.0.0.1": "timed out", "10.0.0.2": "refused"}), NOW)
    assert metrics.unread() == {(): 2}


def test_holds_of_last_month_and_this_one_are_told_by_code_and_those_that_are_not_are_zero(books: Books, metrics: GatewayMetrics) -> None:
    books.take(row("2026-10-19", key="stray"), row("2026-09-19", key="stray"), row("2026-08-19", key="stray"), row("2026-10-19", model="x"))
    found = metrics.holds()
    assert set(found) == {(code,) for code in LEDGER_CODES}
    assert {code: held for (code,), held in found.items() if held} == {"unmapped-key": 2, "unrated": 1}


def test_models_are_told_by_what_became_of_their_annotations(tmp_path: Path) -> None:
    books, clock, source = small_world(tmp_path), Clock(), Source(model(), model("{", "bad"))
    told = GatewayMetrics(Catalog(source, PriceBook(books.db, clock), sheet_text, clock), books.db, clock)
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
        (previous_month(OCTOBER), None, month_range(previous_month(OCTOBER))),
        (OCTOBER, None, None),
        (OCTOBER, month_range(OCTOBER).start + HOUR - 1, None),
        (OCTOBER, NOW, (month_range(OCTOBER).start, NOW - HOUR // 2)),
    ],
)
def test_of_a_month_that_runs_only_the_whole_hours_that_were_read_are_told(
    month: Month, through: int | None, told: tuple[int, int] | None
) -> None:
    assert told_of(month, NOW, through) == told


def test_a_model_for_sale_is_callable_or_not_and_nothing_is_told_of_one_that_was_not_tried(books: Books) -> None:
    query = "INSERT INTO proofs (model, proved_at, tried_at, failing_since, error) VALUES (?, 1, 1, ?, ?)"
    books.db.connection.executemany(query, [(NAME, None, None), ("broken", 1, "503"), ("gone", 1, "404")])
    source = Source(*(model({**ANNOTATION, "id": name}, name=name) for name in (NAME, "broken", "new")))
    metrics = GatewayMetrics(Catalog(source, PriceBook(books.db, noon), sheet_text, noon), books.db, noon)
    assert metrics.callable() == {(NAME,): 1, ("broken",): 0}


def test_clocks_are_told_by_how_far_ours_is_ahead_once_they_were_compared(books: Books, metrics: GatewayMetrics) -> None:
    assert metrics.clocks() == {}
    books.db.connection.execute("INSERT INTO clocks VALUES ('gateway', ?1, -7500000, ?1, NULL)", [NOW])
    books.db.connection.execute("INSERT INTO clocks VALUES ('odoo', NULL, NULL, NULL, NULL)")
    assert metrics.clocks() == {("gateway",): -7.5}


def test_clocks_that_are_apart_are_a_hold(books: Books, metrics: GatewayMetrics) -> None:
    books.db.connection.execute("INSERT INTO clocks VALUES ('gateway', ?1, 7200000000, ?1, ?1)", [NOW])
    assert metrics.holds()["clock",] > 0
