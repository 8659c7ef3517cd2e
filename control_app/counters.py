"""The second count: the gateway's own metric of successes, read from outside, since its log loses rows by design (bifrost.md 8.2).

The metric counts a request whose row was lost, refused or never written, until the process dies; then it begins at 0.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import structlog
from prometheus_client.parser import text_string_to_metric_families

from control_app.database import Db
from control_app.gateway import FREE, PROVIDER, GatewayError
from control_app.spans import HOUR

METRIC = "bifrost_success_requests_total"
STARTED = "process_start_time_seconds"
log = structlog.stdlib.get_logger("control_app.counters")


@dataclass(frozen=True)
class _Reading:
    """`counts`: successes by key and model; `started`: the process, in seconds since 1970, where it says so; `at`: microseconds."""

    at: int
    counts: Mapping[tuple[int, str], int]
    started: float | None
    dropped: int


class CounterBook:
    """Keeps in *db* what the gateway counted, by hour and key."""

    def __init__(self, db: Db) -> None:
        self._db = db
        # By the text of a series' labels, which is the same at each reading.
        self._series: dict[str, tuple[str, str] | None] = {}

    def keep(self, metrics: str, dropped: int, at: int) -> None:
        """Take over a reading of the gateway's *metrics* (Prometheus' text) and of its count of *dropped* log rows.

        Raises GatewayError where the text has no metrics: a gateway that counts nothing would look complete.
        """
        if "# TYPE " not in metrics:
            raise GatewayError(f"the gateway's /metrics answered no metrics but {metrics[:60]!r}; are they switched on?")
        named, started = self._read(metrics)
        with self._db.transaction() as db:
            reading = _Reading(at, {(_key(db, key), model): value for (key, model), value in named.items()}, started, dropped)
            first_at = at
            if found := db.execute("SELECT first_at, at, started, dropped FROM readings").fetchone():
                if at < found[1]:
                    return  # another process has read it since
                first_at = found[0]
                before = {(key, model): value for key, model, value in db.execute("SELECT * FROM counters")}
                _add(db, _Reading(found[1], before, found[2], found[3]), reading)
            db.execute("DELETE FROM counters")
            db.executemany("INSERT INTO counters VALUES (?, ?, ?)", ((*series, value) for series, value in reading.counts.items()))
            db.execute("INSERT OR REPLACE INTO readings VALUES (1, ?, ?, ?, ?)", [first_at, at, started, dropped])

    def _read(self, metrics: str) -> tuple[Counter[tuple[str, str]], float | None]:
        counts: Counter[tuple[str, str]] = Counter()
        started: float | None = None
        for line in metrics.splitlines():
            if line.startswith(METRIC + "{"):
                labels, _, value = line.rpartition("} ")
                if labels not in self._series:
                    self._series[labels] = _labels(line)
                if series := self._series[labels]:
                    counts[series] += int(float(value))
            elif line.startswith(STARTED + " "):
                started = float(line.partition(" ")[2])
        return counts, started


def _add(db: sqlite3.Connection, last: _Reading, now: _Reading) -> None:
    """Add what was counted between two readings."""
    before, dropped = last.counts, last.dropped
    if now.started != last.started or any(now.counts.get(series, 0) < value for series, value in before.items()):
        log.warning("the gateway was restarted", last_read=last.at, read=now.at)
        db.execute("INSERT OR IGNORE INTO restarts VALUES (?, ?)", [last.at, now.at])
        before, dropped = {}, 0
    more: Counter[int] = Counter()
    for series, value in now.counts.items():
        more[series[0]] += value - before.get(series, 0)
    first, hour = last.at // HOUR, now.at // HOUR
    if hour > first + 1 and not db.execute("UPDATE pauses SET last = ? WHERE last = ?", [hour, first]).rowcount:
        db.execute("INSERT INTO pauses VALUES (?, ?)", [first, hour])
    statement = "INSERT INTO hours VALUES (?, ?, 0, ?) ON CONFLICT DO UPDATE SET counted = counted + excluded.counted"
    db.executemany(statement, ((key, hour, number) for key, number in more.items() if number))
    if now.dropped > dropped:
        statement = "INSERT INTO dropped VALUES (?, ?) ON CONFLICT DO UPDATE SET requests = requests + excluded.requests"
        db.execute(statement, [hour, now.dropped - dropped])


def _labels(line: str) -> tuple[str, str] | None:
    """Key and model of a series; None for what is no inference."""
    (family,) = text_string_to_metric_families(line + "\n")
    labels = family.samples[0].labels
    if labels.get("method") == FREE:
        return None
    provider, model = labels.get("provider", ""), labels.get("model", "")
    return labels.get("virtual_key_id", ""), model if provider == PROVIDER else f"{provider}/{model}"


def _key(db: sqlite3.Connection, gateway_id: str) -> int:
    """Our number of the key, which may be newer than our directory."""
    db.execute("INSERT OR IGNORE INTO keys (gateway_id, name) VALUES (?1, ?1)", [gateway_id])
    found: int = db.execute("SELECT id FROM keys WHERE gateway_id = ?", [gateway_id]).fetchone()[0]
    return found


def uncounted(db: Db, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Spans within `[start, end)` of which the count is not known."""
    first, last = db.connection.execute("SELECT first_at, at FROM readings").fetchone() or (end, end)
    if start < first:
        yield start, min(end, first)
    yield from db.connection.execute("SELECT since, until FROM restarts WHERE until > ? AND since < ? ORDER BY since", [start, end])
    if last < end:
        yield max(start, last), end


def counting_since(db: Db) -> int | None:
    """The first reading, in microseconds since 1970 UTC; None before it."""
    found: tuple[int] | None = db.connection.execute("SELECT first_at FROM readings").fetchone()
    return found[0] if found else None
