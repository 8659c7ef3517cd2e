"""Amounts between Decimal, in which we compute, and integer pico-units (10^-12 of the currency), which SQLite adds exactly."""

from __future__ import annotations

from decimal import Decimal

DECIMALS = 12
PICO = 10**DECIMALS


def to_pico(amount: Decimal) -> int:
    """*amount* in pico-units; raises ValueError where digits would be lost."""
    if not amount.is_finite():
        raise ValueError(f"{amount} is no amount")
    numerator, denominator = amount.as_integer_ratio()
    pico: int
    pico, rest = divmod(numerator * PICO, denominator)
    if rest:
        raise ValueError(f"{amount} has more than {DECIMALS} decimals")
    return pico


def from_pico(pico: int) -> Decimal:
    """The amount of *pico* pico-units, exactly: a Decimal made from text is never rounded."""
    return Decimal(f"{pico}E-{DECIMALS}")


def plain_amount(pico: int) -> str:
    """The amount of *pico* pico-units as it is on the wire: exact, in plain notation, without trailing zeros."""
    whole, rest = divmod(abs(pico), PICO)
    decimals = f".{rest:0{DECIMALS}}".rstrip("0") if rest else ""
    return f"{'-' if pico < 0 else ''}{whole}{decimals}"
