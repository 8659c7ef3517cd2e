"""What customers cancelled before the engine told its tokens: not billed, estimated in money, and held above a brake."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from control_app.core.money import from_pico, plain_amount
from control_app.core.numbers import CustomerNo, Pico
from control_app.ledger.usage import Usage

MOST_UNKNOWN = 20
"""So many requests that cannot be estimated are let through, as successes without usage are."""
METHOD = "the mean of the customer's billed requests of the model, else of everybody's"
"""How a cancelled request without tokens is estimated."""


@dataclass(frozen=True)
class CancelBrake:
    """Holds a customer whose estimate is above `share` of the month and above `amount`, in units of the price book's currency."""

    share: Decimal = Decimal("0.05")
    amount: Decimal = Decimal(20)


DEFAULT = CancelBrake()


@dataclass(frozen=True)
class Cancels:
    """A customer's cancelled requests without tokens. `amount`: the estimate, pico-units; `unknown`: of models nobody was billed for."""

    requests: int
    unknown: int
    amount: Pico
    billed: Pico

    @property
    def message(self) -> str:
        """What a person reads of it."""
        told = f"{self.requests} requests were cancelled before there were tokens, estimated at {plain_amount(self.amount)}"
        unknown = f"; {self.unknown} of them cannot be estimated" if self.unknown else ""
        return f"{told} beside {plain_amount(self.billed)} billed, by {METHOD}{unknown}"

    def is_above(self, brake: CancelBrake) -> bool:
        """Whether a person must look."""
        estimate = from_pico(self.amount)
        return self.unknown > MOST_UNKNOWN or (estimate > brake.amount and estimate > brake.share * from_pico(self.billed))


def cancels(used: Mapping[tuple[Any, ...], Usage]) -> Mapping[CustomerNo, Cancels]:
    """Of each customer that cancelled requests without tokens, in what was *used* by customer and model."""
    everybody: defaultdict[int, Usage] = defaultdict(Usage)
    billed: defaultdict[CustomerNo, int] = defaultdict(int)
    for (customer, model), usage in used.items():
        everybody[model] += usage
        billed[customer] += usage.amount
    found: dict[CustomerNo, Cancels] = {}
    for (customer, model), usage in used.items():
        if usage.cancelled:
            before = found.get(customer, Cancels(0, 0, Pico(0), Pico(billed[customer])))
            found[customer] = _with(before, usage, everybody[model])
    return found


def _with(before: Cancels, own: Usage, everybody: Usage) -> Cancels:
    like = own if _rated(own) else everybody
    count, rated = own.cancelled, _rated(like)
    amount = Pico(before.amount + (count * like.amount // rated if rated else 0))
    return Cancels(before.requests + count, before.unknown + (0 if rated else count), amount, before.billed)


def _rated(usage: Usage) -> int:
    return usage.requests - usage.unrated
