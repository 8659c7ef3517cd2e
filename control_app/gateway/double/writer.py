"""How the gateway's double writes its log: in batches, from a queue that takes no more than it can hold."""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import NamedTuple

QUEUE = 10_000
"""Rows that may wait; what comes then is lost."""
PARAMETERS, COLUMNS = 65_535, 85
"""What PostgreSQL takes in one statement, and what a row has: a batch of more rows is refused, and written row by row."""
ROW_BY_ROW = timedelta(milliseconds=20)


@dataclass(frozen=True)
class Batches:
    """How many rows the gateway writes at most at once, and how long the first of them waits at most."""

    size: int = 1_000
    interval: timedelta = timedelta(seconds=5)


class Written(NamedTuple):
    """A row as the API sends it, and what it is found by."""

    at: int
    id: str
    key: str
    status: str
    text: bytes


class Writer:
    """Rows that wait, in the order in which they become visible. Of an id the first row counts."""

    def __init__(self, batches: Batches) -> None:
        self._batches = batches
        self._numbers = count()
        self._waiting: list[tuple[datetime, int, Written]] = []
        self._ids: set[str] = set()
        self._busy_until = datetime.min.replace(tzinfo=UTC)

    def add(self, row: Written, ended_at: datetime, visible_at: datetime | None) -> bool:
        """Take the *row* of a request that ended then, visible once its batch is written or *visible_at*; whether there was room."""
        if row.id in self._ids:
            return True
        if len(self._waiting) >= QUEUE:
            return False
        heapq.heappush(self._waiting, (visible_at or self._written_at(ended_at), next(self._numbers), row))
        self._ids.add(row.id)
        return True

    def due(self, now: datetime | None) -> list[Written]:
        """Take out the rows that are written by *now*; with None all that wait."""
        rows: list[Written] = []
        while self._waiting and (now is None or self._waiting[0][0] <= now):
            rows.append(heapq.heappop(self._waiting)[-1])
        self._ids.difference_update(row.id for row in rows)
        return rows

    def _written_at(self, ended_at: datetime) -> datetime:
        """With its batch; row by row after those before it, where the batch would be larger than PostgreSQL takes."""
        written_at = ended_at + self._batches.interval
        if min(len(self._waiting) + 1, self._batches.size) * COLUMNS > PARAMETERS:
            written_at = max(written_at, self._busy_until + ROW_BY_ROW)
        self._busy_until = written_at
        return written_at
