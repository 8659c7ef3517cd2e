"""Rates that are read, or given by a person, and which of them counts."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from decimal import Decimal
from pathlib import Path

import httpx2
import pytest

from control_app.accounting.published_rates import Bank
from control_app.accounting.rates import RateReader, keep_rate, newest_rate
from control_app.core.exchange import Rate
from control_app.service.tables import open_database
from control_app.storage.database import Db
from tests.control.accounting.test_published_rates import BNR, DAY, ECB
from tests.control.support.endless import endless

ADDRESSES: Mapping[Bank, str] = {"BNR": "https://bnr.example/rates.xml", "ECB": "https://ecb.example/rates.xml"}


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Db]:
    db = open_database(tmp_path / "control.sqlite3")
    yield db
    db.close()


def keep(db: Db, value: str, day: int, source: str = "ECB", *, is_given: bool = False) -> None:
    with db.transaction() as connection:
        keep_rate(connection, "EUR", Rate("USD", Decimal(value), source, day), is_given=is_given)


def reader(db: Db, wanted: Collection[str], answers: Mapping[str, httpx2.Response | Exception], asked: list[str]) -> RateReader:
    def answer(request: httpx2.Request) -> httpx2.Response:
        asked.append(request.url.host)
        found = answers[request.url.host]
        if isinstance(found, Exception):
            raise found
        return found

    return RateReader(db, "USD", ADDRESSES, lambda: wanted, httpx2.MockTransport(answer))


def test_the_newest_rate_that_is_not_of_a_later_day_counts(db: Db) -> None:
    for value, day in (("0.91", 10), ("0.92", 11), ("0.93", 13)):
        keep(db, value, day)
    assert [newest_rate(db, "USD", "EUR", day) for day in (9, 12)] == [None, Rate("USD", Decimal("0.92"), "ECB", 11)]
    assert newest_rate(db, "USD", "GBP", 12) is newest_rate(db, "EUR", "USD", 12) is None


def test_of_one_day_what_a_person_gave_wins_over_what_was_read(db: Db) -> None:
    keep(db, "0.95", 11, "given by ana", is_given=True)
    keep(db, "0.92", 11)
    assert newest_rate(db, "USD", "EUR", 11) == Rate("USD", Decimal("0.95"), "given by ana", 11)


def test_each_bank_is_asked_for_what_it_tells_and_what_it_told_is_kept(db: Db) -> None:
    asked: list[str] = []
    answers = {"bnr.example": httpx2.Response(200, content=BNR), "ecb.example": httpx2.Response(200, content=ECB)}
    reader(db, ["RON", "EUR", "USD", "XXX"], answers, asked).look()
    assert sorted(asked) == ["bnr.example", "ecb.example"]
    assert newest_rate(db, "USD", "RON", DAY) == Rate("USD", Decimal("4.391"), "BNR", DAY)
    assert newest_rate(db, "USD", "EUR", DAY) == Rate("USD", Decimal("0.86311065"), "ECB", DAY)
    assert newest_rate(db, "USD", "XXX", DAY) is None


def test_nobody_is_asked_while_all_invoices_are_in_the_price_books_currency(db: Db) -> None:
    asked: list[str] = []
    reader(db, ["USD"], {}, asked).look()
    assert asked == []


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (httpx2.ConnectError("no route"), ConnectionError),
        (httpx2.Response(503), ConnectionError),
        (endless(), ConnectionError),
        (httpx2.Response(200, content=b"<html/>"), ValueError),
    ],
)
def test_a_bank_that_does_not_tell_is_named_and_stops_no_other(db: Db, answer: httpx2.Response | Exception, error: type[Exception]) -> None:
    answers: dict[str, httpx2.Response | Exception] = {"bnr.example": answer, "ecb.example": httpx2.Response(200, content=ECB)}
    with pytest.raises(error, match="BNR"):
        reader(db, ["RON", "EUR"], answers, []).look()
    assert newest_rate(db, "USD", "EUR", DAY)


def test_where_no_bank_tells_each_is_named(db: Db) -> None:
    answers: dict[str, httpx2.Response | Exception] = {"bnr.example": httpx2.Response(503), "ecb.example": httpx2.ConnectError("no route")}
    with pytest.raises(ExceptionGroup) as raised:
        reader(db, ["RON", "EUR"], answers, []).look()
    assert {str(failure).partition(" ")[0] for failure in raised.value.exceptions} == {"BNR", "ECB"}
