"""The database against its replica: an empty volume gets the newest, and no older copy is served without a person's word.

Litestream itself takes an older copy for the newest state and replicates it on. So this comes before Litestream starts, too.
"""

from __future__ import annotations

import contextlib
import fcntl
import shutil
import sqlite3
from collections.abc import Generator
from datetime import datetime
from pathlib import Path

from control_app import audit, litestream
from control_app.database import Db, connect
from control_app.litestream import ReplicaError
from control_app.settings import Settings
from control_app.spans import microseconds, time_of

SIDECARS = ("-wal", "-shm", "-journal")
REPLACE, ACCEPT = "`control replica restore --replace`", "`control replica restore --accept-older --reason …`"


class OlderError(ReplicaError):
    """The replica has what the database does not; `replica`: its mark `written`."""

    def __init__(self, database: Path, here: int, replica: int) -> None:
        super().__init__(
            f"the database {database} is older than its replica: written last at {_time(here)}, the replica at {_time(replica)};"
            f" {REPLACE} puts it aside and restores the newest, {ACCEPT} goes on with it"
        )
        self.replica = replica


def restored_at(db: Db) -> int | None:
    """When the database was restored from its replica last, in microseconds since 1970 UTC; None: never."""
    return _mark(db.connection, "restored")


def written_at(database: Path) -> int:
    """The mark `written`; 0 where nothing was written since there are marks. Changes nothing: closing would else drop the WAL."""
    with contextlib.closing(sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro", uri=True)) as connection:
        if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'marks'").fetchone():
            return 0
        return _mark(connection, "written") or 0


def refuse_older(settings: Settings) -> None:
    """OlderError where the replica has what the database does not; ReplicaError where that cannot be told."""
    if settings.replica:
        with _alone(settings.database):
            _refuse_older(settings)


def restore(settings: Settings, now: datetime) -> str:
    """Restore the newest state where there is no database; what was done, in words. As refuse_older where there is one."""
    with _alone(settings.database):
        if _exists(settings.database):
            _refuse_older(settings)
            return f"{settings.database} is there, and as new as its replica"
        if left := [str(path) for path in _sidecars(settings.database) if path.exists()]:
            raise ReplicaError(f"there is no {settings.database}, but {', '.join(left)}: what is in it would be lost; put it aside")
        if litestream.newest(settings) is None:
            return f"the replica {settings.replica} is empty: a new database begins"
        written = _bring(settings, now)
        return f"restored {settings.database} as it was at {_time(written)}"


def replace(settings: Settings, now: datetime) -> str:
    """Put the database aside and restore the newest state; what was done, in words."""
    with _alone(settings.database):
        if litestream.newest(settings) is None:
            raise ReplicaError(f"the replica {settings.replica} is empty: nothing can take the database's place")
        _refuse_open(settings.database)
        aside = settings.database.with_name(f"{settings.database.name}.before-{now:%Y%m%dT%H%M%S}Z")
        written = _bring(settings, now, aside)
        return f"restored {settings.database} as it was at {_time(written)}; what was there is {aside}"


def accept_older(settings: Settings, now: datetime, who: str, reason: str) -> str:
    """Go on with a database that is older than its replica; what that means, in words."""
    with _alone(settings.database):
        try:
            _refuse_older(settings)
        except OlderError as older:
            act = audit.Act(who, "accept older database", str(settings.database), reason)
            with contextlib.closing(Db(settings.database, replicated=True)) as db, db.transaction() as connection:
                audit.record(connection, microseconds(now), act)
                # From here on it is the newest, also where the clock is behind.
                _set_mark(connection, "written", older.replica)
                # What it does not know of may still be under way elsewhere, as after a restore.
                _set_mark(connection, "restored", microseconds(now))
            days = int(litestream.SNAPSHOTS["retention"].removesuffix("h")) // 24
            return f"{older}\naccepted; the newer state can be restored with litestream restore -timestamp for {days} days"
        return f"{settings.database} is as new as its replica: nothing to accept"


def _refuse_older(settings: Settings) -> None:
    """By the numbers of transactions where Litestream's own notes fit the database, else by the marks, for which all of it is fetched."""
    newest = litestream.newest(settings)
    if newest is None:
        return
    if not _exists(settings.database):
        raise ReplicaError(f"there is no database {settings.database}, and its replica has one; `control replica restore` brings it")
    if (litestream.position(settings.database) or 0) >= newest:
        return
    partial = _fetched(settings)
    there = written_at(partial)
    _remove(partial)
    try:
        here = written_at(settings.database)
    except sqlite3.DatabaseError as error:
        raise ReplicaError(f"cannot read the database {settings.database} ({error}); {REPLACE} puts it aside") from None
    if here < there:
        raise OlderError(settings.database, here, there)


def _bring(settings: Settings, now: datetime, aside: Path | None = None) -> int:
    """Put the newest state in the database's place, marked as restored, and what is there *aside*; when it was written last."""
    partial = _fetched(settings)
    written = written_at(partial)
    with contextlib.closing(Db(partial)) as db, db.transaction() as connection:
        _set_mark(connection, "restored", microseconds(now))
    if aside:
        for path in (settings.database, *_sidecars(settings.database)):
            if path.exists():
                path.rename(aside.with_name(path.name.replace(settings.database.name, aside.name, 1)))
        # Its notes are about the old file.
        shutil.rmtree(litestream.folder(settings.database), ignore_errors=True)
    partial.replace(settings.database)
    _remove(partial)
    return written


def _fetched(settings: Settings) -> Path:
    partial = settings.database.with_name(f"{settings.database.name}.restoring")
    _remove(partial)
    litestream.fetch(settings, partial)
    return partial


def _refuse_open(database: Path) -> None:
    """ReplicaError where somebody has *database* open: it would write on into the file that was put aside."""
    if not _exists(database):
        return
    try:
        with contextlib.closing(connect(database)) as connection:
            connection.execute("PRAGMA busy_timeout = 1000")
            # Only who is alone can leave the WAL, which also makes one file of it.
            connection.execute("PRAGMA journal_mode = DELETE")
    except sqlite3.OperationalError as error:
        raise ReplicaError(f"{database} is in use ({error}); stop the service and Litestream first") from None
    except sqlite3.DatabaseError:
        # Damaged: it is put aside all the same.
        return


@contextlib.contextmanager
def _alone(database: Path) -> Generator[None]:
    """The web, the jobs and the start-up before them ask at once; each fetches into the same file."""
    database.parent.mkdir(parents=True, exist_ok=True)
    with database.with_name(f"{database.name}.replica").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _mark(connection: sqlite3.Connection, name: str) -> int | None:
    found = connection.execute("SELECT at FROM marks WHERE name = ?", [name]).fetchone()
    return found[0] if found else None


def _set_mark(connection: sqlite3.Connection, name: str, at: int) -> None:
    connection.execute("INSERT INTO marks VALUES (?, ?) ON CONFLICT DO UPDATE SET at = max(at, excluded.at)", [name, at])


def _exists(database: Path) -> bool:
    """An empty file is none: SQLite would begin a new database in it."""
    return database.exists() and database.stat().st_size > 0


def _sidecars(database: Path) -> list[Path]:
    return [database.with_name(database.name + suffix) for suffix in SIDECARS]


def _remove(database: Path) -> None:
    for suffix in ("", *SIDECARS, ".migration", ".tmp"):
        database.with_name(database.name + suffix).unlink(missing_ok=True)


def _time(at: int) -> str:
    return f"{time_of(at):%Y-%m-%d %H:%M:%S.%f}Z" if at else "an unknown time"
