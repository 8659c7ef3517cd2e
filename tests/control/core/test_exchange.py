"""What an invoice is paid in: amounts of the price book become amounts of another currency, and are rounded once."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal, localcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st

from control_app.core.exchange import Rate, Tender, in_book_currency
from control_app.core.numbers import Pico

LEI = Tender("RON", Decimal("0.01"), Rate("USD", Decimal("4.3215"), "BNR", 20_000))
AMOUNTS = st.lists(st.integers(0, 10**16), max_size=20)
UNITS = st.sampled_from(["1", "0.01", "0.001", "0.05", "0.5", "10"])
RATES = st.decimals("0.0001", "30000", places=8)


@pytest.mark.parametrize(("currency", "decimals"), [("USD", 2), ("JPY", 0), ("KWD", 3)])
def test_in_the_price_books_currency_an_amount_stays_as_it_is(currency: str, decimals: int) -> None:
    tender = in_book_currency(currency)
    assert (tender.decimals, tender.rate, tender.exact(Pico(1_234_567_890_123))) == (decimals, None, Decimal("1.234567890123"))


def test_an_amount_is_converted_exactly_also_where_it_is_large() -> None:
    assert LEI.exact(Pico(10**12)) == Decimal("4.3215")
    assert str(LEI.exact(Pico(9_223_372_036_854_775_807))) == "39858802.2572679136499505"
    large = Tender("VND", Decimal(1), Rate("USD", Decimal("25345.12345678"), "ECB", 1))
    assert str(large.exact(Pico(10**25 + 1))) == "253451234567800000.00000002534512345678"


@pytest.mark.parametrize(
    ("unit", "decimals", "amount", "minor"), [("0.05", 2, "1.12", 110), ("0.05", 2, "1.125", 115), ("10", 0, "15", 20)]
)
def test_a_smallest_amount_of_several_minor_units_is_rounded_to(unit: str, decimals: int, amount: str, minor: int) -> None:
    tender = Tender("CHF", Decimal(unit))
    assert (tender.decimals, tender.rounded(Decimal(amount))) == (decimals, minor)


@given(st.integers(0, 10**11), UNITS, RATES)
def test_what_rounds_to_nothing_is_told_without_rounding(amount: Pico, unit: str, rate: Decimal) -> None:
    tender = Tender("XXX", Decimal(unit), Rate("USD", rate, "a test", 1))
    for near in (amount, max(0, tender.nothing_to - 1), tender.nothing_to):
        assert (near < tender.nothing_to) is (tender.rounded(tender.exact(Pico(near))) == 0)


@given(AMOUNTS, UNITS, RATES)
def test_parts_add_up_to_the_converted_sum_rounded_once_and_none_is_off_by_a_whole_unit(
    amounts: list[Pico], unit: str, rate: Decimal
) -> None:
    tender = Tender("XXX", Decimal(unit), Rate("USD", rate, "a test", 1))
    parts = [Decimal(part).scaleb(-tender.decimals) for part in tender.apportioned(amounts)]
    with localcontext(prec=80):
        exact = [Decimal(amount) * rate / 10**12 for amount in amounts]
        assert sum(parts) == (sum(exact, Decimal(0)) / Decimal(unit)).quantize(Decimal(1), ROUND_HALF_UP) * Decimal(unit)
        for part, amount in zip(parts, exact, strict=True):
            assert part >= 0
            assert abs(part - amount) < Decimal(unit)
