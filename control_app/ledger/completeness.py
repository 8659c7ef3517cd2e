"""Whether the ledger has all that was used: a verdict for each key and period, with the reasons and from when to when."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from control_app.core.numbers import CustomerNo, KeyNo, Month
from control_app.core.time import HOUR, Range, month_range
from control_app.gateway.port import Outcome
from control_app.ledger.by_model import ModelVerdict, by_model
from control_app.ledger.counters import counting_since, uncounted
from control_app.ledger.gaps import BEFORE, Gap, Unit, add_gap, missing, tolerance, units
from control_app.ledger.processes import Death, begun, deaths, parted, short
from control_app.ledger.progress import complete_through
from control_app.ledger.reader import UsageReader
from control_app.ledger.usage import Usage
from control_app.storage.database import Db


@dataclass(frozen=True)
class KeyVerdict:
    """One key and one outcome. `logged`: rows; `counted`: by the gateway's metric; `unused`, `unrated`: of successes, see Usage."""

    key: KeyNo
    logged: int
    counted: int
    unused: int
    unrated: int
    gaps: Sequence[Gap]
    outcome: Outcome = "success"

    @property
    def missing(self) -> int:
        """How many requests were counted but not logged."""
        return sum(gap.missing for gap in self.gaps)

    @property
    def tolerance(self) -> int:
        """Missing requests, or successes without usage, up to which nobody is held."""
        return tolerance(max(self.logged, self.counted))


@dataclass(frozen=True)
class Verdict:
    """A range of time. `read_through`: see complete_through. `uncounted`: spans whose requests nobody counted beside the log.

    `deaths`: the ends of the gateway's processes, with what may have been lost unseen. `models`: by the engines' own count. `usage`: by
    key and customer. `cancelled`: of each key's requests that its clients cancelled, which are billed by their tokens as well.
    """

    within: Range
    read_through: int | None
    dropped: int
    uncounted: Sequence[tuple[int, int]]
    deaths: Sequence[Death]
    keys: Sequence[KeyVerdict]
    cancelled: Sequence[KeyVerdict]
    models: Sequence[ModelVerdict]
    usage: Mapping[tuple[KeyNo, CustomerNo], Usage]

    @property
    def is_read(self) -> bool:
        """Whether all rows of the range were read."""
        return self.read_through is not None and self.read_through >= self.within.end

    @property
    def is_counted(self) -> bool:
        """Whether anybody counted what was logged; else what is missing is not known."""
        return any(key.counted for key in self.keys) or not any(key.logged for key in self.keys)

    @property
    def missing(self) -> int:
        """Requests of all keys that were counted but not logged."""
        return sum(key.missing for key in (*self.keys, *self.cancelled))


def told_of(month: Month, now: int, through: int | None) -> Range | None:
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
        unused, unrated = Counter[KeyNo](), Counter[KeyNo]()
        for (key, _), used in usage.items():
            unused[key] += used.unused
            unrated[key] += used.unrated
        connection = self._db.connection
        verdicts = [
            KeyVerdict(key, logged, counted, unused[key], unrated[key], gaps)
            for key, logged, counted, gaps in self._compared(within, "success", short(connection, first, end))
        ]
        cancelled = [
            KeyVerdict(key, logged, counted, 0, 0, gaps, "cancelled")
            for key, logged, counted, gaps in self._compared(within, "cancelled", [])
        ]
        dropped = self._db.connection.execute(
            "SELECT coalesce(sum(requests), 0) FROM dropped WHERE hour >= ? AND hour < ?", [first, end]
        ).fetchone()[0]
        spans, ends = list(uncounted(self._db, *within)), list(deaths(connection, *within))
        models = list(by_model(connection, within))
        return Verdict(within, complete_through(self._db), dropped, spans, ends, verdicts, cancelled, models, usage)

    def _compared(
        self, within: Range, outcome: Outcome, known: Iterable[tuple[KeyNo, int, int]]
    ) -> Iterator[tuple[KeyNo, int, int, Sequence[Gap]]]:
        """Of each key what was logged and counted of an *outcome*, and what is missing.

        *known*: what is missing of successes of hours in which a process began.
        """
        first, end = within.start // HOUR, within.end // HOUR
        connection = self._db.connection
        pauses = connection.execute(
            "SELECT first, last FROM pauses WHERE last >= ? AND first < ? ORDER BY first", [first - 1, end]
        ).fetchall()
        begin = min([first, *(start for start, _ in pauses)]) - BEFORE
        sums = connection.execute(_SUMS, [first, end, outcome, begin]).fetchall()
        more = json.dumps([key for key, _, _, is_more in sums if is_more])
        of_two = parted(begun(connection))
        uncounted_to = (counting_since(self._db) or 0) // HOUR
        found = [(key, hour, hour, lost) for key, hour, lost in known]
        for key, rows in groupby(connection.execute(SHORT, [None, end, outcome, begin, more]), lambda row: row[0]):
            hours = (Unit(hour, hour, logged, counted, hour in of_two or hour <= uncounted_to) for _, hour, logged, counted in rows)
            for unit, lost in missing(units(hours, pauses)):
                is_left_out = outcome == "success" and unit.first in of_two and unit[:2] not in pauses
                if first <= unit.last and not is_left_out:
                    found.append((key, unit.first, unit.last, lost))
        gaps: defaultdict[KeyNo, list[Gap]] = defaultdict(list)
        for key, hour, last, lost in sorted(found):
            add_gap(gaps[key], Gap(max(hour * HOUR, within.start), (last + 1) * HOUR, lost))
        for key, logged, counted, _ in sums:
            # Hours before the range only tell what was under way.
            if logged is not None:
                yield key, logged, counted, gaps[key]


# Key by key, or all hours ever would be read.
_HOURS = "CROSS JOIN hours h ON h.key = k.id AND h.outcome = ?3 AND h.hour >= ?4 AND h.hour < ?2"
# One look at each hour says also which keys need none hour by hour.
_SUMS = f"""SELECT k.id, sum(h.logged) FILTER (WHERE h.hour >= ?1), sum(h.counted) FILTER (WHERE h.hour >= ?1),
  max(h.counted - h.logged) > 0 FROM keys k {_HOURS} GROUP BY k.id"""
MAY_LACK = """EXISTS (SELECT 1 FROM hours h LEFT JOIN hours b ON b.key = h.key AND b.hour = h.hour - 1 AND b.outcome = h.outcome
    AND NOT EXISTS (SELECT 1 FROM pauses p WHERE p.first <= h.hour AND p.last >= h.hour)
  WHERE h.key = k.id AND h.outcome = ?3 AND h.hour >= ?4 AND h.hour < ?2
    AND h.counted > h.logged AND h.counted - h.logged > coalesce(b.logged - b.counted, 0))"""
"""Whether a key `k` may lack requests, in SQL; no other key lacks any.

A loss is what an hour counted more than it logged, beyond what was under way when it began: at least as much as the hour before logged
and did not count. Hours that nobody read are one, so that none of them is beyond doubt that counted more than it logged.
"""
AMONG = "k.id IN (SELECT value FROM json_each(?5))"
SHORT = f"""SELECT k.id, h.hour, h.logged, h.counted FROM (SELECT id FROM keys k WHERE {AMONG} AND {MAY_LACK}) k
  {_HOURS} ORDER BY 1, 2"""
"""All hours of such keys, among those of which an hour counted more than it logged."""
