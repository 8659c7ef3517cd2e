"""Bounds in money: what is a slip, and what a person looks at before it is first charged."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from control_app.pricing.kinds import TOKEN, Unit


@dataclass(frozen=True)
class Bounds:
    """In units of the price book's `currency`, for one token or one request.

    A price above `token` or `request` is a slip: 0.01 for a token is 10,000 for a million. A first price above `first_token` or
    `first_request` waits for a person: what is meant for a thousand looks like this. A row of usage that would cost more than `row`
    is not rated: no request costs that.
    """

    currency: str
    token: Decimal
    request: Decimal
    first_token: Decimal
    first_request: Decimal
    row: Decimal

    def most(self, unit: Unit) -> Decimal:
        """The largest price of one *unit*."""
        return self.token if unit is TOKEN else self.request

    def most_unseen(self, unit: Unit) -> Decimal:
        """The largest first price of one *unit* that nobody looks at."""
        return self.first_token if unit is TOKEN else self.first_request


DOLLARS = Bounds("USD", Decimal("0.01"), Decimal(100), Decimal("0.0002"), Decimal("0.05"), Decimal(1000))
UNBOUNDED = Bounds("", *(Decimal("Infinity"),) * 5)
"""For prices that were held to bounds when they came."""
