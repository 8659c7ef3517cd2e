"""How a model's price stands, and what keeps prices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from control_app.offers import Offer
from control_app.rates import Rates


class PriceBookError(Exception):
    """What a person asked of the price book cannot be; the message says why."""


@dataclass(frozen=True)
class Standing:
    """How a model stands: its newest price version, and what waits.

    `rates`: None where the price was withdrawn. `offer`: as accepted last; None where withdrawn, or where today's rules
    would refuse it. `features`: the model's, when its offer was accepted. `pending`: waits for a person since `pending_since`.
    """

    version: int
    effective_from: int
    rates: Rates | None
    offer: Offer | None
    features: Sequence[str] = ()
    pending: Offer | None = None
    pending_since: int = 0

    def holds(self, offer: Offer | None) -> bool:
        """Whether nothing is to be done for an annotation that offers this; None: it offers nothing good."""
        if offer is None:
            return self.pending is None
        return offer == self.pending or (self.pending is None and offer == self.offer)


class Book(Protocol):
    """Keeps accepted prices, so that the last good one outlives a broken annotation and a restart."""

    def standings(self) -> Mapping[str, Standing]:
        """Every model that ever had a price."""
        ...

    def notice(self, model: str, offer: Offer | None, created: int, seen: Standing | None) -> Standing | None:
        """Take over what *model*'s annotation offers, None for nothing good, and return how the model stands then."""
        ...

    def accept(self, model: str, by: str, reason: str) -> None:
        """Put the change that waits in force."""
        ...

    def withdraw(self, model: str, by: str, reason: str) -> None:
        """End the model's price."""
        ...
