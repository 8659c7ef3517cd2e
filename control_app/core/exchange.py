"""In which currency an invoice is paid, and at what rate: amounts of the price book become amounts of it, and are rounded once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from functools import cache, cached_property

from control_app.core.currency import apportioned, decimals_of
from control_app.core.money import DECIMALS, from_pico
from control_app.core.numbers import Minor, Pico


@dataclass(frozen=True)
class Rate:
    """`value` units of a currency for one of the price book's, `base`.

    `source`: who published or gave it; `day`: for which it holds, days since 1970 UTC.
    """

    base: str
    value: Decimal
    source: str
    day: int


@dataclass(frozen=True)
class Tender:
    """What an invoice is paid in. `unit`: the smallest amount of `currency`; `rate`: None where it is the price book's."""

    currency: str
    unit: Decimal
    rate: Rate | None = None

    @cached_property
    def decimals(self) -> int:
        """Digits of a minor unit, of which `unit` may be several: 2 for 0.05."""
        exponent = self.unit.normalize().as_tuple().exponent
        return max(0, -int(exponent))

    def exact(self, amount: Pico) -> Decimal:
        """What *amount* of the price book's currency comes to, exactly."""
        if self.rate is None:
            return from_pico(amount)
        _, digits, exponent = self.rate.value.as_tuple()
        value = int("".join(map(str, digits)))
        return Decimal(f"{amount * value}E{int(exponent) - DECIMALS}")

    def rounded(self, amount: Decimal) -> Minor:
        """A non-negative *amount* of this currency in minor units, half a `unit` upwards."""
        part = Fraction(amount) / Fraction(self.unit)
        return Minor((2 * part.numerator + part.denominator) // (2 * part.denominator) * self._minor_units)

    def apportioned(self, amounts: Sequence[Pico]) -> list[Minor]:
        """Non-negative *amounts* of the price book's currency in minor units that add up to their sum, rounded once (core/currency.py)."""
        (worth, unit), minor = self._worth, self._minor_units
        return [Minor(part * minor) for part in apportioned([amount * worth for amount in amounts], unit)]

    @cached_property
    def nothing_to(self) -> Pico:
        """The smallest amount of the price book's currency that does not round to nothing by itself."""
        worth, unit = self._worth
        return Pico(-(-unit // (2 * worth)))

    @cached_property
    def _worth(self) -> tuple[int, int]:
        """How many of its units a pico-unit of the price book's currency is, as a ratio: invoices have many lines."""
        worth = Fraction(1 if self.rate is None else self.rate.value) / (Fraction(self.unit) * 10**DECIMALS)
        return worth.numerator, worth.denominator

    @cached_property
    def _minor_units(self) -> int:
        """Of `unit`."""
        return int(self.unit.scaleb(self.decimals))


@cache
def in_book_currency(currency: str) -> Tender:
    """Of an invoice in the price book's own *currency*, whose minor unit is ISO 4217's."""
    return Tender(currency, Decimal(1).scaleb(-decimals_of(currency)))
