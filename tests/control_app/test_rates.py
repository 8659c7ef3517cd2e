"""Rates with the fallbacks applied, and the changes that wait for a person."""

from __future__ import annotations

from decimal import Decimal

import pytest

from control_app.prices import parse_prices
from control_app.rates import Rates, resolve, waits_for_a_person


def rates(**prices: str) -> Rates:
    return resolve(parse_prices({"prompt": "0.000002", "completion": "0.000004", **prices}))


def test_an_absent_cache_or_reasoning_rate_falls_back_and_an_absent_request_price_is_nothing() -> None:
    assert rates() == Rates(2_000_000, 2_000_000, 2_000_000, 4_000_000, 4_000_000, 0)


def test_an_explicit_zero_means_zero() -> None:
    found = rates(input_cache_read="0", input_cache_write="0", internal_reasoning="0")
    assert (found.input_cache_read, found.input_cache_write, found.internal_reasoning) == (0, 0, 0)


def test_every_kind_has_its_own_rate() -> None:
    found = rates(input_cache_read="0.000000000001", input_cache_write="0.000000000002", internal_reasoning="0.000000000003", request="0.5")
    assert found == Rates(2_000_000, 1, 2, 4_000_000, 3, 500_000_000_000)
    assert found.decimals()["request"] == Decimal("0.5")


@pytest.mark.parametrize("prompt", ["0.000002", "0.000003", "0.000001", "0.00000250001"])
def test_a_change_of_at_most_half_does_not_wait(prompt: str) -> None:
    assert not waits_for_a_person(rates(), rates(prompt=prompt))


@pytest.mark.parametrize("kind", Rates._fields)
@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("0.000002", "0.000003000001"),
        ("0.000002", "0.000000999999"),
        ("0.000002", "0"),
        ("0", "0.000000000001"),
        ("0.000002", "0.01"),
    ],
)
def test_a_change_of_any_kind_above_half_or_to_zero_or_from_zero_waits(kind: str, old: str, new: str) -> None:
    base = dict.fromkeys(Rates._fields, "0.000002")
    assert waits_for_a_person(rates(**{**base, kind: old}), rates(**{**base, kind: new}))


def test_a_change_that_comes_by_a_fallback_counts() -> None:
    assert waits_for_a_person(rates(input_cache_read="0"), rates())
    assert not waits_for_a_person(rates(), rates(input_cache_read="0.000002"))
