"""A consistent copy of the database beside it, once a day: what a backup of files may read while the service writes.

Since nothing is written to it, it is also where the whole database is read and checked.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
from collections.abc import Callable, Sequence
from datetime import UTC, timedelta
from pathlib import Path

from control_app.core.clock import Clock
from control_app.storage.database import Db

HOUR = 2
"""UTC; before the volumes are backed up."""


class CopyError(Exception):
    """There is no copy of today; the last one is as it was."""


class NightlyCopy:
    """Copies *db* at HOUR by *clock*, or as soon after as it runs. *checks* read the whole copy.

    Each raises an error where it is not as it must be.
    """

    def __init__(self, db: Db, clock: Clock, checks: Sequence[Callable[[sqlite3.Connection], object]]) -> None:
        self._db, self._clock, self._checks = db, clock, checks
        self.path = db.path.with_name(f"{db.path.name}.nightly")

    def tick(self) -> None:
        """Make the copy where the newest one was made before the last time it was due, or in the future: the clock was wrong then."""
        now = self._clock().astimezone(UTC)
        due = now.replace(hour=HOUR, minute=0, second=0, microsecond=0)
        if now < due:
            due -= timedelta(days=1)
        if not self.path.exists() or not due.timestamp() <= self.path.stat().st_mtime <= now.timestamp():
            self.make()

    def make(self) -> Path:
        """Make it now. The file has the time at which it began, since it is as the database was then."""
        began = self._clock().timestamp()
        unfinished = self.path.with_name(f"{self.path.name}.new")
        unfinished.unlink(missing_ok=True)
        self._make_sure_of_room()
        try:
            self._db.connection.execute("VACUUM INTO ?", [str(unfinished)])
            self._check(unfinished)
            os.utime(unfinished, (began, began))
            # VACUUM INTO does not wait for the disk.
            with unfinished.open("rb") as file:
                os.fsync(file.fileno())
            unfinished.replace(self.path)
        finally:
            unfinished.unlink(missing_ok=True)
        return self.path

    def _make_sure_of_room(self) -> None:
        """A copy that fills the volume would stop the ledger."""
        files = [self._db.path, self._db.path.with_name(f"{self._db.path.name}-wal")]
        needed = 2 * sum(file.stat().st_size for file in files if file.exists())
        free = shutil.disk_usage(self.path.parent).free
        if free < needed:
            raise CopyError(f"{free:,} bytes are free beside {self._db.path}, and {needed:,} wanted: twice what it has")

    def _check(self, copy: Path) -> None:
        with contextlib.closing(sqlite3.connect(f"{copy.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            for check in self._checks:
                check(connection)


def refuse_damage(connection: sqlite3.Connection) -> None:
    """CopyError where the database's pages are not what SQLite writes."""
    found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if found != "ok":
        raise CopyError(f"the database may be damaged ({found}); stop the service, and restore it: control replica restore --replace")
