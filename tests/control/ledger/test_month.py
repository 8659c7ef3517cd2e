"""A whole month: price change, moved key, deleted key, removed model, late rows, repeated ids, a gateway that is down or killed.

The ledger equals an independent recomputation to the last digit, and every lost row is in the verdict.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import httpx2
import pytest

from control_app.core.time import microseconds
from control_app.gateway.bifrost.adapter import Bifrost
from control_app.gateway.port import GatewayError
from control_app.ledger.clocks import Clocks
from control_app.ledger.completeness import Completeness
from control_app.ledger.counters import CounterBook
from control_app.ledger.holds import Holds
from control_app.ledger.sync import Sync
from control_app.service.stored_times import PULL_BACK
from tests.control.support import recomputation
from tests.control.support.ledgers import OCTOBER, Books
from tests.control.support.month import HOURS, WORLD, Gateway, PlayedMonth, bifrost


class Service:
    """Ours, beside a month: reads the counters and the rows when it is its turn."""

    def __init__(self, folder: Path, gateway: Gateway) -> None:
        self.books, self.gateway = Books(folder), gateway
        for model, prices in WORLD.prices.items():
            for price in prices:
                self.books.price(model, *price)
        self.counters = CounterBook(self.books.db)
        self.sync = self.reading(gateway.bifrost)

    def reading(self, bifrost: Bifrost) -> Sync:
        """Passes over the gateway that *bifrost* asks."""
        clocks = Clocks(self.books.db, lambda: self.gateway.now, bifrost.now, None, PULL_BACK)
        return Sync(bifrost, self.books.db, clocks)

    def count(self) -> None:
        self.counters.keep(self.gateway.bifrost.counts(), microseconds(self.gateway.now))


def play(month: PlayedMonth, service: Service) -> None:
    """With all that happens, each at its hour."""
    service.count()
    hour = 0
    while not month.is_over:
        month.play_hour()
        hour += 1
        if hour % 100 == 50:
            month.end_late()
        if hour % 90 == 10:
            month.repeat_an_id(30)
        if hour in (200, 555):
            month.burst(150)
            service.count()
            month.kill_the_gateway()
        service.count()
        is_down = 300 < hour < 303
        if is_down:
            with pytest.raises(GatewayError):
                service.reading(_unreachable()).run()
        elif hour % 3 == 0:
            service.sync.run()
    for _ in range(2):
        month.gateway.now += timedelta(hours=1)
        service.count()
        service.sync.run()


def _unreachable() -> Bifrost:
    def refuse(_: httpx2.Request) -> httpx2.Response:
        raise httpx2.ConnectError("refused")

    return bifrost(httpx2.MockTransport(refuse))


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> tuple[PlayedMonth, Service]:
    month = PlayedMonth()
    service = Service(tmp_path_factory.mktemp("month"), month.gateway)
    play(month, service)
    return month, service


def test_the_ledger_equals_the_recomputation_to_the_last_digit(played: tuple[PlayedMonth, Service]) -> None:
    month, service = played
    expected = dict(recomputation.ledger(month.rows, WORLD))
    assert len(month.rows) > 1000
    assert service.books.costs() == expected
    assert sum(expected.values()) > 0


def test_every_row_is_there_once(played: tuple[PlayedMonth, Service]) -> None:
    month, service = played
    used = service.books.used()
    assert used.requests == len(month.rows)
    assert used.prompt == sum(row.prompt for row in month.rows)
    assert used.unrated == sum(recomputation.cost(row, WORLD) is None for row in month.rows) > 0


def test_every_lost_row_is_in_the_verdict_with_its_hour(played: tuple[PlayedMonth, Service]) -> None:
    month, service = played
    keys = service.books.names("keys")
    missing = {key.key: key.missing for key in Completeness(service.books.db).verdict(OCTOBER).keys if key.missing}
    assert {keys[key]: number for key, number in missing.items()} == dict(month.lost)
    assert sum(month.lost.values()) >= 300 + 29 * (HOURS // 90)


def test_whoever_lost_rows_is_held_and_told_from_when_to_when(played: tuple[PlayedMonth, Service]) -> None:
    _, service = played
    held = [hold for hold in Holds(service.books.db).within(OCTOBER) if hold.code == "missing-requests"]
    assert any("2026-10-09 07:00 to 08:00" in hold.message for hold in held), "the gateway was killed then"
    assert {hold.customer for hold in held} >= {service.books.customer("globex")}


def test_rows_belong_to_who_held_the_key(played: tuple[PlayedMonth, Service]) -> None:
    month, service = played
    for name in ("acme", "globex"):
        expected = sum(recomputation.customer(row, WORLD) == name for row in month.rows)
        assert service.books.used(customer=service.books.customer(name)).requests == expected


def test_a_second_reading_of_everything_changes_nothing(played: tuple[PlayedMonth, Service]) -> None:
    month, service = played
    before = service.books.used()
    for page in month.gateway.bifrost.rows(0, microseconds(month.gateway.now + timedelta(days=1))):
        service.books.take(*page)
    assert service.books.used() == before
