"""What each model answered by its engines' own count, against what the log has: a loss that is known by model only.

It has no key and no customer, so it holds nobody; above 0.2 % of a model's month a person looks before anything is billed.
"""

from __future__ import annotations

import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from control_app.core.money import plain_amount
from control_app.core.numbers import Pico
from control_app.core.time import HOUR, Range
from control_app.ledger.gaps import BEFORE, PART, Gap, Unit, add_gap, missing, units


@dataclass(frozen=True)
class ModelVerdict:
    """A `Model` of ours, with its adapters. `logged`: rows of successes; `counted`: by its engines, None where they do not count.

    `dearest`: what the dearest of its logged requests cost, in pico-units of the price book's currency.
    """

    model: str
    logged: int
    counted: int | None
    dearest: Pico
    gaps: Sequence[Gap]

    @property
    def missing(self) -> int:
        """How many requests its engines answered that are not logged."""
        return sum(gap.missing for gap in self.gaps)

    @property
    def bound(self) -> Pico | None:
        """At most so much was lost: each request at the price of the dearest that was logged; None where none was."""
        return Pico(self.missing * self.dearest) if self.logged else None

    @property
    def holds(self) -> bool:
        """Whether a person must look before anything of the range is billed."""
        return self.missing * PART > max(self.logged, self.counted or 0)

    @property
    def message(self) -> str:
        """What a person reads of what is missing."""
        at_most = f"at most {plain_amount(self.bound)}" if self.bound is not None else "of unknown cost, since none was logged"
        return f"{self.missing} of {self.counted} requests that engines of {self.model!r} answered are not in the log, {at_most}"


def by_model(connection: sqlite3.Connection, within: Range) -> Iterator[ModelVerdict]:
    """On the whole hours *within*: all models of ours that have rows or counts in it, by their names."""
    first, end = within.start // HOUR, within.end // HOUR
    found = connection.execute(_MODELS, [first, end]).fetchall()
    gaps: Mapping[str, Sequence[Gap]] = _gaps(connection, first, end) if any(is_short for *_, is_short in found) else {}
    for model, logged, counted, dearest, _ in found:
        cut = [Gap(max(gap.start, within.start), gap.end, gap.missing) for gap in gaps.get(model, ())]
        yield ModelVerdict(model, logged, counted, Pico(dearest), cut)


_MODELS = """SELECT model, sum(logged), sum(counted), max(dearest), max(counted > logged) FROM model_hours
  WHERE hour >= ? AND hour < ? GROUP BY model HAVING sum(logged) > 0 OR sum(counted) IS NOT NULL ORDER BY model"""
_HOURS = """SELECT model, hour, logged, coalesce(counted, 0), parted OR counted IS NULL, cancelled FROM model_hours
  WHERE hour >= ? AND hour < ? ORDER BY model, hour"""


def _gaps(connection: sqlite3.Connection, first: int, end: int) -> Mapping[str, list[Gap]]:
    """What is missing of each model, hour by hour."""
    pauses: defaultdict[str, list[tuple[int, int]]] = defaultdict(list)
    query = "SELECT model, first, last FROM engine_pauses WHERE last >= ? AND first < ?"
    for model, *span in connection.execute(query, [first - 1, end]).fetchall():
        pauses[model].append((span[0], span[1]))
    begin = min([first, *(start for spans in pauses.values() for start, _ in spans)]) - BEFORE
    found: defaultdict[str, list[Gap]] = defaultdict(list)
    for model, rows in groupby(connection.execute(_HOURS, [begin, end]).fetchall(), lambda row: str(row[0])):
        hours = list(rows)
        cancelled = Counter({row[1]: row[5] for row in hours})
        for unit, lost in missing(units((Unit(row[1], *row[1:5]) for row in hours), pauses[model])):
            unexplained = _less_cancelled(unit, lost, cancelled)
            if unexplained and unit.last >= first:
                add_gap(found[model], Gap(unit.first * HOUR, (unit.last + 1) * HOUR, unexplained))
    return found


def _less_cancelled(unit: Unit, lost: int, cancelled: Counter[int]) -> int:
    """What is missing of *lost* where *cancelled* ones, by hours, were answered nevertheless; those are taken out, as each is only one.

    A client may hang up when it has read the last token. The engine counts what it cancelled then in the same hour or the next.
    """
    for hour in range(unit.first - 1, unit.last + 1):
        answered = min(lost, cancelled[hour])
        cancelled[hour] -= answered
        lost -= answered
    return lost
