"""Where the double of Odoo keeps its records: SQLite, in memory or in a file that several processes share."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from control_app.accounting.odoo.shapes import is_list

Record = dict[str, Any]

INDEXED = {
    "account.move": "ref",
    "account.move.line": "move_id",
    "ir.attachment": "res_id",
    "ir.model.fields": "model",
    "mail.message": "res_id",
    "mail.notification": "mail_message_id",
    "product.product": "default_code",
    "res.currency": "name",
    "res.partner": "ref",
}
"""By which field, beside the id, records are found without reading all of them."""
BUSY_MS = 30_000
SCHEMA = """
CREATE TABLE IF NOT EXISTS record (model TEXT NOT NULL, id INTEGER NOT NULL, look_up, body BLOB NOT NULL, PRIMARY KEY (model, id));
CREATE INDEX IF NOT EXISTS record_look_up ON record (model, look_up);
CREATE TABLE IF NOT EXISTS last (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
"""


class Store:
    """Records by model and id. A `transaction` is all or nothing, and one at a time."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._lock = threading.RLock()
        self._process = 0
        self._open: sqlite3.Connection
        self.after_commit: Callable[[], object] = lambda: None
        """Asked when something was kept midway in a transaction."""
        if path:
            path.parent.mkdir(parents=True, exist_ok=True)

    def close(self) -> None:
        """Close the file; what was in memory is gone."""
        with self._lock:
            if self._process:
                self._open.close()
                self._process = 0

    @contextlib.contextmanager
    def transaction(self) -> Generator[None]:
        """What the block writes is kept when it ends without an error."""
        with self._lock:
            connection = self._connection()
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                connection.rollback()
                raise
            connection.commit()

    def commit(self) -> None:
        """In a transaction: what was written until now is kept, whatever becomes of the rest."""
        connection = self._connection()
        connection.commit()
        connection.execute("BEGIN IMMEDIATE")
        self.after_commit()

    def next(self, name: str) -> int:
        """The number after the last one of that name, from 1."""
        row = self._connection().execute(
            "INSERT INTO last VALUES (?, 1) ON CONFLICT (name) DO UPDATE SET value = value + 1 RETURNING value", (name,)
        )
        return int(row.fetchone()[0])

    def last(self, name: str) -> int:
        """What `next` gave last; 0 before the first."""
        row = self._connection().execute("SELECT value FROM last WHERE name = ?", (name,)).fetchone()
        return int(row[0]) if row else 0

    def add(self, model: str, values: Record) -> int:
        """Keep a new record; its id."""
        new = self.next(f"id of {model}")
        self.put(model, {"id": new, **values})
        return new

    def put(self, model: str, record: Record) -> None:
        """Keep *record* in place of what has its id."""
        look_up = record.get(INDEXED.get(model, ""))
        if is_list(look_up):
            look_up = look_up[0]
        self._connection().execute(
            "INSERT OR REPLACE INTO record VALUES (?, ?, ?, ?)", (model, record["id"], look_up or None, msgspec.json.encode(record))
        )

    def change(self, model: str, id: int, **values: Any) -> None:
        """Keep other values of a record."""
        self.put(model, {**self.get(model, id), **values})

    def get(self, model: str, id: int) -> Record:
        """The record; KeyError where there is none."""
        row = self._connection().execute("SELECT body FROM record WHERE model = ? AND id = ?", (model, id)).fetchone()
        if row is None:
            raise KeyError(id)
        return _record(row[0])

    def delete(self, model: str, id: int) -> None:
        """Forget the record, if there is one."""
        self._connection().execute("DELETE FROM record WHERE model = ? AND id = ?", (model, id))

    def all(self, model: str) -> Iterator[Record]:
        """Every record, by id."""
        rows = self._connection().execute("SELECT body FROM record WHERE model = ? ORDER BY id", (model,))
        return (_record(body) for (body,) in rows.fetchall())

    def among(self, model: str, field: str, values: Sequence[Any]) -> Iterator[Record]:
        """Records whose *field*, `id` or the indexed one, is among *values*, by id."""
        column, marks = "id" if field == "id" else "look_up", ", ".join("?" * len(values))
        rows = self._connection().execute(
            f"SELECT id, body FROM record WHERE model = ? AND {column} IN ({marks})",  # noqa: S608 (a constant name and question marks)
            (model, *values),
        )
        # Not in the query: SQLite would go through all of the model by id then.
        return (_record(body) for _, body in sorted(rows.fetchall()))

    def _connection(self) -> sqlite3.Connection:
        """One for each process, as SQLite's do not survive a fork; what is in memory is copied by it."""
        if not self._process or (self._path and self._process != os.getpid()):
            self._open = sqlite3.connect(self._path or ":memory:", isolation_level=None, check_same_thread=False)
            self._open.execute(f"PRAGMA busy_timeout = {BUSY_MS}")
            self._open.execute("PRAGMA journal_mode = WAL")
            self._open.execute("PRAGMA synchronous = NORMAL")
            self._open.executescript(SCHEMA)
            self._process = os.getpid()
        return self._open


def _record(body: bytes) -> Record:
    record: Record = msgspec.json.decode(body)
    return record
