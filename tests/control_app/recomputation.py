"""What rows cost and whose they are, worked out one by one in decimals, straight from docs/billing-rules.md and from nothing of ours."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

from control_app.gateway import UsageRow

MOST = Decimal(1_000)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Price(NamedTuple):
    """In force from `since`; USD a unit. None in `rates`: withdrawn."""

    since: int
    rates: Mapping[str, Decimal] | None


@dataclass(frozen=True)
class World:
    """Prices by model and holders by key, each in order of time."""

    prices: Mapping[str, Sequence[Price]]
    holders: Mapping[str, Sequence[tuple[int, str | None]]]


def at(text: str) -> int:
    """Microseconds of a time like `2026-10-01T12:00`, UTC."""
    return int((datetime.fromisoformat(text).replace(tzinfo=UTC) - EPOCH) / timedelta(microseconds=1))


def cost(row: UsageRow, world: World) -> Decimal | None:
    """In units of the currency; None where no price was in force, or where it is more than any request costs."""
    if row.prompt == 0 and row.completion == 0:
        return Decimal(0)
    version = _in_force(world.prices.get(row.model, ()), row.at)
    if version is None or version.rates is None:
        return None
    rates = version.rates
    prompt, completion = rates["prompt"], rates["completion"]
    plain = max(0, row.prompt - row.cached_read - row.cached_write)
    amount = (
        plain * prompt
        + row.cached_read * rates.get("input_cache_read", prompt)
        + row.cached_write * rates.get("input_cache_write", prompt)
        + max(0, row.completion - row.reasoning) * completion
        + row.reasoning * rates.get("internal_reasoning", completion)
        + rates.get("request", Decimal(0))
    )
    return amount if amount <= MOST else None


def customer(row: UsageRow, world: World) -> str | None:
    """Who is billed for *row*."""
    if row.customer:
        return row.customer
    held = [holder for since, holder in world.holders.get(row.key, ()) if since <= row.at]
    return held[-1] if held else None


def ledger(rows: Iterable[UsageRow], world: World) -> Counter[tuple[str | None, str, str]]:
    """Cost by customer, model and day of all rows, each id once: the first one counts. Unpriced rows cost nothing here."""
    found: Counter[tuple[str | None, str, str]] = Counter()
    for row in {row.id: row for row in reversed(list(rows))}.values():
        day = (EPOCH + timedelta(microseconds=row.at)).date().isoformat()
        found[customer(row, world), row.model, day] += cost(row, world) or Decimal(0)  # type: ignore[assignment] # decimals count too
    return found


def _in_force(prices: Sequence[Price], time: int) -> Price | None:
    past = [price for price in prices if price.since <= time]
    return past[-1] if past else None
