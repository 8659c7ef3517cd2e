"""Hours in which the gateway's process was another: log and count are compared process by process.

A request is logged and counted by one process. What was logged after the last count of one that ended was counted by nobody: it pays
for no loss before, and for none of the next process.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby, pairwise

from control_app.core.numbers import KeyNo
from control_app.core.time import HOUR, SECOND
from control_app.ledger.gaps import BEFORE, Unit, under_way

_BEFORE = 300 * SECOND
"""By the rate of so long before the last count it is told how much may have been lost unseen, if more was not logged since."""
_WITHIN = 2 * SECOND
"""A reading has what was counted within it: its time is in whole seconds, and the gateway may tell one for a second longer."""
_Counts = Mapping[KeyNo, int]


@dataclass(frozen=True)
class Death:
    """A process of the gateway ended: what it answered after its last count, *since* then and *until* the next began, nobody counted.

    `unseen`: up to about so many requests of that time are not in the log either: from the last that is there until the next process,
    by the rate of the five minutes before the last count, or of what was logged after it, where that was more, as in a burst.
    """

    since: int
    until: int
    unseen: int


def deaths(connection: sqlite3.Connection, start: int, end: int) -> Iterator[Death]:
    """Ends of processes within `[start, end)`, in microseconds since 1970 UTC."""
    query = "SELECT since, began FROM restarts WHERE began >= ? AND since < ? ORDER BY since"
    for since, began in connection.execute(query, [start, end]).fetchall():
        before = sum(_logged(connection, since - _BEFORE, since).values())
        logged, last = connection.execute(
            "SELECT count(*), coalesce(max(at), ?1) FROM requests WHERE at >= ?1 AND at < ?2 AND succeeded", [since, began]
        ).fetchone()
        rates = ((before, _BEFORE), (logged, max(last - since, SECOND)))
        yield Death(since, began, max(-(-number * (began - last) // span) for number, span in rates))


def begun(connection: sqlite3.Connection) -> set[int]:
    """Hours since 1970 UTC in which a process of the gateway began."""
    return {began for (began,) in connection.execute(f"SELECT began / {HOUR} FROM restarts")}


def parted(begun: Collection[int]) -> set[int]:
    """Those hours, and the next of each: what was under way when the process before ended is counted in neither."""
    return {hour + step for hour in begun for step in (0, 1)}


def short(connection: sqlite3.Connection, first: int, end: int) -> Iterator[tuple[KeyNo, int, int]]:
    """Key, hour, and how many of its successes were counted and not logged, of each hour in which a process began, and of the next.

    Hours over which nobody read the counters are left out.
    """
    starts = begun(connection)
    pauses = connection.execute("SELECT first, last FROM pauses WHERE last >= ? AND first < ?", [first, end]).fetchall()
    for hour in sorted(hour for hour in parted(starts) if first <= hour < end):
        if any(since <= hour <= until for since, until in pauses):
            continue
        ahead = _ahead(connection, hour, starts)
        missing = Counter[KeyNo]()
        for counted, logged in _parts(connection, hour):
            for key, number in counted.items():
                missing[key] += max(0, number - logged[key] - max(0, ahead.get(key, 0)))
            ahead = dict[KeyNo, int]()
        yield from ((key, hour, number) for key, number in missing.items() if number)


def _ahead(connection: sqlite3.Connection, hour: int, starts: Collection[int]) -> _Counts:
    """By key, what was under way when an *hour* began, at the process that was there then; *starts*: hours in which one began."""
    if hour - 1 in starts:
        *_, (counted, logged) = _parts(connection, hour - 1)
        return {key: number - counted[key] for key, number in logged.items()}
    (first_at,) = connection.execute("SELECT coalesce(max(first_at), 0) FROM readings").fetchone()
    of_two = parted(starts)
    query = """SELECT k.id, h.hour, h.logged, h.counted FROM keys k CROSS JOIN hours h ON h.key = k.id AND h.outcome = 'success'
      AND h.hour >= ? AND h.hour < ? WHERE k.id IN (SELECT key FROM hours WHERE hour = ?) ORDER BY 1, 2"""
    found: dict[KeyNo, int] = {}
    for key, rows in groupby(connection.execute(query, [hour - BEFORE, hour, hour - 1]), lambda row: row[0]):
        hours = [Unit(at, at, logged, counted, at in of_two or at <= first_at // HOUR) for _, at, logged, counted in rows]
        found[key] = under_way(hours) if hours[-1].last == hour - 1 else 0
    return found


def _parts(connection: sqlite3.Connection, hour: int) -> Iterator[tuple[Counter[KeyNo], Counter[KeyNo]]]:
    """What each process counted in an hour, and logged: of one that ended, up to its last count."""
    query = f"SELECT since, began FROM restarts WHERE began / {HOUR} = ? ORDER BY began"
    ends: list[tuple[int, int]] = connection.execute(query, [hour]).fetchall()
    until_then = [Counter[KeyNo](), *(_counted_before(connection, began) for _, began in ends), _counted(connection, hour)]
    lasts = (min(since + _WITHIN, began) for since, began in ends)
    spans = zip([hour * HOUR, *(began for _, began in ends)], [*lasts, (hour + 1) * HOUR], strict=True)
    for (before, after), span in zip(pairwise(until_then), spans, strict=True):
        yield Counter({key: number - before[key] for key, number in after.items()}), _logged(connection, *span)


def _counted(connection: sqlite3.Connection, hour: int) -> Counter[KeyNo]:
    query = "SELECT key, counted FROM keys k CROSS JOIN hours h ON h.key = k.id AND h.hour = ? AND h.outcome = 'success'"
    return Counter(dict(connection.execute(query, [hour]).fetchall()))


def _counted_before(connection: sqlite3.Connection, began: int) -> Counter[KeyNo]:
    return Counter(dict(connection.execute("SELECT key, counted FROM counted_before WHERE began = ?", [began]).fetchall()))


def _logged(connection: sqlite3.Connection, start: int, end: int) -> Counter[KeyNo]:
    query = "SELECT key, count(*) FROM requests WHERE at >= ? AND at < ? AND succeeded GROUP BY key"
    return Counter(dict(connection.execute(query, [start, end]).fetchall()))
