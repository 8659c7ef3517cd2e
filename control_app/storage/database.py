"""Connections to the SQLite database: one for each thread, with the settings that money needs."""

from __future__ import annotations

import contextlib
import fcntl
import sqlite3
import threading
import time
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

from sqlite_utils import Database, Migrations

from control_app.storage.chain import Chained, seal

BUSY_SEC = 30
CACHE_KIB = 8 * 1024
WAL_LIMIT = 1 << 30
"""Bytes of the WAL; twice what Litestream itself lets come together."""
# The mark `written` rises with every transaction that changed something, whatever the clock does. It goes by the machine's own
# clock, not by one handed in: it only tells which of two copies is newer, and processes that were given different clocks would
# share it.
_WRITTEN = "INSERT INTO marks (name, at) VALUES ('written', ?) ON CONFLICT DO UPDATE SET at = max(at + 1, excluded.at)"


class CheckpointError(Exception):
    """The WAL is longer than WAL_LIMIT and cannot be shortened now; the message says what to do."""


@dataclass(frozen=True)
class Schema:
    """What a database consists of: tables by *migrations*, and what of them is *chained* (chain.py)."""

    migrations: Migrations
    chained: Chained


class Db:
    """The database at *path*, brought up to date with its *schema*; its folder is made. `replicated`: Litestream reads its WAL."""

    def __init__(self, path: Path, schema: Schema, *, replicated: bool = False) -> None:
        self.path, self.schema, self.replicated = path, schema, replicated
        self._local = threading.local()
        path.parent.mkdir(parents=True, exist_ok=True)
        migrate(path, schema.migrations, replicated=replicated)

    @property
    def connection(self) -> sqlite3.Connection:
        """The connection of this thread; a transaction begins only where one is asked for."""
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._local.connection = connect(self.path, replicated=self.replicated)
        return connection

    @contextlib.contextmanager
    def transaction(self) -> Generator[sqlite3.Connection]:
        """What is written inside is kept as a whole or not at all.

        It begins as a writer, since a reader that turns into a writer fails where another has written meanwhile. A transaction that
        changed something hangs what is new onto the chain, and moves the mark `written`, by which an older copy of the database is
        told from a newer one.
        """
        connection = self.connection
        connection.execute("BEGIN IMMEDIATE")
        try:
            before = connection.total_changes
            yield connection
            if connection.total_changes != before:
                seal(connection, self.schema.chained)
                connection.execute(_WRITTEN, [time.time_ns() // 1000])
        except BaseException:
            connection.rollback()
            raise
        connection.execute("COMMIT")

    @contextlib.contextmanager
    def snapshot(self) -> Generator[sqlite3.Connection]:
        """Several queries inside see one state of the database."""
        connection = self.connection
        if connection.in_transaction:
            yield connection
            return
        connection.execute("BEGIN")
        try:
            yield connection
        finally:
            connection.rollback()

    def shorten_wal(self) -> None:
        """Empty the WAL where Litestream, whose part that is, has been away for long: a full volume would stop the ledger.

        Litestream notices a WAL of length 0 and begins again with a snapshot. Raises CheckpointError where it cannot be emptied.
        """
        wal = self.path.with_name(f"{self.path.name}-wal")
        if not self.replicated or not wal.exists() or (size := wal.stat().st_size) <= WAL_LIMIT:
            return
        with contextlib.closing(connect(self.path)) as connection:
            # Writers wait meanwhile. It cannot be done while anybody reads, which SQLite answers and does not raise.
            connection.execute("PRAGMA busy_timeout = 1000")
            is_busy, _, _ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        if is_busy:
            raise CheckpointError(
                f"{wal} has {size:,} bytes and cannot be shortened while somebody reads or writes the database: look whether Litestream"
                f" runs and reaches its replica, restart it, and end what else has {self.path} open (`fuser -v {self.path}` names it)"
            )

    def close(self) -> None:
        """Close this thread's connection."""
        if connection := getattr(self._local, "connection", None):
            connection.close()
            del self._local.connection


def connect(path: Path, *, replicated: bool = False) -> sqlite3.Connection:
    """A connection whose commits outlive a loss of power."""
    connection = sqlite3.connect(path, timeout=BUSY_SEC, isolation_level=None)
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
    connection.execute("PRAGMA temp_store = MEMORY")
    if replicated:
        _leave_checkpoints(connection)
    return connection


def _leave_checkpoints(connection: sqlite3.Connection) -> None:
    """Leave checkpoints to Litestream: where others restart the WAL while it is away, v0.5 misses what it had not read, without a word."""
    connection.execute("PRAGMA wal_autocheckpoint = 0")


def migrate(path: Path, migrations: Migrations, *, replicated: bool = False) -> None:
    """Bring the tables up to date by *migrations*; processes that start together do it one after another."""
    with path.with_name(f"{path.name}.migration").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        _migrate(path, migrations, replicated=replicated)


def _migrate(path: Path, migrations: Migrations, *, replicated: bool) -> None:
    db = Database(str(path))
    try:
        if replicated:
            _leave_checkpoints(db.conn)
        db.enable_wal()
        migrations.apply(db)
    finally:
        db.close()
