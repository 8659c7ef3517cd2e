"""Prices are exact, or refused."""

from __future__ import annotations

import re
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from control_app.pricing.prices import PriceError, parse_price, parse_prices, plain


@pytest.mark.parametrize("text", ["0", "0.000008", "0.01", "0.000000000001", "0.0000080000000000000"])
def test_a_plain_decimal_string_is_the_price(text: str) -> None:
    assert parse_price("prompt", text) == Decimal(text)


@pytest.mark.parametrize("text", ["-1", "+1", "8e-6", "0,8", ".5", "5.", "", " 1", "1 USD", "$1", "NaN", "Infinity", "\u0661"])
def test_anything_else_is_refused_with_what_to_write(text: str) -> None:
    with pytest.raises(PriceError, match=r'not a plain decimal; write it like "0\.000008"') as refused:
        parse_price("completion", text)
    assert f"pricing.completion is {text!r}" in str(refused.value)


@pytest.mark.parametrize("number", [0.000008, 8e-06, 1, True, None])
def test_a_json_number_is_refused_for_readers_would_round_it(number: object) -> None:
    with pytest.raises(PriceError, match=r"pricing\.prompt is .*, not a string in quotes; write "):
        parse_price("prompt", number)


def test_a_number_is_called_one() -> None:
    with pytest.raises(PriceError, match=r"pricing\.prompt is the number 0\.000008, not a string in quotes"):
        parse_price("prompt", Decimal("0.000008"))


def test_every_broken_price_is_named() -> None:
    with pytest.raises(PriceError) as refused:
        parse_prices({"completion": "x", "image": "1", "discount": 0.5})
    for part in ("pricing.prompt is missing", "pricing.completion is 'x'", "pricing.image is '1'", "pricing.discount is not supported"):
        assert part in str(refused.value)


def test_more_decimals_than_the_ledger_counts_are_refused() -> None:
    with pytest.raises(PriceError, match="more than 12 decimals"):
        parse_price("prompt", "0.0000000000001")


@pytest.mark.parametrize("kind", ["prompt", "completion"])
def test_a_missing_price_is_no_zero(kind: str) -> None:
    pricing = {"prompt": "0.001", "completion": "0.002"}
    del pricing[kind]
    with pytest.raises(PriceError, match=f'pricing.{kind} is missing; "0" would make it free'):
        parse_prices(pricing)


def test_a_kind_that_no_row_measures_may_only_be_zero() -> None:
    assert "image" not in parse_prices({"prompt": "0.001", "completion": "0.002", "image": "0"})
    with pytest.raises(PriceError, match=r"pricing\.image is '0\.01', but no usage row measures it"):
        parse_prices({"prompt": "0.001", "completion": "0.002", "image": "0.01"})


@pytest.mark.parametrize("key", ["overrides", "discount"])
def test_prices_that_depend_on_something_are_refused(key: str) -> None:
    with pytest.raises(PriceError, match=f"pricing.{key} is not supported"):
        parse_prices({"prompt": "0.001", "completion": "0.002", key: []})


def test_an_absent_cache_price_stays_absent_and_an_explicit_zero_stays_zero() -> None:
    assert "input_cache_read" not in parse_prices({"prompt": "0.001", "completion": "0.002"})
    assert parse_prices({"prompt": "0.001", "completion": "0.002", "input_cache_read": "0"})["input_cache_read"] == 0


@pytest.mark.parametrize(("kind", "text"), [("prompt", "8"), ("completion", "0.010000000001"), ("request", "100.01")])
def test_a_price_for_a_million_is_no_price_for_one(kind: str, text: str) -> None:
    with pytest.raises(PriceError, match=f"pricing.{kind} is '{text}', more than .*; a price is USD for one token or request"):
        parse_price(kind, text)


def test_a_request_may_cost_more_than_a_token() -> None:
    assert parse_price("request", "100") == 100


@given(st.decimals(min_value=0, max_value=Decimal("0.01"), places=12))
def test_what_is_published_is_plain_and_the_very_price(price: Decimal) -> None:
    text = plain(price)
    assert re.fullmatch(r"\d+(\.\d+)?", text)
    assert Decimal(text) == price == parse_price("prompt", text)
