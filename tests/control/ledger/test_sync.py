"""A pass over the gateway: nothing is missed, nothing is taken twice, and a pass that was cut off goes on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from control_app.core.time import microseconds
from control_app.gateway.port import Customer, Directory, GatewayError, Key, UsageRow
from control_app.ledger import sync
from control_app.ledger.clocks import Clocks
from control_app.ledger.progress import LATEST, complete_through
from control_app.ledger.sync import EVER, Sync
from control_app.service.stored_times import PULL_BACK
from tests.control.support.ledgers import OCTOBER, RATES, Books, row, small_world
from tests.control.support.recomputation import at


class Clock:
    def __init__(self) -> None:
        self.now = datetime(2026, 11, 2, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


class Rows:
    """A gateway that has what a test gives it, two rows a page."""

    def __init__(self) -> None:
        self.has: list[UsageRow] = []
        self.asked: list[tuple[int, int]] = []
        self.keys = [Key("k1", "k1", "acme", is_active=True, updated_at=0)]
        self.fails_after: int | None = None
        self.clock = Clock()

    def now(self) -> int:
        return microseconds(self.clock())

    def rows(self, start: int, end: int) -> Iterator[Sequence[UsageRow]]:
        self.asked.append((start, end))
        if self.fails_after == 0:
            raise GatewayError("away")
        found = sorted((row for row in self.has if start <= row.at < end), key=lambda row: row.at)
        for number in range(0, len(found), 2):
            if self.fails_after is not None and number >= self.fails_after:
                raise GatewayError("away")
            yield found[number : number + 2]

    def first(self) -> int | None:
        return min((row.at for row in self.has), default=None)

    def directory(self) -> Directory:
        return Directory([Customer("acme", "Acme"), Customer("globex", "Globex")], self.keys)

    def prices(self) -> Mapping[str, Sequence[Mapping[str, Decimal]]]:
        return {}


@pytest.fixture
def books(tmp_path: Path) -> Books:
    return small_world(tmp_path)


@pytest.fixture
def gateway() -> Rows:
    return Rows()


@pytest.fixture
def clock(gateway: Rows) -> Clock:
    """The gateway's and ours."""
    return gateway.clock


@pytest.fixture
def once(books: Books, gateway: Rows, clock: Clock) -> Sync:
    return Sync(gateway, books.db, Clocks(books.db, clock, gateway.now, None, PULL_BACK))


def test_the_first_pass_takes_everything_from_the_oldest_row_on(books: Books, gateway: Rows, once: Sync) -> None:
    gateway.has = [row(f"2026-{month:02}-05T12:00") for month in range(1, 11)]
    done = once.run()
    assert (done.read, done.new) == (10, 10)
    # And to no end: see what the gateway wrote while its clock was ahead (test_clocks.py).
    assert gateway.asked == [(at("2026-01-05T12:00"), EVER)]
    assert books.used().requests == 10


def test_a_gateway_without_rows_is_read_to_its_end(books: Books, gateway: Rows, once: Sync) -> None:
    assert complete_through(books.db) is None
    assert once.run().read == 0
    assert gateway.asked == []
    assert complete_through(books.db) == at("2026-11-02T00:00") - LATEST


def test_a_later_pass_reads_again_what_can_still_be_late_and_takes_it(books: Books, gateway: Rows, once: Sync, clock: Clock) -> None:
    gateway.has = [row("2026-11-01T23:50")]
    once.run()
    gateway.has.append(row("2026-11-01T23:44"))
    clock.now += timedelta(minutes=1)
    done = once.run()
    assert gateway.asked[-1] == (at("2026-11-01T23:40"), at("2026-11-02T00:03"))
    assert (done.read, done.new) == (2, 1)
    assert books.used().requests == 2


def test_an_adapters_rows_are_rated_late_by_its_models_first_price(books: Books, gateway: Rows, once: Sync) -> None:
    gateway.has = [row(model="late_adapter")]
    once.run()
    assert books.used().unrated == 1
    books.price("late", 0, RATES)
    assert once.run().corrected == 1
    assert once.run().corrected == 0
    assert books.used().unrated == 0


def test_once_a_day_a_pass_reads_three_days_again_for_requests_that_took_long(
    books: Books, gateway: Rows, once: Sync, clock: Clock
) -> None:
    gateway.has = [row("2026-11-01T23:30")]
    clock.now = datetime(2026, 11, 10, tzinfo=UTC)
    once.run()
    gateway.has.append(row("2026-11-08T12:00"))
    for hours, begin, used in ((23, "2026-11-09T23:40", 1), (1, "2026-11-08T00:00", 2), (1, "2026-11-10T23:40", 2)):
        clock.now += timedelta(hours=hours)
        once.run()
        assert (gateway.asked[-1][0], books.used().requests) == (at(begin), used)


def test_a_day_after_its_end_a_month_is_read_again_as_a_whole(books: Books, gateway: Rows, once: Sync, clock: Clock) -> None:
    clock.now = datetime(2026, 10, 31, 12, tzinfo=UTC)
    gateway.has = [row("2026-09-20T12:00")]
    once.run()
    begins: list[int] = []
    for _ in range(4):
        clock.now += timedelta(days=1)
        once.run()
        begins.append(gateway.asked[-1][0])
    assert begins == [at(f"2026-{day}") for day in ("10-29T12:00", "10-01T00:00", "10-31T12:00", "11-01T12:00")]


def test_a_pass_that_was_cut_off_goes_on_where_it_was(books: Books, gateway: Rows, once: Sync, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sync, "BATCH", 2)
    gateway.has = [row(f"2026-10-{day:02}T12:00") for day in range(1, 11)]
    gateway.fails_after = 6
    with pytest.raises(GatewayError):
        once.run()
    assert books.used().requests > 0
    assert complete_through(books.db) is not None
    assert (complete_through(books.db) or 0) <= at("2026-10-06T12:00")
    gateway.fails_after = None
    once.run()
    assert gateway.asked[-1][0] >= at("2026-10-03T00:00")
    assert books.used().requests == 10


def test_reading_late_rows_does_not_take_back_what_was_reached(
    books: Books, gateway: Rows, once: Sync, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sync, "BATCH", 1)
    gateway.has = [row("2026-11-01T23:44"), row("2026-11-01T23:47"), row("2026-11-01T23:50")]
    once.run()
    reached = complete_through(books.db)
    gateway.fails_after = 2
    clock.now += timedelta(minutes=1)
    with pytest.raises(GatewayError):
        once.run()
    assert complete_through(books.db) == reached


def test_a_failure_is_no_zero(books: Books, gateway: Rows, once: Sync) -> None:
    gateway.has = [row()]
    once.run()
    before = complete_through(books.db)
    gateway.fails_after = 0
    with pytest.raises(GatewayError):
        once.run()
    assert complete_through(books.db) == before


def test_a_moved_key_takes_its_rows_with_it(books: Books, gateway: Rows, once: Sync, clock: Clock) -> None:
    clock.now = datetime(2026, 10, 5, 12, 0, tzinfo=UTC)
    once.run()
    gateway.has = [row("2026-10-05T12:00:10"), row("2026-10-05T12:00:30")]
    clock.now += timedelta(seconds=40)
    gateway.keys = [Key("k1", "k1", "globex", is_active=True, updated_at=at("2026-10-05T12:00:20"))]
    once.run()
    assert books.used(customer=books.customer("acme")).requests == 1
    assert books.used(customer=books.customer("globex")).requests == 1


def test_rows_are_rated_when_their_model_gets_its_first_price(books: Books, gateway: Rows, once: Sync) -> None:
    gateway.has = [row(model="new"), row(model="never")]
    once.run()
    assert books.used().unrated == 2
    books.price("new", OCTOBER.start, RATES)
    assert once.run().corrected == 1
    assert books.used().unrated == 1
    assert once.run().corrected == 0


def test_a_withdrawn_price_is_not_looked_for_again(books: Books, gateway: Rows, once: Sync) -> None:
    books.price("llama", "2026-10-04T00:00", None)
    gateway.has = [row()]
    once.run()
    assert books.used().unrated == 1
    assert once.run().corrected == 0


def test_progress_is_told_after_each_batch(gateway: Rows, once: Sync, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sync, "BATCH", 2)
    gateway.has = [row(f"2026-10-0{day}T12:00") for day in range(1, 6)]
    told: list[tuple[int, int]] = []
    once.run(lambda rows, until: told.append((rows, until)))
    assert told == [(2, at("2026-10-02T12:00")), (4, at("2026-10-04T12:00")), (5, at("2026-10-05T12:00"))]
