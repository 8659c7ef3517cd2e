"""Connections to the SQLite database: one for each thread, with the settings that money needs."""

from __future__ import annotations

import contextlib
import fcntl
import sqlite3
import threading
from collections.abc import Generator
from pathlib import Path

import sqlite_utils

from control_app.schema import migrations

BUSY_SEC = 30
CACHE_KIB = 32 * 1024


class Db:
    """The database at *path*, migrated; its folder is made."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._local = threading.local()
        path.parent.mkdir(parents=True, exist_ok=True)
        migrate(path)

    @property
    def connection(self) -> sqlite3.Connection:
        """The one of this thread; transactions begin only where they are said to."""
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._local.connection = connect(self.path)
        return connection

    @contextlib.contextmanager
    def transaction(self) -> Generator[sqlite3.Connection]:
        """All or nothing. It begins as a writer: a reader that turns into one fails where another has written since."""
        connection = self.connection
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield connection
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

    def close(self) -> None:
        """Close this thread's connection."""
        if connection := getattr(self._local, "connection", None):
            connection.close()
            del self._local.connection


def connect(path: Path) -> sqlite3.Connection:
    """A connection whose commits outlive a loss of power."""
    connection = sqlite3.connect(path, timeout=BUSY_SEC, isolation_level=None)
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
    connection.execute("PRAGMA temp_store = MEMORY")
    return connection


def migrate(path: Path) -> None:
    """Bring the tables up to date; of processes that start together, one after another."""
    with path.with_name(f"{path.name}.migration").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        _migrate(path)


def _migrate(path: Path) -> None:
    db = sqlite_utils.Database(str(path))
    try:
        db.enable_wal()
        migrations.apply(db)
    finally:
        db.close()
