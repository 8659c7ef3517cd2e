"""Minor units, and rounding."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from control_app.invoicing.currency import decimals_of, minor_of, minor_text, rounded, units


@pytest.mark.parametrize(("currency", "decimals"), [("USD", 2), ("EUR", 2), ("RON", 2), ("JPY", 0), ("KWD", 3), ("UYW", 4)])
def test_a_currency_has_as_many_decimals_as_iso_4217_says(currency: str, decimals: int) -> None:
    assert decimals_of(currency) == decimals


@pytest.mark.parametrize(
    ("amount", "cents"),
    [("0", 0), ("0.004999999999", 0), ("0.005", 1), ("0.014999999999", 1), ("0.015", 2), ("12.345", 1235), ("0.994999999999", 99)],
)
def test_half_a_cent_is_rounded_up(amount: str, cents: int) -> None:
    assert rounded(int(Decimal(amount) * 10**12), 2) == cents


@given(st.integers(0, 10**19), st.sampled_from([0, 2, 3, 4]))
def test_rounding_is_that_of_decimal(pico: int, decimals: int) -> None:
    exact = Decimal(f"{pico}E-12")
    expected = exact.quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_UP)
    assert units(rounded(pico, decimals), decimals) == expected
    assert minor_text(rounded(pico, decimals), decimals) == format(expected, "f")


def test_amounts_are_written_with_all_decimals_and_without_an_exponent() -> None:
    assert [minor_text(minor, 2) for minor in (0, 5, 1230, -7, 10**12)] == ["0.00", "0.05", "12.30", "-0.07", "10000000000.00"]
    assert minor_text(-12, 0) == "-12"


def test_an_amount_in_minor_units_is_exact() -> None:
    assert minor_of(Decimal("12.3"), 2) == 1230


@pytest.mark.parametrize("amount", ["0.001", "NaN", "sNaN", "Infinity", "1e999999", "1e-999999"])
def test_an_amount_that_is_no_number_of_minor_units_is_refused(amount: str) -> None:
    with pytest.raises(ValueError, match=r"decimals|no amount"):
        minor_of(Decimal(amount), 2)
