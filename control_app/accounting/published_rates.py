"""Rates of exchange as central banks publish them, one XML file for each day.

The National Bank of Romania tells lei for one unit of a currency, or for as many as `multiplier` says; the European Central Bank
tells units of a currency for one euro.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from typing import Literal
from xml.etree import ElementTree as ET

from control_app.core.exchange import Rate
from control_app.core.failures import words_of

Bank = Literal["BNR", "ECB"]
HOMES: Mapping[Bank, str] = {"BNR": "RON", "ECB": "EUR"}
KEPT = 8
"""Decimals of a rate that is worked out of two others."""
EPOCH = date(1970, 1, 1).toordinal()


@dataclass(frozen=True)
class Published:
    """What *bank* published for a `day`, days since 1970 UTC. `worth`: of one unit of each currency, in the bank's own."""

    bank: Bank
    day: int
    worth: Mapping[str, Fraction]

    def rate(self, base: str, currency: str) -> Rate | None:
        """Units of *currency* for one of *base*; None where the bank does not tell one of them."""
        if base not in self.worth or currency not in self.worth:
            return None
        value = self.worth[base] / self.worth[currency]
        rounded = (2 * value.numerator * 10**KEPT + value.denominator) // (2 * value.denominator)
        return Rate(base, Decimal(f"{rounded}E-{KEPT}").normalize(), self.bank, self.day)


def bank_for(base: str, currency: str) -> Bank:
    """Whose rate holds between two currencies."""
    return "BNR" if "RON" in (base, currency) else "ECB"


def read(bank: Bank, text: bytes) -> Published:
    """What *bank* published, the newest day of it; raises ValueError for what is not its file."""
    try:
        # From a bank's own address, by TLS; expat refuses entities that grow.
        root = ET.fromstring(text)  # noqa: S314
        days = [cube for cube in root.iter() if _name(cube) == "Cube" and _day_of(bank, cube)]
        newest = max(days, key=lambda cube: _day_of(bank, cube))
        worth = {HOMES[bank]: Fraction(1), **dict(_worth(bank, newest))}
        return Published(bank, date.fromisoformat(_day_of(bank, newest)).toordinal() - EPOCH, worth)
    except (ET.ParseError, KeyError, ValueError, InvalidOperation, OverflowError) as error:
        raise ValueError(f"{bank} published no rates that can be read: {words_of(error)}") from None


def _worth(bank: Bank, cube: ET.Element) -> Iterator[tuple[str, Fraction]]:
    for told in cube:
        currency = told.attrib["currency"]
        if bank == "BNR":
            yield currency, _positive(told.text or "") / _positive(told.get("multiplier", "1"))
        else:
            yield currency, 1 / _positive(told.attrib["rate"])


def _positive(text: str) -> Fraction:
    found = Fraction(Decimal(text))
    if found <= 0:
        raise ValueError(f"{text!r} is no rate")
    return found


def _day_of(bank: Bank, cube: ET.Element) -> str:
    return cube.get("date" if bank == "BNR" else "time", "")


def _name(element: ET.Element) -> str:
    return element.tag.rpartition("}")[2]
