"""A chain of hashes over what is written once: who alters a row of it, or takes one away, would have to alter all that come after.

A link's hash is SHA-256 over the hash before it and the row, as JSON. The last of them, which the accountant gets with every month,
stands for all.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Mapping, Sequence

Chained = Mapping[str, Sequence[str]]
"""The columns that never change, by table; each table has an `id` that rises."""
BEGIN = "0" * 64
"""What the first link hangs on."""
CHAIN = """CREATE TABLE chain (
  n INTEGER PRIMARY KEY, kind TEXT NOT NULL, row INTEGER NOT NULL, sha256 TEXT NOT NULL, UNIQUE (kind, row)
) STRICT"""


def append_only(table: str, columns: Sequence[str] = ()) -> list[str]:
    """Triggers that refuse to delete a row of *table*, or to change its *columns*, all of them where none are named."""
    refusal = f"BEGIN SELECT RAISE(ABORT, '{table} is appended, never edited'); END"
    changed = {"update": f" OF {', '.join(columns)}" if columns else "", "delete": ""}
    return [f"CREATE TRIGGER {table}_{verb} BEFORE {verb}{of} ON {table} {refusal}" for verb, of in changed.items()]


def written_once(table: str, *unique: str) -> str:
    """A trigger that refuses to write a row of *table* again: SQLite's REPLACE asks no trigger of deletion. *unique*: its keys."""
    same = " OR ".join(f"({columns}) = ({', '.join(f'NEW.{column}' for column in columns.split(', '))})" for columns in unique)
    there = f"EXISTS (SELECT 1 FROM {table} WHERE {same})"  # noqa: S608 (names of ours)
    return f"""CREATE TRIGGER {table}_insert BEFORE INSERT ON {table} WHEN {there}
      BEGIN SELECT RAISE(ABORT, '{table} is appended, never edited'); END"""


class BrokenChainError(Exception):
    """A row is not what it was when it was written; the message names the first one."""


def seal(connection: sqlite3.Connection, chained: Chained) -> None:
    """Hang the rows that are new onto the chain, in the transaction that wrote them."""
    for table, columns in chained.items():
        last: int = connection.execute("SELECT coalesce(max(row), 0) FROM chain WHERE kind = ?", [table]).fetchone()[0]
        for row in connection.execute(f"SELECT id, {', '.join(columns)} FROM {table} WHERE id > ? ORDER BY id", [last]).fetchall():  # noqa: S608
            link = (table, row[0], _hash(head(connection), table, row))
            connection.execute("INSERT INTO chain (kind, row, sha256) VALUES (?, ?, ?)", link)


def head(connection: sqlite3.Connection) -> str:
    """The newest hash."""
    found: tuple[str] | None = connection.execute("SELECT sha256 FROM chain ORDER BY n DESC LIMIT 1").fetchone()
    return found[0] if found else BEGIN


def link(connection: sqlite3.Connection, table: str, id: int) -> str:
    """The hash of a row that was written."""
    found: tuple[str] = connection.execute("SELECT sha256 FROM chain WHERE kind = ? AND row = ?", [table, id]).fetchone()
    return found[0]


def verify(connection: sqlite3.Connection, chained: Chained) -> str:
    """The newest hash, where every row is as it was written; else raises BrokenChainError."""
    before = BEGIN
    for table, number, sha256 in connection.execute("SELECT kind, row, sha256 FROM chain ORDER BY n"):
        query = f"SELECT id, {', '.join(chained[table])} FROM {table} WHERE id = ?"  # noqa: S608
        row = connection.execute(query, [number]).fetchone()
        if row is None:
            raise BrokenChainError(f"the row {number} of {table} is gone")
        if sha256 != _hash(before, table, row):
            raise BrokenChainError(f"the row {number} of {table}, or the chain at it, is not as it was written")
        before = sha256
    for table in chained:
        query = f"SELECT id FROM {table} WHERE id NOT IN (SELECT row FROM chain WHERE kind = ?) LIMIT 1"  # noqa: S608
        if found := connection.execute(query, [table]).fetchone():
            raise BrokenChainError(f"the row {found[0]} of {table} is not in the chain")
    return before


def _hash(before: str, table: str, row: Sequence[object]) -> str:
    return hashlib.sha256(json.dumps([before, table, *row]).encode()).hexdigest()
