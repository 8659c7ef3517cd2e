"""What rows cost and whose they are, worked out one by one in decimals, straight from docs/billing-rules.md and from nothing of ours."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import ROUND_DOWN, ROUND_HALF_UP, Decimal
from typing import NamedTuple

from control_app.gateway.port import UsageRow

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
    rates = _rates(row, world)
    if row.prompt == 0 and row.completion == 0:
        return (rates or {}).get("request", Decimal(0)) if row.succeeded else Decimal(0)
    if rates is None:
        return None
    prompt, completion = rates["prompt"], rates["completion"]
    cached_read, cached_write, answered = agreed(row)
    amount = (
        (row.prompt - cached_read - cached_write) * prompt
        + cached_read * rates.get("input_cache_read", prompt)
        + cached_write * rates.get("input_cache_write", prompt)
        + (answered - row.reasoning) * completion
        + row.reasoning * rates.get("internal_reasoning", completion)
        + rates.get("request", Decimal(0))
    )
    return amount if amount <= MOST else None


def agreed(row: UsageRow) -> tuple[int, int, int]:
    """Cached reads, cached writes and completion of a row with tokens, by the table of rows that contradict themselves."""
    cached_read = min(row.cached_read, row.prompt)
    room = row.prompt - cached_read
    cached_write = min(row.cached_write, room)
    answered = row.completion
    if row.reasoning > row.completion:
        is_beside = row.total == row.prompt + row.completion + row.reasoning
        answered = row.completion + row.reasoning if is_beside else row.reasoning
    return cached_read, cached_write, answered


def tokens(row: UsageRow) -> int:
    """Prompt and completion of a row, as they are billed."""
    return row.prompt + agreed(row)[2] if row.prompt or row.completion else 0


def _rates(row: UsageRow, world: World) -> Mapping[str, Decimal] | None:
    """The model's, or an adapter's own, else those of its model."""
    base, is_adapter, _ = row.model.partition("_")
    for model in (row.model, base) if is_adapter else (row.model,):
        version = _in_force(world.prices.get(model, ()), row.at)
        if version and version.rates is not None:
            return version.rates
    return None


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


class Shares(NamedTuple):
    """What an invoice and its lines come to. `lines`: 0 for one that is among the `small` amounts."""

    lines: Sequence[Decimal]
    small: Decimal
    total: Decimal


def shares(exact: Sequence[Decimal], unit: Decimal) -> Shares:
    """An invoice of lines of these *exact* amounts, in a currency whose smallest coin is *unit*."""
    total = _in_units(sum(exact, Decimal(0)), unit, ROUND_HALF_UP)
    is_small = [amount < unit / 2 for amount in exact]
    sizes = {place: amount for place, amount in enumerate(exact) if not is_small[place]}
    sizes[len(exact)] = sum((amount for amount, small in zip(exact, is_small, strict=True) if small), Decimal(0))
    found = {place: _in_units(size, unit, ROUND_DOWN) for place, size in sizes.items()}
    while sum(found.values()) < total:
        # Of those that are furthest below what they are exactly, the first gets a coin more.
        furthest = max(found, key=lambda place: (sizes[place] - found[place], -place))
        found[furthest] += unit
    return Shares([found.get(place, Decimal(0)) for place in range(len(exact))], found[len(exact)], total)


def _in_units(amount: Decimal, unit: Decimal, how: str) -> Decimal:
    return (amount / unit).quantize(Decimal(1), how) * unit


def _in_force(prices: Sequence[Price], time: int) -> Price | None:
    past = [price for price in prices if price.since <= time]
    return past[-1] if past else None
