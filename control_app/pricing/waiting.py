"""Which prices wait for a person, and what they are held against (docs/billing-rules.md, Rating a row)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import NamedTuple

from control_app.core.time import DAY
from control_app.pricing.bounds import Bounds
from control_app.pricing.kinds import KINDS
from control_app.pricing.rates import Rates, resolve

SPANS = {"now": 0, "a day ago": DAY, "30 days ago": 30 * DAY}
"""How far back a price is looked for that a new one is held against: steps that are small one by one add up."""


class PastPrice(NamedTuple):
    """A price version: in force from `since` on (microseconds since 1970 UTC), without `rates` where a sale ended.

    `by_person`: a person put it in force, or ended the sale.
    """

    since: int
    rates: Rates | None
    by_person: bool


def why_it_waits(prices: Mapping[str, Decimal], past: Sequence[PastPrice], now: int, bounds: Bounds) -> str | None:
    """Why a person is asked before *prices* are in force; None: nobody is.

    *past*: the model's price versions, the newest first; *now*: microseconds since 1970 UTC.
    """
    rates = resolve(prices)
    now = max([now, *(version.since for version in past[:1])])  # also where the clock was set back
    if rates in (version.rates for version in _within(past, now - DAY)):
        return None
    references = {when: old for when, span in SPANS.items() if (old := _reference(past, now - span))}
    if not references:
        return next(_of_a_first_price(prices, bounds), None)
    jumps = (f"{kind} {_jump(*pair)} {when}" for when, old in references.items() for kind, *pair in _jumps(old, rates))
    return next(jumps, None)


def _within(past: Iterable[PastPrice], start: int) -> Iterator[PastPrice]:
    """The versions that were in force at *start* or later."""
    for version in past:
        yield version
        if version.since <= start:
            return


def _reference(past: Sequence[PastPrice], at: int) -> Rates | None:
    """The rates *at* a time: not from before the newest that a person decided on, and the first ones where there were none yet."""
    found = None
    for version in past:
        found = version.rates
        if version.since <= at or version.by_person:
            break
    return found


def _jumps(old: Rates, new: Rates) -> Iterator[tuple[str, Decimal, Decimal]]:
    """The kinds that change by more than half, to 0 or from 0: slips of a digit look like this."""
    before = old.decimals()
    for kind, price in new.decimals().items():
        was = before[kind]
        if was != price and (not was or not price or 2 * abs(price - was) > was):
            yield kind, was, price


def _jump(old: Decimal, new: Decimal) -> str:
    return f"goes from {old.normalize():f} to {new.normalize():f}, by more than half, to 0 or from 0, against the price"


def _of_a_first_price(prices: Mapping[str, Decimal], bounds: Bounds) -> Iterator[str]:
    for kind in KINDS.values():
        price, most = prices.get(kind.name), bounds.most_unseen(kind.unit)
        if price is not None and price > most:
            yield f"{kind.name} {price.normalize():f} is a first price above {most.normalize():f} for one {kind.unit.name}"
        if kind.gift_waits and kind.is_given_away(prices):
            yield f'{kind.name} is "0", and gives {kind.things} away that cost the {kind.fallback} price otherwise'
