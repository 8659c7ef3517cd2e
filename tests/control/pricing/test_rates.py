"""Rates with the fallbacks applied."""

from __future__ import annotations

from decimal import Decimal

from control_app.pricing.prices import parse_prices
from control_app.pricing.rates import Rates, resolve


def rates(**prices: str) -> Rates:
    return resolve(parse_prices({"prompt": "0.000002", "completion": "0.000004", **prices}))


def test_an_absent_cache_or_reasoning_rate_falls_back_and_an_absent_request_price_is_nothing() -> None:
    assert rates() == Rates._make([2_000_000, 2_000_000, 2_000_000, 4_000_000, 4_000_000, 0])


def test_an_explicit_zero_means_zero() -> None:
    found = rates(input_cache_read="0", input_cache_write="0", internal_reasoning="0")
    assert (found.input_cache_read, found.input_cache_write, found.internal_reasoning) == (0, 0, 0)


def test_every_kind_has_its_own_rate() -> None:
    found = rates(input_cache_read="0.000000000001", input_cache_write="0.000000000002", internal_reasoning="0.000000000003", request="0.5")
    assert found == Rates._make([2_000_000, 1, 2, 4_000_000, 3, 500_000_000_000])
    assert found.decimals()["request"] == Decimal("0.5")
