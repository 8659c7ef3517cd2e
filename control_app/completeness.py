"""Whether the ledger has all that was used: a verdict for each key and period, with the reasons and from when to when."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from control_app.counters import uncounted
from control_app.database import Db
from control_app.spans import HOUR, Range, month_range
from control_app.sync import complete_through
from control_app.usage import Usage, UsageReader

FEWEST = 20
PART = 500
"""Tolerated: the larger of 20 requests and 0.2 %, a 500th (docs/billing-rules.md, Periods)."""


@dataclass(frozen=True)
class Gap:
    """Requests that were counted and are not in the log, from hour to hour, in microseconds since 1970 UTC."""

    start: int
    end: int
    missing: int


@dataclass(frozen=True)
class KeyVerdict:
    """One key. `logged`: rows of successes; `counted`: by the gateway's metric; `unused`, `unrated`: see Usage."""

    key: int
    logged: int
    counted: int
    unused: int
    unrated: int
    gaps: Sequence[Gap]

    @property
    def missing(self) -> int:
        """Requests counted but not logged."""
        return sum(gap.missing for gap in self.gaps)

    @property
    def tolerance(self) -> int:
        """Missing requests, or successes without usage, up to which nobody is held."""
        return tolerance(max(self.logged, self.counted))

    @property
    def is_complete(self) -> bool:
        """Whether its customer may be invoiced as far as this key goes."""
        return self.missing <= self.tolerance and self.unused <= self.tolerance and not self.unrated


@dataclass(frozen=True)
class Verdict:
    """A range of time. `read_through`: see complete_through. `uncounted`: spans for which nobody counted beside the log.

    `usage`: by key and customer.
    """

    within: Range
    read_through: int | None
    dropped: int
    uncounted: Sequence[tuple[int, int]]
    keys: Sequence[KeyVerdict]
    usage: Mapping[tuple[int, int], Usage]

    @property
    def is_read(self) -> bool:
        """Whether all rows of the range were read."""
        return self.read_through is not None and self.read_through >= self.within.end

    @property
    def missing(self) -> int:
        """Requests of all keys that were counted but not logged."""
        return sum(key.missing for key in self.keys)


def tolerance(requests: int) -> int:
    """How many of *requests* may be missing before a person must look."""
    return max(FEWEST, requests // PART)


def told_of(month: int, now: int, through: int | None) -> Range | None:
    """The part of a month of which a verdict can be told: all of one that is over, of the one that runs the whole hours read."""
    within = month_range(month)
    if now >= within.end:
        return within
    end = (through or 0) // HOUR * HOUR
    return Range(within.start, end) if end > within.start else None


class Completeness:
    """Compares, in *db*, the log with the gateway's own count."""

    def __init__(self, db: Db) -> None:
        self._db, self._reader = db, UsageReader(db)

    def verdict(self, within: Range) -> Verdict:
        """On the whole hours *within*; all keys that have rows or counts in it."""
        first, end = within.start // HOUR, within.end // HOUR
        usage = self._reader.by(("key", "customer"), within)
        unused, unrated = Counter[int](), Counter[int]()
        for (key, _), used in usage.items():
            unused[key] += used.unused
            unrated[key] += used.unrated
        gaps: defaultdict[int, list[Gap]] = defaultdict(list)
        for key, hour, last, missing in sorted([*self._db.connection.execute(_SHORT, [first, end]), *self._paused(first, end)]):
            _add(gaps[key], Gap(max(hour * HOUR, within.start), (last + 1) * HOUR, missing))
        verdicts = [
            KeyVerdict(key, logged, counted, unused[key], unrated[key], gaps[key])
            for key, logged, counted in self._db.connection.execute(_COUNTED, [first, end])
        ]
        dropped = self._db.connection.execute(
            "SELECT coalesce(sum(requests), 0) FROM dropped WHERE hour >= ? AND hour < ?", [first, end]
        ).fetchone()[0]
        return Verdict(within, complete_through(self._db), dropped, list(uncounted(self._db, *within)), verdicts, usage)

    def _paused(self, first: int, end: int) -> Iterator[tuple[int, int, int, int]]:
        """What is missing over hours in which nobody read the counters; their counts stand in the last hour."""
        pauses = self._db.connection.execute("SELECT first, last FROM pauses WHERE last >= ? AND last < ?", [first, end]).fetchall()
        for pause in pauses:
            yield from self._db.connection.execute(_PAUSED, pause)


# Key by key, or all hours ever would be read.
_HOURS = "FROM keys k CROSS JOIN hours h ON h.key = k.id AND h.hour >= ?1 AND h.hour < ?2"
_COUNTED = f"SELECT k.id, sum(h.logged), sum(h.counted) {_HOURS} GROUP BY k.id"
# A request is logged under its start and counted at its end: what the hour before has too much of is not missing here.
_SHORT = f"""SELECT h.key, h.hour, h.hour, h.counted - h.logged - max(0, coalesce(b.logged - b.counted, 0)) AS missing
  {_HOURS} LEFT JOIN hours b ON b.key = h.key AND b.hour = h.hour - 1 WHERE h.counted > h.logged AND missing > 0
  AND NOT EXISTS (SELECT 1 FROM pauses p WHERE h.hour BETWEEN p.first AND p.last)"""
_PAUSED = """SELECT k.id, ?1, ?2, sum(h.counted - h.logged)
    - max(0, coalesce((SELECT b.logged - b.counted FROM hours b WHERE b.key = k.id AND b.hour = ?1 - 1), 0)) AS missing
  FROM keys k CROSS JOIN hours h ON h.key = k.id AND h.hour BETWEEN ?1 AND ?2 GROUP BY k.id HAVING missing > 0"""


def _add(gaps: list[Gap], gap: Gap) -> None:
    """Adjacent hours are one gap."""
    if gaps and gaps[-1].end == gap.start:
        gap = Gap(gaps[-1].start, gap.end, gaps.pop().missing + gap.missing)
    gaps.append(gap)
