"""The second count: what the gateway itself counted, hour by hour, since its log loses rows by design.

The gateway counts a request also where its row was lost, refused or never written. It begins at 0 with each of its processes
(docs/facts/bifrost.md, Counting).
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import structlog

from control_app.core.numbers import KeyNo
from control_app.core.time import HOUR, SECOND
from control_app.gateway.port import Outcome, Reading
from control_app.storage.database import Db

log = structlog.stdlib.get_logger("control_app.counters")


_Series = tuple[KeyNo, str, Outcome]


@dataclass(frozen=True)
class _Kept:
    """A reading *at* a time, in microseconds since 1970 UTC, with keys by our numbers."""

    at: int
    counts: Mapping[_Series, int]
    started: float | None
    dropped: int


class CounterBook:
    """Keeps in *db* what the gateway counted, by hour and key."""

    def __init__(self, db: Db) -> None:
        self._db = db

    def keep(self, reading: Reading, at: int, asked: int | None = None) -> None:
        """Take over a *reading* of the gateway's counters, *asked* for and made *at* times of the gateway's (see is_overtaken)."""
        with self._db.transaction() as db:
            counts: dict[_Series, int] = {(_key(db, key), model, outcome): value for (key, model, outcome), value in reading.counts.items()}
            now = _Kept(at, counts, reading.started, reading.dropped)
            first_at = at
            if found := db.execute("SELECT first_at, at, started, dropped FROM readings").fetchone():
                if is_overtaken(found[1], at, asked):
                    return
                first_at = found[0]
                kept = db.execute("SELECT key, model, outcome, value FROM counters")
                before = {(key, model, outcome): value for key, model, outcome, value in kept}
                _add(db, _Kept(found[1], before, found[2], found[3]), now)
            db.execute("DELETE FROM counters")
            rows = ((*series, value) for series, value in counts.items())
            db.executemany("INSERT INTO counters (key, model, outcome, value) VALUES (?, ?, ?, ?)", rows)
            statement = "INSERT OR REPLACE INTO readings (id, first_at, at, started, dropped) VALUES (1, ?, ?, ?, ?)"
            db.execute(statement, [first_at, at, reading.started, reading.dropped])


def is_overtaken(last: int, at: int, asked: int | None) -> bool:
    """Whether a reading made *at* a time is older than the *last* one, in microseconds since 1970 UTC, or was *asked* for before that.

    Another process has read the counters since, and the older count under a newer time would look like another process that counts.
    """
    return at < last or (asked is not None and asked <= last)


def _add(db: sqlite3.Connection, last: _Kept, now: _Kept) -> None:
    """Add what was counted between two readings."""
    before, dropped = last.counts, last.dropped
    if now.started != last.started or any(now.counts.get(series, 0) < value for series, value in before.items()):
        log.warning("the gateway was restarted", last_read=last.at, read=now.at)
        _begin(db, last, now)
        before, dropped = {}, 0
    more: Counter[tuple[KeyNo, Outcome]] = Counter()
    for series, value in now.counts.items():
        more[series[0], series[2]] += value - before.get(series, 0)
    first, hour = last.at // HOUR, now.at // HOUR
    if hour > first + 1 and not db.execute("UPDATE pauses SET last = ? WHERE last = ?", [hour, first]).rowcount:
        db.execute("INSERT INTO pauses (first, last) VALUES (?, ?)", [first, hour])
    statement = """INSERT INTO hours (key, hour, outcome, logged, counted) VALUES (?, ?, ?, 0, ?)
      ON CONFLICT DO UPDATE SET counted = counted + excluded.counted"""
    db.executemany(statement, ((key, hour, outcome, number) for (key, outcome), number in more.items() if number))
    if now.dropped > dropped:
        statement = "INSERT INTO dropped (hour, requests) VALUES (?, ?) ON CONFLICT DO UPDATE SET requests = requests + excluded.requests"
        db.execute(statement, [hour, now.dropped - dropped])


def _begin(db: sqlite3.Connection, last: _Kept, now: _Kept) -> None:
    """Another process counts from here on (processes.py)."""
    # Where it does not say when it began, all that was not counted by the one before is its own.
    said = int(now.started * SECOND) if now.started and now.started != last.started else last.at
    began = min(max(said, last.at), now.at)
    db.execute("INSERT OR IGNORE INTO restarts (since, until, began) VALUES (?, ?, ?)", [last.at, now.at, began])
    statement = """INSERT OR IGNORE INTO counted_before (began, key, counted)
      SELECT ?1, k.id, h.counted FROM keys k CROSS JOIN hours h ON h.key = k.id AND h.hour = ?2 AND h.outcome = 'success'"""
    db.execute(statement, [began, began // HOUR])


def _key(db: sqlite3.Connection, gateway_id: str) -> KeyNo:
    """Our number of the key, which may be newer than our directory."""
    db.execute("INSERT OR IGNORE INTO keys (gateway_id, name) VALUES (?1, ?1)", [gateway_id])
    found: KeyNo = db.execute("SELECT id FROM keys WHERE gateway_id = ?", [gateway_id]).fetchone()[0]
    return found


def uncounted(db: Db, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Spans within `[start, end)` whose requests were not counted, or whose count died with the gateway's process."""
    first, last = db.connection.execute("SELECT first_at, at FROM readings").fetchone() or (end, end)
    if start < first:
        yield start, min(end, first)
    yield from db.connection.execute("SELECT since, until FROM restarts WHERE until > ? AND since < ? ORDER BY since", [start, end])
    if last < end:
        yield max(start, last), end


def counting_since(db: Db) -> int | None:
    """When the gateway's counters were read first, in microseconds since 1970 UTC; None before that."""
    found: tuple[int] | None = db.connection.execute("SELECT first_at FROM readings").fetchone()
    return found[0] if found else None
