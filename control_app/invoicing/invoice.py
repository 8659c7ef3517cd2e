"""What a customer owes for a month: lines of model x price kind x price version, rounded once over all of them (docs/billing-rules.md)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from operator import attrgetter
from typing import NamedTuple

from control_app.core.currency import decimals_of, rounded
from control_app.core.exchange import Tender
from control_app.core.numbers import CustomerNo, Minor, Month, Pico
from control_app.ledger.usage import Usage
from control_app.pricing.kinds import KINDS
from control_app.pricing.rates import Rates

# What each price kind bills of a usage, in the order of Rates; the ledger rates rows by the same table.
_measured = attrgetter(*(kind.measure for kind in KINDS.values()))


NOTHING = Minor(0)


class Cell(NamedTuple):
    """Usage of a customer that is billed together. `month`: in which it started; `price`: the version, 0 for none."""

    customer: CustomerNo
    month: Month
    model: int
    price: int
    usage: Usage


class Line(NamedTuple):
    """One price kind. `rate`: pico-units for one of `quantity`; `exact`: pico-units; both of the price book's currency.

    `amount`: minor units of what the invoice is paid in, 0 where the line by itself rounds to nothing: it is among the small amounts.
    """

    kind: str
    rate: Pico
    quantity: int
    exact: Pico
    amount: Minor


class ModelLines(NamedTuple):
    """A model at one price version. `month`: of the usage; `lines`: none where the model is free, or has no price."""

    model: str
    month: Month
    version: int
    usage: Usage
    lines: Sequence[Line]


@dataclass(frozen=True)
class Invoice:
    """A customer's month. `month`: the billing period; usage of other months in `models` was not billed with those.

    `tender`: in what it is paid, and so the amounts of its lines; `small`: minor units, what the lines that round to nothing by
    themselves come to together.
    """

    customer: CustomerNo
    month: Month
    tender: Tender
    models: Sequence[ModelLines] = ()
    small: Minor = NOTHING

    @cached_property
    def lines(self) -> Sequence[Line]:
        """The lines of all models."""
        return [line for model in self.models for line in model.lines]

    @cached_property
    def total(self) -> Minor:
        """Minor units: what is owed exactly, rounded once, which is what the lines and the small amounts add up to."""
        return Minor(sum([line.amount for line in self.lines]) + self.small)

    @property
    def booked(self) -> Minor:
        """The total in the price book's currency, minor units."""
        rate = self.tender.rate
        return rounded(self.exact, decimals_of(rate.base)) if rate else self.total

    @cached_property
    def exact(self) -> Pico:
        """What is owed before rounding, in pico-units of the price book's currency."""
        return Pico(sum([line.exact for line in self.lines]))

    @property
    def tokens(self) -> int:
        """Tokens of all models, prompt and completion."""
        return sum(model.usage.tokens for model in self.models)

    @property
    def requests(self) -> int:
        """Billed requests of all models."""
        return sum(model.usage.requests for model in self.models)

    @property
    def adds_up(self) -> bool:
        """Whether the lines are what the rows add up to, as they always should."""
        return bool(self.unrated) or self.exact == sum(model.usage.amount for model in self.models)

    @property
    def unrated(self) -> int:
        """Requests that have no price, so that nothing of them is in the lines."""
        return sum(model.usage.unrated for model in self.models)


def invoice_of(  # noqa: PLR0913, PLR0917 (what its lines are made of)
    customer: CustomerNo, month: Month, cells: Iterable[Cell], rates: Mapping[int, Rates], models: Mapping[int, str], tender: Tender
) -> Invoice:
    """The invoice of one *customer*'s *cells*, paid in *tender*; by model, usage of the month first.

    Lines that round to nothing by themselves share one, which comes after the others.
    """
    parts = [(cell, models[cell.model], _priced(cell.usage, rates.get(cell.price))) for cell in cells]
    parts.sort(key=lambda part: (-part[0].month, part[1], part[0].price))
    exact = [line[3] for *_, lines in parts for line in lines]
    nothing = tender.nothing_to
    large = [amount for amount in exact if amount >= nothing]
    *amounts, small = tender.apportioned([*large, Pico(sum(exact) - sum(large))])
    left = iter(amounts)
    told = [
        ModelLines(name, cell.month, cell.price, cell.usage, [Line(*line, next(left) if line[3] >= nothing else NOTHING) for line in lines])
        for cell, name, lines in parts
    ]
    return Invoice(customer, month, tender, told, small)


def _priced(usage: Usage, rates: Rates | None) -> list[tuple[str, Pico, int, Pico]]:
    """Kind, rate, quantity and exact amount of each line."""
    if rates is None:
        return []
    return [
        (kind, rate, quantity, Pico(rate * quantity))
        for kind, rate, quantity in zip(KINDS, rates, _measured(usage), strict=True)
        if rate and quantity
    ]
