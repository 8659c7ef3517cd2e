"""The usage ledger: every billed row once, with its customer, price and amount, and what the rows add up to.

Rows are taken in sets: a page is staged in memory, then attributed, rated, stored and rolled up by SQL, in one
transaction (docs/decisions/0010-rating-in-sets.md). Amounts are INTEGER pico-units, exact.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass

from control_app.database import Db
from control_app.gateway import UsageRow
from control_app.ledger_sql import INGEST, STAGES, correct
from control_app.spans import DAY


@dataclass(frozen=True)
class Ingested:
    """What became of a page. `differences`: rows read again with other tokens; the first reading counts."""

    read: int
    new: int
    differences: int


class Ledger:
    """The ledger in *db*; it writes from one thread at a time, which SQLite sees to."""

    def __init__(self, db: Db) -> None:
        self._db = db

    def ingest(self, rows: Iterable[UsageRow], seen_at: int, source: str | None = None, until: int | None = None) -> Ingested:
        """Take *rows*, in any order and any number of times; with *source*, note in the same transaction that it was read *until*."""
        with self._db.transaction() as db:
            _stage(db)
            read = db.executemany("INSERT INTO temp.incoming VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", rows).rowcount
            for statement in INGEST:
                db.execute(statement, {"seen_at": seen_at})
            new, differences = db.execute("SELECT (SELECT count(*) FROM temp.moving), (SELECT count(*) FROM temp.differing)").fetchone()
            if source:
                # A pass begins before the end of the last one, for late rows; what was reached stays.
                statement = """INSERT INTO progress VALUES (?, ?, ?)
                  ON CONFLICT DO UPDATE SET until = max(until, excluded.until), passed_at = excluded.passed_at"""
                db.execute(statement, (source, until, seen_at))
        return Ingested(max(read, 0), new, differences)

    def follow_moves(self) -> int:
        """Attribute anew the rows of keys whose holders changed; how many were. What a kill leaves undone is done by the next call."""
        connection, changed = self._db.connection, 0
        for key, since in connection.execute("SELECT key, since FROM uncorrected").fetchall():
            changed += self.correct(key=key, since=since)
            connection.execute("DELETE FROM uncorrected WHERE key = ? AND since = ?", [key, since])
        return changed

    def correct(self, key: int | None = None, model: int | None = None, since: int = 0) -> int:
        """Attribute and rate anew the rows of a *key*, or those of a *model* without a price, that started *since*; how many were.

        Rows of periods that are closed for their customer stay as they were billed. Day by day: others write in between.
        """
        if key is not None:
            days = "SELECT DISTINCT day FROM days WHERE key = ? AND day >= ?"
            return self._again(days, "key = :value", key, since)
        days = f"SELECT DISTINCT at / {DAY} FROM requests WHERE model = ? AND amount IS NULL AND price IS NULL AND at >= ? * {DAY}"
        return self._again(days, "model = :value AND amount IS NULL AND price IS NULL", model, since)

    def _again(self, days: str, which: str, value: int | None, since: int) -> int:
        changed = 0
        for (day,) in self._db.connection.execute(days, [value, since // DAY]).fetchall():
            with self._db.transaction() as db:
                _stage(db)
                for statement in correct(f"{which} AND at >= :since AND at < :until"):
                    db.execute(statement, {"value": value, "since": max(since, day * DAY), "until": (day + 1) * DAY})
                changed += db.execute("SELECT count(*) FROM temp.moving").fetchone()[0]
        return changed


def _stage(db: sqlite3.Connection) -> None:
    for statement in STAGES:
        db.execute(statement)
