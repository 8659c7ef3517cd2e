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
            read = db.executemany("INSERT INTO temp.incoming VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", rows).rowcount
            for statement in INGEST:
                db.execute(statement, {"seen_at": seen_at})
            new, differences = db.execute("SELECT (SELECT count(*) FROM temp.moving), (SELECT count(*) FROM temp.differing)").fetchone()
            if source:
                # A pass begins before the end of the last one, for late rows; what was reached stays.
                statement = """INSERT INTO progress VALUES (?, ?, ?)
                  ON CONFLICT DO UPDATE SET until = max(until, excluded.until), passed_at = excluded.passed_at"""
                db.execute(statement, (source, until, seen_at))
        return Ingested(max(read, 0), new, differences)

    def correct(self, key: int | None = None, model: int | None = None, since: int = 0) -> int:
        """Attribute and rate anew the rows of a *key*, or the unrated ones of a *model*, that started *since*; how many were.

        Rows of periods that are closed for their customer stay as they were billed.
        """
        with self._db.transaction() as db:
            _stage(db)
            column, value = ("key", key) if key is not None else ("model", model)
            first: int | None = db.execute(f"SELECT min(day) FROM days WHERE {column} = ?", [value]).fetchone()[0]
            if first is None:
                return 0
            condition = f"{column} = :value AND at >= :since" + (" AND amount IS NULL" if key is None else "")
            for statement in correct(condition):
                db.execute(statement, {"value": value, "since": max(since, first * DAY)})
            changed: int = db.execute("SELECT count(*) FROM temp.moving").fetchone()[0]
        return changed


def _stage(db: sqlite3.Connection) -> None:
    for statement in STAGES:
        db.execute(statement)
