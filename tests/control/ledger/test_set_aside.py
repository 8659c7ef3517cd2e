"""A row that is unreadable or absurd is set aside with its text, holds its key, and stops no other row."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from control_app.core.numbers import Month
from control_app.core.time import DAY, Range
from control_app.gateway.port import Unreadable
from control_app.ledger.absurd import MOST_TOKENS
from control_app.ledger.holds import Holds
from tests.control.support.ledgers import NOW, OCTOBER, Books, row, small_world
from tests.control.support.recomputation import at

BROKEN = Unreadable("r7", at("2026-10-07T12:00:00.5"), "k1", "k1", "Expected `int`, got `null`", '{"id":"r7"}')


@pytest.fixture
def books(tmp_path: Path) -> Books:
    books = small_world(tmp_path)
    books.holders({"k1": "acme", "k2": "globex"}, 1)
    books.ledger.ingest((), NOW, "rows", NOW)
    books.db.connection.execute("INSERT INTO readings (id, first_at, at, started, dropped) VALUES (1, 0, ?, NULL, 0)", [NOW])
    return books


def aside(books: Books) -> list[tuple[Any, ...]]:
    query = "SELECT s.id, s.at, k.gateway_id, s.reason, s.text FROM set_aside s JOIN keys k ON k.id = s.key ORDER BY s.at"
    return books.db.connection.execute(query).fetchall()


def held(books: Books) -> set[tuple[int | None, str]]:
    return {(hold.customer, hold.code) for hold in Holds(books.db).within(OCTOBER)}


def test_a_row_that_could_not_be_read_is_kept_with_its_text_and_the_others_are_taken(books: Books) -> None:
    done = books.ledger.ingest([row(), BROKEN, row(key="k2")], NOW)
    assert (done.read, done.new, done.aside) == (3, 2, 1)
    assert aside(books) == [("r7", BROKEN.at, "k1", BROKEN.reason, BROKEN.text)]
    assert books.used().requests == 2


@pytest.mark.parametrize("count", [None, -1, 1.5, MOST_TOKENS + 1, 2**53, 2**63 - 1])
@pytest.mark.parametrize("kind", ["prompt", "cached_read", "cached_write", "completion", "reasoning"])
def test_a_count_that_no_request_has_sets_its_row_aside(books: Books, kind: str, count: Any) -> None:
    odd = row(**{kind: count})
    books.take(row(), odd)
    ((name, time, key, reason, text),) = aside(books)
    assert (name, time, key, reason) == (odd.id, odd.at, "k1", "a count is no whole number from 0 to 1,000,000,000")
    assert json.loads(text)[kind] == count
    assert books.used().requests == 1


def test_the_largest_counts_that_are_credible_are_taken(books: Books) -> None:
    books.take(row(prompt=MOST_TOKENS, cached_read=MOST_TOKENS, completion=MOST_TOKENS, reasoning=MOST_TOKENS))
    assert aside(books) == []


@pytest.mark.parametrize("time", [None, -1, 2**62, "yesterday"])
def test_a_time_that_no_calendar_has_sets_its_row_aside_under_the_time_when_it_was_seen(books: Books, time: Any) -> None:
    books.take(row(), row()._replace(at=time))
    ((_, kept, _, reason, _),) = aside(books)
    assert (kept, reason) == (NOW, "its time is in no calendar")
    assert books.used().requests == 1


@pytest.mark.parametrize("name", ["id", "key", "key_name", "model"])
def test_a_row_without_a_name_is_set_aside(books: Books, name: str) -> None:
    nameless: dict[str, Any] = {name: None}
    books.take(row(), row()._replace(**nameless))
    assert [reason for *_, reason, _ in aside(books)] == ["a name is missing"]
    assert books.used().requests == 1


def test_a_row_that_is_set_aside_holds_who_holds_its_key_and_nobody_else(books: Books) -> None:
    books.take(row(key="k2"), BROKEN, row(prompt=2**53))
    (hold,) = Holds(books.db).within(OCTOBER)
    assert (hold.code, hold.customer, hold.since) == ("set-aside", books.customer("acme"), at("2026-10-05T12:00"))
    assert hold.message.startswith("2 rows with key 'k1' were set aside; the first is 'r")
    assert hold.message.endswith("a count is no whole number from 0 to 1,000,000,000")


def test_a_row_of_another_month_holds_nobody_in_this_one(books: Books) -> None:
    books.take(BROKEN._replace(at=OCTOBER.end))
    assert held(books) == set()


def test_a_row_that_names_no_key_holds_nobody_that_is_billed(books: Books) -> None:
    books.take(BROKEN._replace(key="", key_name=""))
    assert held(books) == {(0, "set-aside")}


def test_a_row_that_comes_again_is_aside_once(books: Books) -> None:
    for _ in range(3):
        books.take(BROKEN, row(id="odd", prompt=-1))
    assert len(aside(books)) == 2


def test_a_row_that_comes_again_and_can_be_taken_is_not_aside_any_more(books: Books) -> None:
    books.take(BROKEN, row(at("2026-10-07T12:00"), id="odd", prompt=-1))
    books.take(row(BROKEN.at, id="r7"), row(at("2026-10-07T12:00"), id="odd"))
    assert aside(books) == []
    assert books.used().requests == 2


# In forints and in dong, of which a dollar has 360 and 26,000: 30,000 and 1,000 dollars a day.
@pytest.mark.parametrize("units", [30_000 * 360, 1_000 * 26_000])
def test_no_sum_of_a_day_a_month_or_a_customer_overflows(books: Books, units: int) -> None:
    each, start = 1_000, at("2026-10-05T00:00")
    books.price("dear", 0, {"prompt": Decimal(1), "completion": Decimal(1)})
    tokens: dict[str, Any] = {"prompt": each, "cached_read": 0, "completion": 0, "reasoning": 0}
    books.take(*(row(start + number, model="dear", **tokens) for number in range(units // each)))
    total, acme, october = units * 10**12, books.customer("acme"), Month(2026 * 12 + 9)
    assert total > 2**63
    for found in (books.used(), books.used(customer=acme), books.used(key=books.key("k1")), books.used(Range(start, start + DAY))):
        assert found.amount == total
    assert books.reader.billed_to(october) == {acme: total}
    (billed,) = books.reader.billed(october, Range(acme, acme + 1))
    assert billed[-1].amount == total
    assert books.ledger.correct(key=books.key("k1")) == units // each
    assert books.used(customer=acme).amount == total
