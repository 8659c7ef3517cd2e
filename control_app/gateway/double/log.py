"""The log of the gateway's double: what was written, what still waits to be, and pages of it in the gateway's way."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby, islice
from operator import attrgetter

from control_app.gateway.double.writer import Batches, Writer, Written

LONGEST_ID = 255
_AT = attrgetter("at")


@dataclass(frozen=True)
class Query:
    """Which rows: *start* and *end* are both within; None where the gateway was not told, or did not understand."""

    limit: int
    offset: int
    ascending: bool
    start: int | None
    end: int | None
    statuses: frozenset[str]
    keys: frozenset[str]


class Log:
    """Rows by their id, of which the first stays. Rows wait until the gateway writes its batch."""

    def __init__(self, batches: Batches) -> None:
        self._writer = Writer(batches)
        self._rows: list[Written] = []
        self._ids: set[str] = set()
        self._statuses: Counter[str] = Counter()
        self._odd = False

    def add(self, row: Written, ended_at: datetime, visible_at: datetime | None) -> bool:
        """Have *row* written, unless its id is taken; whether the queue had room for it."""
        return row.id in self._ids or self._writer.add(row, ended_at, visible_at)

    def add_written(self, rows: Iterable[Written]) -> None:
        """Many rows at once, with ids of their own."""
        self._rows.extend(rows)
        self._rows.sort(key=_AT)
        self._ids = {row.id for row in self._rows}
        self._statuses = Counter(row.status for row in self._rows)

    def write(self, now: datetime | None) -> None:
        """Write what is due; with None, all that waits."""
        for row in self._writer.due(now):
            self._rows.insert(bisect_right(self._rows, row.at, key=_AT), row)
            self._ids.add(row.id)
            self._statuses[row.status] += 1

    def lose(self) -> int:
        """Forget what waits, and tell how many rows that was."""
        return len(self._writer.due(None))

    def total(self, statuses: frozenset[str]) -> int:
        """How many rows have these statuses, or any; the view behind it knows no times."""
        return sum(count for status, count in self._statuses.items() if not statuses or status in statuses)

    def page(self, query: Query) -> list[bytes]:
        """The texts of a page. Rows of one time come in another order each time."""
        self._odd = not self._odd
        found = (row for row in self._ordered(query) if _wanted(row, query))
        return [row.text for row in islice(found, query.offset, query.offset + query.limit)]

    def _ordered(self, query: Query) -> Iterator[Written]:
        low = 0 if query.start is None else bisect_left(self._rows, query.start, key=_AT)
        high = len(self._rows) if query.end is None else bisect_right(self._rows, query.end, key=_AT)
        numbers = range(low, high) if query.ascending else range(high - 1, low - 1, -1)
        for _, ties in groupby(map(self._rows.__getitem__, numbers), key=_AT):
            rows = list(ties)
            yield from reversed(rows) if self._odd else rows


def _wanted(row: Written, query: Query) -> bool:
    return (not query.statuses or row.status in query.statuses) and (not query.keys or row.key in query.keys)
