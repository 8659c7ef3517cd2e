"""What is not rated is told a cause at a time: of which model, how many requests of whom, and what is at stake by which method."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import pytest

from control_app.core.money import from_pico
from control_app.ledger.unrated import Cause, causes
from tests.control.support.ledgers import NOW, OCTOBER, RATES, Books, row, small_world
from tests.control.support.models import annotated
from tests.control.support.recomputation import at

# 60 x 1.00 + 40 x 0.10 + 20 x 2.00 a million.
ONE = Decimal("0.000104")


@pytest.fixture
def books(tmp_path: Path) -> Books:
    books = small_world(tmp_path)
    books.holders({"k1": "acme", "k2": "globex", "stray": None}, 1)
    return books


def only(books: Books) -> Cause:
    (cause,) = causes(books.db, OCTOBER)
    return cause


def told(books: Books) -> tuple[Decimal | None, str]:
    stake = only(books).stake
    return (from_pico(stake.amount), stake.method) if stake else (None, "")


def wait(books: Books, model: str, prompt: str) -> None:
    """A first price of *model* that a person has to accept."""
    document = annotated(id=model, pricing={"prompt": prompt, "completion": "0"})
    statement = "INSERT INTO pending_prices (model, document, features, seen_at) VALUES (?, ?, '[]', 0)"
    books.db.connection.execute(statement, [model, json.dumps(document)])


def test_a_cause_counts_the_requests_of_all_customers_of_a_model(books: Books) -> None:
    books.take(row(model="new"), row(key="k2", model="new"), row(key="k2", model="new"), row(key="stray", model="new"), row())
    cause = only(books)
    assert (cause.model, cause.requests) == ("new", {books.customer("acme"): 1, books.customer("globex"): 2, 0: 1})
    assert cause.message().startswith("4 requests of 'new' have no price; 0.000416 at stake, if it costs")
    assert cause.message(books.customer("globex")).startswith("2 requests of 'new' have no price; 0.000208 at stake, if it costs")


def test_a_model_that_was_sold_is_estimated_by_its_newest_price(books: Books) -> None:
    books.price("old", "2026-09-01T00:00", {kind: 5 * rate for kind, rate in RATES.items()})
    books.price("old", "2026-09-15T00:00", {kind: 3 * rate for kind, rate in RATES.items()})
    books.price("old", "2026-10-01T00:00", None)
    wait(books, "old", "0.01")
    books.take(row("2026-09-30T12:00", model="old"), row(model="old"))
    assert told(books) == (3 * ONE, "about, by its newest price")


def test_requests_before_the_first_price_was_in_force_are_estimated_by_it(books: Books) -> None:
    books.price("late", "2026-10-20T00:00", RATES)
    books.take(row("2026-10-19T23:59", model="late"), row("2026-10-20T00:00", model="late"))
    assert only(books).requests == {books.customer("acme"): 1}
    assert told(books) == (ONE, "about, by its newest price")


def test_a_model_whose_first_price_waits_is_estimated_by_that(books: Books) -> None:
    wait(books, "new", "0.001")
    books.take(row(model="new"))
    assert told(books) == (Decimal("0.1"), "by the price that waits for a person: control prices accept new")


@pytest.mark.parametrize("prices", [[], ["llama"]], ids=["no model has a price", "another model has one"])
def test_an_adapter_whose_models_first_price_waits_is_estimated_by_that_and_says_whose(tmp_path: Path, prices: list[str]) -> None:
    books = Books(tmp_path)
    for model in prices:
        books.price(model, 0, RATES)
    books.holders({"k1": "acme"})
    wait(books, "base", "0.001")
    books.take(row(model="base_painter"))
    assert told(books) == (
        Decimal("0.1"),
        "by the price of 'base', whose adapter it is, that waits for a person: control prices accept base",
    )


def test_an_adapters_own_price_that_waits_comes_before_its_models(books: Books) -> None:
    wait(books, "base_painter", "0.002")
    wait(books, "base", "0.001")
    books.take(row(model="base_painter"))
    assert told(books) == (Decimal("0.2"), "by the price that waits for a person: control prices accept base_painter")


def test_a_price_that_todays_rules_refuse_is_no_price(books: Books) -> None:
    wait(books, "new", "a lot")
    books.take(row(model="new"))
    assert told(books) == (ONE, "if it costs as much as 'llama', the dearest of all models for it")


def test_an_adapter_whose_models_sale_ended_is_estimated_as_the_model(books: Books) -> None:
    books.price("base", "2026-09-01T00:00", {kind: 2 * rate for kind, rate in RATES.items()})
    books.price("base", "2026-10-01T00:00", None)
    books.take(row(model="base_painter"))
    assert told(books) == (2 * ONE, "about, by the newest price of 'base', whose adapter it is")


def test_a_model_that_never_had_a_price_is_estimated_by_the_dearest_for_its_usage(books: Books) -> None:
    # For 60 + 40 cached in and 20 out: talker 60 + 40 + 20 x 9 = 280, reader 4 x 60 + 4 x 40 = 400.
    books.price("talker", 0, {"prompt": Decimal("0.000001"), "completion": Decimal("0.000009")})
    books.price("reader", 0, {"prompt": Decimal("0.000004"), "completion": Decimal(0)})
    books.take(row(model="new"))
    assert told(books) == (Decimal("0.0004"), "if it costs as much as 'reader', the dearest of all models for it")


def test_where_no_model_has_a_price_what_is_at_stake_is_not_known(tmp_path: Path) -> None:
    books = Books(tmp_path)
    books.holders({"k1": "acme"})
    books.take(row(model="new"))
    assert told(books) == (None, "")
    for customer in (None, books.customer("acme")):
        assert (
            only(books).message(customer) == "1 requests of 'new' have no price; what is at stake is not known, since no model has a price"
        )


def test_requests_that_are_too_dear_to_be_rated_are_a_cause_of_their_own(books: Books) -> None:
    books.price("dear", 0, {"prompt": Decimal("0.01"), "completion": Decimal(0)})
    books.price("dear", "2026-10-20T00:00", {"prompt": Decimal("0.001"), "completion": Decimal(0)})
    books.take(
        row(model="dear", prompt=900_000, cached_read=0),
        row(key="k2", model="dear", prompt=10, cached_read=0),
        row(key="k2", model="dear", prompt=10**9, cached_read=0),
        row("2026-10-21T00:00", key="k2", model="dear", prompt=10**7, cached_read=0),
        row(key="own", model="dear", prompt=10**9, cached_read=0),
    )
    books.db.connection.execute("INSERT INTO own_keys VALUES ('own')")
    assert only(books).message() == (
        "3 requests of 'dear' would each cost more than the largest row that is rated; 10019000 at stake, by their prices, of which"
        " the dearest costs 10000000"
    )


def test_calls_of_our_own_key_are_no_cause(books: Books) -> None:
    books.take(row(key="stray", model="new"))
    books.db.connection.execute("INSERT INTO own_keys VALUES ('stray')")
    assert causes(books.db, OCTOBER) == []


def test_what_is_rated_is_no_cause_and_neither_is_another_month(books: Books) -> None:
    books.take(row(), row("2026-09-30T23:59", model="new"), row(at("2026-11-01T00:00"), model="new"))
    assert causes(books.db, OCTOBER) == []


def test_what_waits_for_a_first_price_is_estimated_at_what_it_then_costs(books: Books) -> None:
    prices = {"prompt": Decimal("0.000003"), "completion": Decimal("0.000007")}
    wait(books, "new", "0.000003")
    books.take(row(model="new", completion=0, reasoning=0), row("2026-10-06T00:00", key="k2", model="new", completion=0, reasoning=0))
    stake = only(books).stake
    books.price("new", 0, prices)
    books.ledger.correct(model=books.model("new"))
    books.ledger.ingest((), NOW)
    assert causes(books.db, OCTOBER) == []
    assert stake
    assert from_pico(stake.amount) == books.cost()
