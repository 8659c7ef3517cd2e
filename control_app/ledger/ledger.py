"""The usage ledger: every billed row once, with its customer, price and amount, and what the rows add up to.

Rows are taken in sets: a page is staged in memory, then attributed, rated, stored and rolled up by SQL, in one
transaction (docs/decisions/0010-rating-in-sets.md). Amounts are INTEGER pico-units, exact.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from control_app.core.numbers import CustomerNo, KeyNo, Month
from control_app.core.time import DAY
from control_app.gateway.port import Row, Unreadable, UsageRow
from control_app.ledger.absurd import STAGE_ASIDE
from control_app.ledger.statements import CARRY, INGEST, STAGE, STAGES, UNRATED, correct
from control_app.storage.database import Db


@dataclass(frozen=True)
class Ingested:
    """What became of a page.

    `differences`: rows read again with other tokens; the first reading counts. `aside`: rows that were set aside, of `read`.
    """

    read: int
    new: int
    differences: int
    aside: int


class Ledger:
    """The ledger in *db*; it writes from one thread at a time, which SQLite sees to."""

    def __init__(self, db: Db) -> None:
        self._db = db

    def ingest(self, rows: Iterable[Row], seen_at: int, source: str | None = None, until: int | None = None) -> Ingested:
        """Take *rows*, in any order and any number of times; with *source*, note in the same transaction that it was read *until*.

        A row that could not be read, or that no request can have made, is set aside with its text, and the others are taken.
        """
        unreadable: list[Unreadable] = []
        with self._db.transaction() as db:
            _stage(db)
            read = max(db.executemany(STAGE, _readable(rows, unreadable)).rowcount, 0)
            db.executemany(STAGE_ASIDE, unreadable)
            for statement in INGEST:
                db.execute(statement, {"seen_at": seen_at})
            done = Ingested(read + len(unreadable), *db.execute(_DONE).fetchone())
            if source:
                # A pass begins before the end of the last one, for late rows; what was reached stays.
                statement = """INSERT INTO progress (source, until, passed_at) VALUES (?, ?, ?)
                  ON CONFLICT DO UPDATE SET until = max(until, excluded.until), passed_at = excluded.passed_at"""
                db.execute(statement, (source, until, seen_at))
        return done

    def follow_moves(self) -> int:
        """Attribute anew the rows of keys whose holders changed; how many were. What a kill leaves undone is done by the next call."""
        connection, changed = self._db.connection, 0
        for key, since in connection.execute("SELECT key, since FROM uncorrected").fetchall():
            changed += self.correct(key=key, since=since)
            connection.execute("DELETE FROM uncorrected WHERE key = ? AND since = ?", [key, since])
        return changed

    def correct(self, key: KeyNo | None = None, model: int | None = None, since: int = 0) -> int:
        """Attribute and rate anew the rows of a *key*, or those of a *model* that are not rated, that started *since*; how many were.

        Rows of periods that are closed for their customer stay as they were billed. Day by day: others write in between.
        """
        if key is not None:
            days = "SELECT DISTINCT day FROM days WHERE key = ? AND day >= ?"
            return self._again(days, "key = :value", key, since)
        days = f"SELECT DISTINCT at / {DAY} FROM requests WHERE model = ? AND {UNRATED} AND at >= ? * {DAY}"
        return self._again(days, f"model = :value AND {UNRATED}", model, since)

    def _again(self, days: str, which: str, value: int | None, since: int) -> int:
        changed = 0
        for (day,) in self._db.connection.execute(days, [value, since // DAY]).fetchall():
            with self._db.transaction() as db:
                _stage(db)
                for statement in correct(f"{which} AND at >= :since AND at < :until"):
                    db.execute(statement, {"value": value, "since": max(since, day * DAY), "until": (day + 1) * DAY})
                changed += db.execute("SELECT count(*) FROM temp.moving").fetchone()[0]
        return changed


def carry(db: sqlite3.Connection, customer: CustomerNo, month: Month) -> None:
    """Bill what is billed to *customer* in *month*, which is closed, with what comes next; in the transaction that runs."""
    _stage(db)
    into = db.execute("SELECT max(month) + 1 FROM closed WHERE customer = ?", [customer]).fetchone()[0]
    for statement in CARRY:
        db.execute(statement, {"customer": customer, "month": month, "into": into})


_DONE = "SELECT (SELECT count(*) FROM temp.moving), (SELECT count(*) FROM temp.differing), (SELECT count(*) FROM temp.aside)"


def _readable(rows: Iterable[Row], unreadable: list[Unreadable]) -> Iterator[UsageRow]:
    """Those of *rows* that could be read; the others are added to *unreadable*."""
    for row in rows:
        if isinstance(row, UsageRow):
            yield row
        else:
            unreadable.append(row)


def _stage(db: sqlite3.Connection) -> None:
    for statement in STAGES:
        db.execute(statement)
