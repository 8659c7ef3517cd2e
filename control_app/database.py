"""Connections to the SQLite database: one for each thread, with the settings that money needs."""

from __future__ import annotations

import contextlib
import fcntl
import sqlite3
import threading
import time
from collections.abc import Generator
from pathlib import Path

import sqlite_utils

from control_app.schema import migrations

BUSY_SEC = 30
CACHE_KIB = 8 * 1024
WAL_LIMIT = 1 << 30
"""Bytes; twice what Litestream lets come together."""
# Rises with every transaction that changed something, whatever the clock does.
_WRITTEN = "INSERT INTO marks VALUES ('written', ?) ON CONFLICT DO UPDATE SET at = max(at + 1, excluded.at)"


class Db:
    """The database at *path*, migrated; its folder is made. `replicated`: Litestream reads its WAL."""

    def __init__(self, path: Path, *, replicated: bool = False) -> None:
        self.path, self.replicated = path, replicated
        self._local = threading.local()
        path.parent.mkdir(parents=True, exist_ok=True)
        migrate(path, replicated=replicated)

    @property
    def connection(self) -> sqlite3.Connection:
        """The one of this thread; transactions begin only where they are said to."""
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._local.connection = connect(self.path, replicated=self.replicated)
        return connection

    @contextlib.contextmanager
    def transaction(self) -> Generator[sqlite3.Connection]:
        """All or nothing. It begins as a writer: a reader that turns into one fails where another has written since.

        What changes something moves the mark `written`, by which an older copy of the database is told from a newer one.
        """
        connection = self.connection
        connection.execute("BEGIN IMMEDIATE")
        try:
            before = connection.total_changes
            yield connection
            if connection.total_changes != before:
                connection.execute(_WRITTEN, [time.time_ns() // 1000])
        except BaseException:
            connection.rollback()
            raise
        connection.execute("COMMIT")

    @contextlib.contextmanager
    def snapshot(self) -> Generator[sqlite3.Connection]:
        """Several queries that see one state."""
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
        """Checkpoint where Litestream, whose part that is, has been away for long: a full volume would stop the ledger.

        To length 0, which Litestream notices, and begins again with a snapshot.
        """
        wal = self.path.with_name(f"{self.path.name}-wal")
        if self.replicated and wal.exists() and wal.stat().st_size > WAL_LIMIT:
            with contextlib.closing(connect(self.path)) as connection:
                # Writers wait meanwhile, and it cannot be while anybody reads.
                connection.execute("PRAGMA busy_timeout = 1000")
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

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
    """To Litestream: where others restart the WAL while it is away, v0.5 misses what it had not read, and says nothing."""
    connection.execute("PRAGMA wal_autocheckpoint = 0")


def migrate(path: Path, *, replicated: bool = False) -> None:
    """Bring the tables up to date; of processes that start together, one after another."""
    with path.with_name(f"{path.name}.migration").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        _migrate(path, replicated=replicated)


def _migrate(path: Path, *, replicated: bool) -> None:
    db = sqlite_utils.Database(str(path))
    try:
        if replicated:
            _leave_checkpoints(db.conn)
        db.enable_wal()
        migrations.apply(db)
    finally:
        db.close()
