"""Requests that were counted and are not in the log, from when to when, whoever counted them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import NamedTuple

FEWEST = 20
PART = 500
"""Tolerated of a key's and a customer's requests: the larger of 20 and 0.2 %, a 500th; of a model's: 0.2 % (docs/billing-rules.md,
Periods)."""

BEFORE = 24
"""So many hours before a range tell what was under way when it began."""


@dataclass(frozen=True)
class Gap:
    """Requests that were counted and are not in the log, from hour to hour, in microseconds since 1970 UTC."""

    start: int
    end: int
    missing: int


def add_gap(gaps: list[Gap], gap: Gap) -> None:
    """Add a *gap* behind the others; adjacent hours are one."""
    if gaps and gaps[-1].end == gap.start:
        gap = Gap(gaps[-1].start, gap.end, gaps.pop().missing + gap.missing)
    gaps.append(gap)


def tolerance(requests: int) -> int:
    """How many of a key's or a customer's *requests* may be missing before a person must look."""
    return max(FEWEST, requests // PART)


class Unit(NamedTuple):
    """Hours from `first` to `last`, with what was logged and counted in them. `parted`: of much nobody knows whether it was answered."""

    first: int
    last: int
    logged: int
    counted: int
    parted: bool


def units(hours: Iterable[Unit], pauses: Sequence[tuple[int, int]]) -> Iterator[Unit]:
    """*hours* in their order; those over which nobody read a count as one."""
    # Of pauses that overlap the first one counts.
    spans = {hour: span for span in reversed(pauses) for hour in range(span[0], span[1] + 1)}
    for span, rows in groupby(hours, lambda hour: spans.get(hour.first, hour)):
        if isinstance(span, Unit):
            yield span
            continue
        parts = list(rows)
        counts = sum(part.logged for part in parts), sum(part.counted for part in parts)
        yield Unit(*span, *counts, parted=any(part.parted for part in parts))


def missing(found: Iterable[Unit]) -> Iterator[tuple[Unit, int]]:
    """Those that counted more than is logged, with how much."""
    return ((unit, lost) for unit, lost, _ in _compared(found) if lost > 0)


def under_way(found: Iterable[Unit]) -> int:
    """How many requests that are logged were not counted when the last of them ended."""
    return [0, *(ahead for *_, ahead in _compared(found))][-1]


def _compared(found: Iterable[Unit]) -> Iterator[tuple[Unit, int, int]]:
    """Each with what it counted more than is logged, and what was under way when it ended.

    A request is logged under its start and counted at its end: the first of what is counted was under way when the hour before ended.
    So what an hour logged and did not count is expected in the next one. Where much was counted by nobody it is so once and no more:
    what was never counted pays for no later loss. Of what is under way then, so much is known as was before.
    """
    before, ahead, known = None, 0, 0
    for unit in found:
        if before is None or before.last + 1 < unit.first:
            ahead = known = 0
        lost = unit.counted - ahead - unit.logged
        own = max(0, unit.counted - (min(ahead, known) if before and before.parted else ahead))
        before, ahead = unit, max(0, unit.logged - own)
        if not unit.parted:
            known = ahead
        yield unit, lost, ahead
