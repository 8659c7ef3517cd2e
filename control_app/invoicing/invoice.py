"""What a customer owes for a month: lines of model x price kind x price version, each rounded once (docs/billing-rules.md)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from operator import attrgetter
from typing import NamedTuple

from control_app.invoicing.currency import rounded
from control_app.rates import Rates
from control_app.usage import Usage

# Which of a usage's sums each price kind bills; the amount of a row is the sum over these (ledger_sql.py has the same formula).
MEASURES: Mapping[str, str] = {
    "prompt": "plain_prompt",
    "input_cache_read": "cached_read",
    "input_cache_write": "cached_write",
    "completion": "plain_completion",
    "internal_reasoning": "reasoning",
    "request": "requests",
}
_measured = attrgetter(*(MEASURES[kind] for kind in Rates._fields))


class Cell(NamedTuple):
    """Usage of a customer that is billed together. `month`: in which it started; `price`: the version, 0 for none."""

    customer: int
    month: int
    model: int
    price: int
    usage: Usage


class Line(NamedTuple):
    """One price kind. `rate`: pico-units for one of `quantity`; `exact`: pico-units; `amount`: minor units."""

    kind: str
    rate: int
    quantity: int
    exact: int
    amount: int


class ModelLines(NamedTuple):
    """A model at one price version. `month`: of the usage; `lines`: none where the model is free, or has no price."""

    model: str
    month: int
    version: int
    usage: Usage
    lines: Sequence[Line]


@dataclass(frozen=True)
class Invoice:
    """A customer's month. `month`: the billing period; usage of other months in `models` came late."""

    customer: int
    month: int
    models: Sequence[ModelLines]

    @property
    def lines(self) -> Iterator[Line]:
        """All lines."""
        return (line for model in self.models for line in model.lines)

    @cached_property
    def total(self) -> int:
        """Minor units: the sum of the rounded lines."""
        return sum(line.amount for line in self.lines)

    @property
    def exact(self) -> int:
        """Pico-units, not rounded."""
        return sum(line.exact for line in self.lines)

    @property
    def tokens(self) -> int:
        """Prompt and completion."""
        return sum(model.usage.tokens for model in self.models)

    @property
    def requests(self) -> int:
        """Billed requests."""
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
    customer: int, month: int, cells: Iterable[Cell], rates: Mapping[int, Rates], models: Mapping[int, str], decimals: int
) -> Invoice:
    """The invoice of one *customer*'s *cells* in a currency of so many *decimals*; by model, usage of the month first."""
    parts = [_model(cell, models[cell.model], rates.get(cell.price), decimals) for cell in cells]
    return Invoice(customer, month, sorted(parts, key=lambda part: (-part.month, part.model, part.version)))


def _model(cell: Cell, name: str, rates: Rates | None, decimals: int) -> ModelLines:
    lines: list[Line] = []
    if rates:
        for kind, rate, quantity in zip(Rates._fields, rates, _measured(cell.usage), strict=True):
            if rate and quantity:
                exact = rate * quantity
                lines.append(Line(kind, rate, quantity, exact, rounded(exact, decimals)))
    return ModelLines(name, cell.month, cell.price, cell.usage, lines)
