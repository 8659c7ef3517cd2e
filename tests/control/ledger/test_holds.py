"""Why a customer is held, and that nobody else is."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from control_app.core.time import HOUR
from control_app.gateway.port import Customer, Key
from control_app.ledger.hold import REASONS, hold_for, may_be_released
from control_app.ledger.holds import Holds
from tests.control.support.ledgers import NOW, OCTOBER, RATES, Books, row, small_world
from tests.control.support.recomputation import at

DOCS = Path(__file__).parents[3] / "docs"


@pytest.fixture
def books(tmp_path: Path) -> Books:
    books = small_world(tmp_path)
    books.holders({"k1": "acme", "k2": "globex", "stray": None}, 1)
    books.ledger.ingest((), NOW, "rows", NOW)
    counted(books, NOW)
    return books


def counted(books: Books, until: int) -> None:
    """The gateway's counters were read all the time."""
    books.db.connection.execute("INSERT OR REPLACE INTO readings VALUES (1, 0, ?, NULL, 0)", [until])


def held(books: Books) -> set[tuple[int | None, str]]:
    return {(hold.customer, hold.code) for hold in Holds(books.db).within(OCTOBER)}


def test_nobody_is_held_where_all_is_well(books: Books) -> None:
    books.take(row(), row(key="k2"))
    assert held(books) == set()


def test_usage_without_a_price_holds_its_customer_and_no_other(books: Books) -> None:
    books.take(row(), row(key="k2", model="unknown"))
    assert held(books) == {(books.customer("globex"), "unrated")}


def test_an_unmapped_key_makes_a_hold_only_if_it_has_rows_with_tokens(books: Books) -> None:
    books.take(row(key="stray", prompt=0, cached_read=0, completion=0, reasoning=0))
    assert held(books) == set()
    books.take(row(key="stray"))
    assert held(books) == {(0, "unmapped-key")}


def test_what_has_no_price_is_told_by_model_over_all_keys_of_a_customer(tmp_path: Path) -> None:
    books = small_world(tmp_path)
    books.holders({"k1": "acme", "k2": "acme"})
    books.take(*(row(f"2026-10-05T1{hour}:00", key=key, model=model) for hour, (key, model) in enumerate(UNPRICED)))
    told = [hold.message for hold in Holds(books.db).within(OCTOBER) if hold.code == "unrated"]
    # 60 x 1.00 + 40 x 0.10 + 20 x 2.00 a million = 0.000104.
    method = "if it costs as much as 'llama', the dearest of all models for it"
    assert told == [
        f"1 requests of 'other' have no price; 0.000104 at stake, {method}",
        f"2 requests of 'unpriced' have no price; 0.000208 at stake, {method}",
    ]


UNPRICED = (("k1", "unpriced"), ("k2", "unpriced"), ("k2", "other"), ("k2", "llama"))


def test_calls_of_our_own_key_hold_nobody(books: Books) -> None:
    books.take(*(row(key="stray", model="unknown") for _ in range(30)), *(row(key="stray", completion=0, prompt=0) for _ in range(30)))
    books.db.connection.execute(
        "INSERT INTO hours (key, hour, logged, counted) VALUES (?, ?, 0, 500)", [books.key("stray"), OCTOBER.start // HOUR]
    )
    assert {code for _, code in held(books)} >= {"unmapped-key", "unrated", "missing-requests"}
    books.db.connection.execute("INSERT INTO own_keys VALUES ('stray')")
    assert held(books) == set()


def test_an_unmapped_key_makes_a_hold_too_if_its_requests_cost_something_without_tokens(books: Books) -> None:
    books.price("by-request", 0, {"prompt": Decimal(0), "completion": Decimal(0), "request": Decimal("0.006")})
    books.take(row(key="stray", model="by-request", prompt=0, cached_read=0, completion=0, reasoning=0))
    assert held(books) == {(0, "unmapped-key")}


def test_a_key_that_lost_its_customer_holds_the_last_one(books: Books) -> None:
    keys = [Key("k1", "k1", None, is_active=False, updated_at=NOW), Key("k2", "k2", "globex", is_active=True, updated_at=0)]
    books.directory([Customer("acme", "Acme"), Customer("globex", "Globex")], keys, OCTOBER.end - 1)
    assert held(books) == set()
    books.take(row())
    assert held(books) == {(books.customer("acme"), "lost-customer")}


def test_lost_rows_hold_the_customer_of_their_key_and_say_from_when_to_when(books: Books) -> None:
    books.take(row())
    statement = "INSERT INTO hours (key, hour, logged, counted) VALUES (?, ?, 0, 30)"
    books.db.connection.execute(statement, [books.key("k1"), at("2026-10-20T10:00") // 3_600_000_000])
    (hold,) = Holds(books.db).within(OCTOBER)
    assert hold == hold_for(
        "missing-requests",
        "30 requests with key 'k1' were counted but not logged: 2026-10-20 10:00 to 11:00 (30)",
        at("2026-10-20T10:00"),
        books.customer("acme"),
    )


@pytest.mark.parametrize(("key", "customer"), [("k2", "globex"), ("stray", None)])
def test_a_key_all_of_whose_rows_were_lost_holds_who_held_it(books: Books, key: str, customer: str | None) -> None:
    statement = "INSERT INTO hours (key, hour, logged, counted) VALUES (?, ?, 0, 30)"
    books.db.connection.execute(statement, [books.key(key), at("2026-10-20T10:00") // 3_600_000_000])
    assert held(books) == {(books.customer(customer) if customer else 0, "missing-requests")}


@pytest.mark.parametrize(("silent_for", "expected"), [(60, set[object]()), (61, {(None, "not-counted")})])
def test_counters_that_nobody_reads_any_more_hold_everybody_after_an_hour(books: Books, silent_for: int, expected: set[object]) -> None:
    counted(books, OCTOBER.end - silent_for * 60_000_000)
    assert held(books) == expected


def test_counters_that_were_never_read_hold_everybody(books: Books) -> None:
    books.db.connection.execute("DELETE FROM readings")
    assert held(books) == {(None, "not-counted")}


def test_the_time_before_the_first_reading_holds_nobody(books: Books) -> None:
    books.db.connection.execute("UPDATE readings SET first_at = ?", [OCTOBER.start + 86_400_000_000])
    assert held(books) == set()


@pytest.mark.parametrize(("rows", "expected"), [(20, set[str]()), (21, {"not-counted"})])
def test_a_metric_that_counts_nothing_holds_the_customer_above_tolerance(books: Books, rows: int, expected: set[str]) -> None:
    books.take(*(row(OCTOBER.start + number) for number in range(rows)))
    assert held(books) == {(books.customer("acme"), code) for code in expected}


def test_giving_a_key_that_nobody_held_to_a_customer_lifts_the_hold_and_bills_its_rows(books: Books) -> None:
    books.take(row(key="stray"))
    books.holders({"k1": "acme", "k2": "globex", "stray": "globex"}, stray=NOW)
    assert held(books) == set()
    assert books.used(customer=books.customer("globex")).requests == 1


def test_deleting_a_key_that_lost_its_customer_lifts_the_hold(books: Books) -> None:
    books.take(row())
    everybody = [Customer("acme", "Acme"), Customer("globex", "Globex")]
    books.directory(everybody, [Key("k1", "k1", None, is_active=False, updated_at=0)], OCTOBER.end - 1)
    assert (books.customer("acme"), "lost-customer") in held(books)
    books.directory(everybody, [], NOW)
    assert held(books) == set()


def test_a_key_that_loses_its_customer_later_holds_no_month_before(books: Books) -> None:
    books.take(row())
    books.directory([Customer("acme", "Acme")], [Key("k1", "k1", None, is_active=False, updated_at=0)], NOW)
    assert held(books) == set()


@pytest.mark.parametrize(("rows", "expected"), [(20, False), (21, True)])
def test_successes_without_usage_hold_above_tolerance(books: Books, *, rows: int, expected: bool) -> None:
    silent: dict[str, Any] = {"prompt": 0, "cached_read": 0, "completion": 0, "reasoning": 0}
    books.take(*(row(OCTOBER.start + number, **silent) for number in range(rows)))
    assert ((books.customer("acme"), "without-usage") in held(books)) is expected


def test_a_row_read_again_with_other_tokens_holds_its_customer(books: Books) -> None:
    first = row()
    books.take(first)
    books.take(first._replace(prompt=7))
    assert held(books) == {(books.customer("acme"), "read-differently")}


def test_a_range_that_was_not_read_to_its_end_holds_everybody(tmp_path: Path) -> None:
    books = small_world(tmp_path)
    counted(books, NOW)
    assert held(books) == {(None, "not-read")}


def test_a_hold_goes_when_its_reason_goes(books: Books) -> None:
    books.take(row(model="new"))
    assert held(books) == {(books.customer("acme"), "unrated")}
    books.price("new", 0, RATES)
    model = books.db.connection.execute("SELECT id FROM models WHERE name = 'new'").fetchone()[0]
    books.ledger.correct(model=model)
    assert held(books) == set()


def test_every_hold_says_what_to_do() -> None:
    assert all(reason.remedy for reason in REASONS.values())


def test_what_has_no_price_no_customer_or_another_amount_is_never_released() -> None:
    assert [
        code for code in ("unrated", "too-dear", "unmapped-key", "not-read", "lines-differ", "odoo-differs") if may_be_released(code)
    ] == []


def test_a_code_that_is_nobodys_is_not_released() -> None:
    assert not may_be_released("odoo-product")


def test_whom_lost_requests_or_a_brake_hold_a_person_may_let_go() -> None:
    assert may_be_released("missing-requests")
    assert may_be_released("brake-invoice")


def test_every_reason_is_documented() -> None:
    pages = "".join((DOCS / name).read_text() for name in ("control-service.md", "invoicing.md"))
    assert [code for code in REASONS if f"`{code}`" not in pages] == []
