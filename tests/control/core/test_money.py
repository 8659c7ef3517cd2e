"""Amounts survive the way into integer pico-units and back, or are refused."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from control_app.core.money import from_pico, to_pico
from control_app.core.numbers import Pico


@given(st.integers(min_value=-(10**40), max_value=10**40))
def test_every_number_of_pico_units_is_an_exact_amount_and_comes_back(pico: Pico) -> None:
    assert to_pico(from_pico(pico)) == pico


@given(st.decimals(min_value=0, max_value=10**6, places=12))
def test_an_amount_of_twelve_decimals_loses_nothing(amount: Decimal) -> None:
    assert from_pico(to_pico(amount)) == amount


def test_a_pico_unit_is_a_millionth_of_a_millionth() -> None:
    assert to_pico(Decimal("0.000008")) == 8_000_000
    assert to_pico(Decimal("1E+3")) == 10**15
    assert str(from_pico(Pico(1))) == "1E-12"


@pytest.mark.parametrize("amount", ["0.0000000000001", "1.0000000000005", "NaN", "Infinity", "-Infinity"])
def test_an_amount_that_would_lose_digits_is_refused(amount: str) -> None:
    with pytest.raises(ValueError, match=r"decimals|no amount"):
        to_pico(Decimal(amount))
