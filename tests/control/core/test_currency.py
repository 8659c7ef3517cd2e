"""Minor units, and rounding."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal

import pytest
from babel.numbers import get_currency_precision, list_currencies
from hypothesis import given
from hypothesis import strategies as st

from control_app.core.currency import apportioned, decimals_of, minor_of, minor_text, rounded, units
from control_app.core.numbers import Minor, Pico


@pytest.mark.parametrize(("currency", "decimals"), [("USD", 2), ("EUR", 2), ("RON", 2), ("JPY", 0), ("KWD", 3), ("UYW", 4)])
def test_a_currency_has_as_many_decimals_as_iso_4217_says(currency: str, decimals: int) -> None:
    assert decimals_of(currency) == decimals


@pytest.mark.parametrize("currency", sorted(list_currencies()))
def test_decimals_are_those_of_unicodes_table_unless_it_leaves_out_what_nobody_writes(currency: str) -> None:
    """CLDR says 0 where people write no minor unit though ISO 4217 has one (HUF); then our books keep it."""
    assert get_currency_precision(currency) in (decimals_of(currency), 0)


@pytest.mark.parametrize(
    ("amount", "cents"),
    [("0", 0), ("0.004999999999", 0), ("0.005", 1), ("0.014999999999", 1), ("0.015", 2), ("12.345", 1235), ("0.994999999999", 99)],
)
def test_half_a_cent_is_rounded_up(amount: str, cents: int) -> None:
    assert rounded(Pico(int(Decimal(amount) * 10**12)), 2) == cents


@given(st.integers(0, 10**19), st.sampled_from([0, 2, 3, 4]))
def test_rounding_is_that_of_decimal(pico: Pico, decimals: int) -> None:
    exact = Decimal(f"{pico}E-12")
    expected = exact.quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_UP)
    assert units(rounded(pico, decimals), decimals) == expected
    assert minor_text(rounded(pico, decimals), decimals) == format(expected, "f")


CENT = 10**10
"""Pico-units."""


def cents(*amounts: str) -> list[Pico]:
    return [Pico(int(Decimal(amount) * 10**10)) for amount in amounts]


AMOUNTS = st.lists(st.integers(0, 10**13), max_size=30)


@given(AMOUNTS, st.sampled_from([0, 2, 3, 4]))
def test_parts_add_up_to_their_sum_rounded_once_and_none_is_off_by_a_whole_minor_unit(amounts: list[Pico], decimals: int) -> None:
    parts = apportioned(amounts, 10 ** (12 - decimals))
    assert sum(parts) == rounded(Pico(sum(amounts)), decimals)
    for part, amount in zip(parts, amounts, strict=True):
        assert part >= 0
        assert abs(part * 10 ** (12 - decimals) - amount) < 10 ** (12 - decimals)


@given(AMOUNTS)
def test_no_part_is_larger_than_one_of_a_larger_amount(amounts: list[Pico]) -> None:
    ordered = [part for _, part in sorted(zip(amounts, apportioned(amounts, CENT), strict=True))]
    assert ordered == sorted(ordered)


def test_what_is_missing_goes_to_the_largest_remainders_and_of_equal_ones_to_the_first() -> None:
    # 0.334 + 0.333 + 0.333 = 1.00, which is 0.01 more than 0.33 three times; 0.015 four times is 0.06, which is 0.02 more.
    assert apportioned(cents("33.3", "33.4", "33.3"), CENT) == [33, 34, 33]
    assert apportioned(cents("1.5", "1.5", "1.5", "1.5"), CENT) == [2, 2, 1, 1]


def test_parts_that_are_whole_stay_as_they_are_and_no_parts_are_none() -> None:
    assert apportioned(cents("7", "0", "2"), CENT) == [7, 0, 2]
    assert apportioned([], CENT) == []


def test_amounts_are_written_with_all_decimals_and_without_an_exponent() -> None:
    assert [minor_text(Minor(minor), 2) for minor in (0, 5, 1230, -7, 10**12)] == ["0.00", "0.05", "12.30", "-0.07", "10000000000.00"]
    assert minor_text(Minor(-12), 0) == "-12"


def test_an_amount_in_minor_units_is_exact() -> None:
    assert minor_of(Decimal("12.3"), 2) == 1230


@pytest.mark.parametrize("amount", ["0.001", "NaN", "sNaN", "Infinity", "1e999999", "1e-999999"])
def test_an_amount_that_is_no_number_of_minor_units_is_refused(amount: str) -> None:
    with pytest.raises(ValueError, match=r"decimals|no amount"):
        minor_of(Decimal(amount), 2)
