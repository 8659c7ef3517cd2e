"""How a model's price stands, and what keeps prices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import NamedTuple, Protocol

from control_app.core.time import duration
from control_app.pricing.bounds import Bounds
from control_app.pricing.dollars import DollarRate
from control_app.pricing.offers import Model, Offer
from control_app.pricing.rates import Rates

GRACE = timedelta(days=7)
"""For so long a model is sold whose annotation is broken or gone, unless a person ends its sale."""


UNSEEN = timedelta(days=1)
"""A time between two readings that is no part of the grace: nobody could see that something was wrong, or a clock was."""
SEEN_AGAIN = timedelta(hours=1)
"""How often it is noted that a model lapses."""


class PriceBookError(Exception):
    """What a person asked of the price book cannot be; the message says why."""


@dataclass(frozen=True)
class Pending:
    """An offer that waits for a person: `since` then, for the reason `why`. `changed`: who wrote it into the annotation, and when."""

    offer: Offer
    since: int
    why: str
    changed: str


class Lapse(NamedTuple):
    """A model's annotation is broken or gone `since` then, which was `seen` last. A time that lies ahead is a wrong clock's."""

    since: int
    seen: int

    def seen_again(self, now: int) -> Lapse:
        """The lapse as it is seen *now*."""
        if now < self.seen:
            return Lapse(now, now)
        gap = now - self.seen
        return Lapse(self.since + (gap if gap >= duration(UNSEEN) else 0), now)

    def is_fresh(self, now: int) -> bool:
        """Whether it need not be noted again *now*."""
        return 0 <= now - self.seen < duration(SEEN_AGAIN) and not self.is_over(now)

    def is_over(self, now: int) -> bool:
        """Whether the grace has ended *now*, by a reading that saw it lapse all the while."""
        return now - self.since >= duration(GRACE)


@dataclass(frozen=True)
class Standing:
    """How a model stands: its newest price version, and what waits. Times are microseconds since 1970 UTC.

    `version`: None where none of its prices was ever in force. `rates`: None there, and where its sale is over; `by_person`: a
    person put them in force, or ended the sale. `offer`: as accepted last; None where nothing is sold, or where today's rules
    would refuse it. `features`: the model's, when its offer was accepted. `lapse`: its annotation is broken or gone.
    """

    version: int | None
    effective_from: int
    rates: Rates | None
    by_person: bool
    offer: Offer | None
    features: Sequence[str] = ()
    pending: Pending | None = None
    lapse: Lapse | None = None

    @property
    def is_over(self) -> bool:
        """Whether it was for sale and is no more."""
        return self.version is not None and self.rates is None

    @property
    def is_ended(self) -> bool:
        """Whether a person ended its sale."""
        return self.is_over and self.by_person

    def holds(self, offer: Offer | None, now: int) -> bool:
        """Whether an annotation that offers *offer* changes nothing here. None: an annotation that offers nothing good."""
        waits = self.pending.offer if self.pending else None
        if offer is None:
            return waits is None and (self.offer is None or (self.lapse is not None and self.lapse.is_fresh(now)))
        return self.lapse is None and offer == (waits or self.offer)


class Book(Protocol):
    """Keeps accepted prices, so that the last good one outlives a broken annotation, a vanished model, and a restart."""

    @property
    def bounds(self) -> Bounds:
        """What a price may be, and a first one that nobody looks at."""
        ...

    @property
    def dollars(self) -> DollarRate | None:
        """By which the lists are in dollars; None where the book is."""
        ...

    def standings(self) -> Mapping[str, Standing]:
        """Every model that ever had a price, or has one that waits."""
        ...

    def notice(self, model: Model, offer: Offer | None, seen: Standing | None) -> Standing | None:
        """Take over what *model*'s annotation offers, None for nothing good, and return how the model stands then."""
        ...

    def accept(self, model: str, by: str, reason: str) -> None:
        """Put the price that waits in force."""
        ...

    def withdraw(self, model: str, by: str, reason: str) -> None:
        """End the model's sale: usage after it has no price."""
        ...
