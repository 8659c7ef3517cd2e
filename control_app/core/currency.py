"""A currency's minor unit, and the one place where an amount is rounded."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from control_app.core.money import DECIMALS
from control_app.core.numbers import Minor, Pico

LARGEST = 12
"""Exponent of ten of what nobody owes."""
# ISO 4217, list one of 2026-01-01: currencies whose minor unit is not a hundredth.
_MINOR = {
    **dict.fromkeys(
        ["BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "UYI", "VND", "VUV", "XAF", "XOF", "XPF"], 0
    ),
    **dict.fromkeys(["BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"], 3),
    **dict.fromkeys(("CLF", "UYW"), 4),
}


def decimals_of(currency: str) -> int:
    """Digits of the minor unit of an ISO 4217 code: 2 for USD."""
    return _MINOR.get(currency, 2)


def pico_of(minor: Minor, decimals: int) -> Pico:
    """An amount in minor units, in a currency of so many *decimals*, as pico-units."""
    unit: int = 10 ** (DECIMALS - decimals)
    return Pico(minor * unit)


def rounded(pico: Pico, decimals: int) -> Minor:
    """A non-negative amount in pico-units as minor units of so many *decimals*, half a unit upwards (docs/billing-rules.md, Units)."""
    unit = pico_of(Minor(1), decimals)
    return Minor((pico + unit // 2) // unit)


def apportioned(amounts: Sequence[int], unit: int) -> list[int]:
    """Non-negative *amounts* in *unit*s, which add up to the amounts' sum, rounded once, half a unit upwards.

    Each is rounded down, and what is missing then is given one by one to the largest remainders, of equal ones to the first: none
    is off by a whole unit (docs/billing-rules.md, Units).
    """
    parts = [divmod(amount, unit) for amount in amounts]
    missing = (2 * sum(amounts) + unit) // (2 * unit) - sum(whole for whole, _ in parts)
    raised = set(sorted(range(len(parts)), key=lambda place: -parts[place][1])[:missing])
    return [whole + (place in raised) for place, (whole, _) in enumerate(parts)]


def minor_text(minor: Minor, decimals: int) -> str:
    """An amount in minor units as it is written: `12.30`, always with all *decimals*."""
    digits = str(abs(minor)).rjust(decimals + 1, "0")
    text = f"{digits[:-decimals]}.{digits[-decimals:]}" if decimals else digits
    return f"-{text}" if minor < 0 else text


def units(minor: Minor, decimals: int) -> Decimal:
    """An amount in minor units as units of the currency."""
    return Decimal(minor).scaleb(-decimals)


def minor_of(amount: Decimal, decimals: int) -> Minor:
    """*amount* in minor units; ValueError where it has more decimals than the currency."""
    if not amount.is_finite() or amount.adjusted() > LARGEST:
        raise ValueError(f"{amount} is no amount")
    scaled = amount.scaleb(decimals)
    if scaled != scaled.to_integral_value():
        raise ValueError(f"{amount} has more than {decimals} decimals")
    return Minor(int(scaled))
