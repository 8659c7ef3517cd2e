"""A price book in another currency: its numbers are its own, and the lists for others are dollars by a rate that a person gave."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from control_app.core.clock import utc
from control_app.gateway.bifrost.sheet import sheet_text
from control_app.pricing.book import PriceBookError
from control_app.pricing.bounds import DOLLARS
from control_app.pricing.catalog import Catalog
from control_app.pricing.dollars import DollarRate, currency_of_lists, listed_in_dollars
from control_app.pricing.offers import AnnotationError, parse_offer
from control_app.pricing.snapshot import Snapshot
from control_app.pricing.store import PriceBook
from control_app.service.tables import open_database
from control_app.storage.database import Db
from tests.control.support.clocks import Clock, Source
from tests.control.support.models import NAME, model, priced

EURO = DollarRate(Decimal("1.0842"), date(2026, 11, 30))
EUROS = replace(DOLLARS, currency="EUR")
FORINTS = replace(DOLLARS, currency="HUF", token=Decimal(4), request=Decimal(36_000), first_token=Decimal("0.08"))
SCHEMA = json.loads((Path(__file__).parent / "schemas" / "openrouter-2.4.json").read_text())
PRICES = st.decimals(min_value=0, max_value=Decimal("0.01"), places=12)


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Db]:
    db = open_database(tmp_path / "control.sqlite3")
    yield db
    db.close()


def published(db: Db, document: dict[str, object]) -> Snapshot:
    return Catalog(Source(model(document)), PriceBook(db, Clock(), EUROS, EURO), sheet_text, Clock()).current()


def test_all_that_others_read_is_in_dollars_and_all_that_is_billed_in_the_books_currency(db: Db) -> None:
    current = published(db, priced(prompt="0.00001", request="0.002"))
    assert json.loads(current.documents.flat.body)["data"][0]["pricing"]["prompt"] == "0.000010842"
    (document,) = json.loads(current.documents.current.body)["data"]
    jsonschema.Draft202012Validator(SCHEMA).validate(document)
    assert document["input_modalities"][0]["pricing"][0]["cost_usd"] == "0.000010842"
    assert document["pricing"] == [{"type": "request", "unit": "request", "cost_usd": "0.0021684"}]
    assert json.loads(current.documents.sheet.body, parse_float=Decimal)[f"kubeai/{NAME}"]["input_cost_per_token"] == Decimal("0.000010842")
    assert current.sheet_rates[NAME].decimals()["prompt"] == Decimal("0.000010842")
    assert current.rates[NAME].decimals()["prompt"] == current.offers[0].prices["prompt"] == Decimal("0.00001")
    assert db.connection.execute("SELECT prompt FROM price_versions").fetchall() == [(10_000_000,)]


def test_the_rate_is_told_with_its_day() -> None:
    assert currency_of_lists("EUR", EURO) == "USD, 1 EUR = 1.0842 USD of 2026-11-30"
    assert currency_of_lists("USD", None) == "USD"


def test_a_book_in_dollars_is_published_as_it_is_written() -> None:
    offer = parse_offer(model())
    assert listed_in_dollars(offer, None) is offer


@given(PRICES, st.decimals(min_value=Decimal("0.00001"), max_value=2, places=8))
def test_nothing_is_listed_for_less_than_it_costs_nor_for_a_unit_of_the_last_decimal_more(price: Decimal, rate: Decimal) -> None:
    listed = DollarRate(rate, EURO.of).of_price(price)
    assert 0 <= listed - price * rate < Decimal("1E-12")
    assert bool(listed) == bool(price), "what costs something is not listed as free"


@given(PRICES)
def test_whatever_the_price_the_document_in_dollars_is_valid(price: Decimal) -> None:
    offer = EURO.of_offer(parse_offer(model(priced(prompt=f"{price:f}"))))
    assert re.fullmatch(r"\d+(\.\d+)?", offer.document["pricing"]["prompt"])
    assert offer.document["pricing"]["image"] == "0"


def test_the_bounds_of_a_slip_are_in_the_books_currency() -> None:
    assert parse_offer(model(priced(prompt="3.5")), FORINTS).prices["prompt"] == Decimal("3.5")
    with pytest.raises(AnnotationError, match=r"pricing\.prompt is '4\.5', more than 4; a price is HUF for one token"):
        parse_offer(model(priced(prompt="4.5")), FORINTS)


def test_a_stored_price_outlives_a_restart_whatever_the_bounds(db: Db) -> None:
    for document in (priced(prompt="0.07"), "{"):
        current = Catalog(Source(model(document)), PriceBook(db, Clock(), FORINTS, EURO), sheet_text, Clock()).current()
        assert [offer.model for offer in current.offers] == [NAME]


def test_a_book_is_never_read_in_another_currency_than_its_prices_were_written_in(db: Db) -> None:
    euros = PriceBook(db, utc, EUROS, EURO)
    euros.open()
    Catalog(Source(model()), euros, sheet_text, Clock()).current()
    with pytest.raises(PriceBookError, match="is in EUR, and would be read as USD: go on with EUR, or begin a new database for USD"):
        PriceBook(db, utc).open()
    euros.open()


def test_a_book_without_prices_takes_the_currency_that_it_is_given(db: Db) -> None:
    for bounds in (DOLLARS, EUROS):
        PriceBook(db, utc, bounds).open()
    assert db.connection.execute("SELECT currency, largest_row FROM price_book").fetchall() == [("EUR", 10**15)]


def test_a_book_of_before_the_currency_was_kept_is_in_that_of_the_settings(db: Db) -> None:
    Catalog(Source(model()), PriceBook(db, Clock()), sheet_text, Clock()).current()
    PriceBook(db, utc, replace(EUROS, row=Decimal(900))).open()
    assert db.connection.execute("SELECT currency, largest_row FROM price_book").fetchall() == [("EUR", 900 * 10**12)]
