"""What clients cancel: billed by its tokens; without tokens it is counted, estimated in money, and held above a brake."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from control_app.core.money import PICO, to_pico
from control_app.core.numbers import CustomerNo
from control_app.core.time import Range
from control_app.ledger.cancels import DEFAULT, METHOD, CancelBrake, Cancels, cancels
from control_app.ledger.holds import Holds
from control_app.ledger.usage import Usage
from tests.control.support.ledgers import NOW, OCTOBER, Books, row, small_world
from tests.control.support.recomputation import at

NOTHING: dict[str, Any] = {"prompt": 0, "cached_read": 0, "completion": 0, "reasoning": 0}


@pytest.fixture
def books(tmp_path: Path) -> Books:
    books = small_world(tmp_path)
    books.price("dear", 0, {"prompt": Decimal(1), "completion": Decimal(1)})
    books.holders({"k1": "acme", "k2": "globex"}, 1)
    books.ledger.ingest((), NOW, "rows", NOW)
    books.db.connection.execute("INSERT INTO readings (id, first_at, at, started, dropped) VALUES (1, 0, ?, NULL, 0)", [NOW])
    return books


def dear(prompt: int, **other: Any) -> Any:
    given: dict[str, Any] = NOTHING | {"prompt": prompt} | other
    return row(model="dear", **given)


def stopped(number: int = 1, model: str = "dear", key: str = "k1") -> list[Any]:
    return [row(at("2026-10-06T00:00") + step, key, model, succeeded=False, **NOTHING) for step in range(number)]


def held(books: Books, brake: CancelBrake = DEFAULT) -> list[tuple[int | None, str]]:
    books.db.connection.execute("UPDATE hours SET counted = logged")
    return [(hold.customer, hold.code) for hold in Holds(books.db, brake).within(OCTOBER)]


def found(books: Books) -> dict[str, Cancels]:
    names = books.names("customers")
    return {names[customer]: one for customer, one in cancels(books.reader.by(("customer", "model"), OCTOBER)).items()}


def test_a_cancelled_request_is_billed_by_its_tokens(books: Books) -> None:
    books.take(row(succeeded=False))
    assert (books.cost(), books.used().cancelled, books.used().unused) == (Decimal("0.000104"), 0, 0)


def test_a_cancelled_request_without_tokens_is_counted_apart_and_not_billed_not_even_by_request(books: Books) -> None:
    books.price("by-request", 0, {"prompt": Decimal(0), "completion": Decimal(0), "request": Decimal("0.006")})
    books.take(*stopped(model="by-request"))
    for within in (OCTOBER, Range(OCTOBER.start, at("2026-10-06T00:30"))):
        assert books.used(within) == Usage(cancelled=1)


def test_cancelled_requests_are_no_successes_without_usage(books: Books) -> None:
    books.take(dear(5), *stopped(30))
    assert held(books, CancelBrake(amount=Decimal(1000))) == []


def test_a_cancelled_request_is_estimated_at_the_mean_of_the_customers_own_of_that_model(books: Books) -> None:
    books.take(dear(10), dear(20), row(), dear(900, key="k2"), *stopped(3), *stopped(2, "llama"))
    assert found(books) == {"acme": Cancels(5, 0, to_pico(Decimal("45.000208")), to_pico(Decimal("30.000104")))}


def test_where_the_customer_was_billed_nothing_of_the_model_everybodys_mean_is_taken(books: Books) -> None:
    books.take(dear(10, key="k2"), dear(20, key="k2"), *stopped(3))
    assert found(books) == {"acme": Cancels(3, 0, to_pico(Decimal(45)), to_pico(Decimal(0)))}


def test_where_nobody_was_billed_for_the_model_nothing_can_be_estimated(books: Books) -> None:
    books.take(row(model="unpriced"), *stopped(3, "unpriced"), *stopped(4))
    assert found(books) == {"acme": Cancels(7, 7, to_pico(Decimal(0)), to_pico(Decimal(0)))}


@pytest.mark.parametrize(
    ("billed", "cancelled", "expected"),
    [
        (500, 20, False),  # 20 of 500, which is not over 20
        (420, 21, False),  # 21 of 420, which is not over 5 %
        (419, 21, True),
        (1000, 51, True),
    ],
)
def test_the_brake_holds_above_a_share_of_the_month_and_an_amount(books: Books, billed: int, cancelled: int, *, expected: bool) -> None:
    books.take(*(dear(1, time=OCTOBER.start + number) for number in range(billed)), *stopped(cancelled))
    assert held(books) == ([(books.customer("acme"), "cancelled")] if expected else [])


def test_the_brake_holds_nobody_else(books: Books) -> None:
    books.take(dear(10), dear(10, key="k2"), *stopped(30))
    assert held(books) == [(books.customer("acme"), "cancelled")]


def test_a_person_may_set_another_brake(books: Books) -> None:
    books.take(dear(10), *stopped(2))
    assert held(books) == []
    assert held(books, CancelBrake(Decimal(1), Decimal(19))) == [(books.customer("acme"), "cancelled")]
    assert held(books, CancelBrake(Decimal(2), Decimal(19))) == []


@pytest.mark.parametrize(("number", "expected"), [(20, False), (21, True)])
def test_what_cannot_be_estimated_holds_as_successes_without_usage_do(books: Books, number: int, *, expected: bool) -> None:
    books.take(*stopped(number))
    assert bool(held(books)) is expected


def test_the_hold_names_the_estimate_and_its_method(books: Books) -> None:
    books.take(dear(10), *stopped(3), *stopped(1, "unpriced"))
    books.db.connection.execute("UPDATE hours SET counted = logged")
    (hold,) = Holds(books.db).within(OCTOBER)
    assert hold.message == (
        f"4 requests were cancelled before there were tokens, estimated at 30 beside 10 billed, by {METHOD}; 1 of them cannot be estimated"
    )


def test_the_estimate_of_a_large_month_does_not_overflow() -> None:
    used = {(1, 1): Usage(requests=3, cancelled=2, amount=to_pico(Decimal(3 * 10**9)))}
    assert used[1, 1].amount > 2**63
    assert cancels(used)[CustomerNo(1)].amount == 2 * 10**9 * PICO
