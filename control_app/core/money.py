"""Amounts between Decimal, in which we compute, and integer pico-units (10^-12 of the currency), which SQLite adds exactly."""

from __future__ import annotations

from decimal import Decimal

from control_app.core.numbers import Pico

DECIMALS = 12
PICO = 10**DECIMALS
LIMB = 10**9
"""A sum that may pass 2^63 pico-units (9.2 million units) is kept in two integers: how often this, and the rest."""


def to_pico(amount: Decimal) -> Pico:
    """*amount* in pico-units; raises ValueError where digits would be lost."""
    if not amount.is_finite():
        raise ValueError(f"{amount} is no amount")
    numerator, denominator = amount.as_integer_ratio()
    pico: int
    pico, rest = divmod(numerator * PICO, denominator)
    if rest:
        raise ValueError(f"{amount} has more than {DECIMALS} decimals")
    return Pico(pico)


def from_pico(pico: Pico) -> Decimal:
    """The amount of *pico* pico-units, exactly: a Decimal made from text is never rounded."""
    return Decimal(f"{pico}E-{DECIMALS}")


def plain_amount(pico: Pico) -> str:
    """The amount of *pico* pico-units as it is on the wire: exact, in plain notation, without trailing zeros."""
    whole, rest = divmod(abs(pico), PICO)
    decimals = f".{rest:0{DECIMALS}}".rstrip("0") if rest else ""
    return f"{'-' if pico < 0 else ''}{whole}{decimals}"


def joined(high: int, low: int) -> Pico:
    """The amount of which these are the limbs, or sums of limbs."""
    return Pico(high * LIMB + low)
