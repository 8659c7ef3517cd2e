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

from control_app.core.time import microseconds, time_of
from control_app.storage import audit, chain, litestream
from control_app.storage.database import Db, connect
from control_app.storage.litestream import Replica, ReplicaError

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
    """The mark `written`; 0 where nothing was written since there are marks. Opened only to read, since closing would else drop the WAL."""
    with contextlib.closing(sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro", uri=True)) as connection:
        if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'marks'").fetchone():
            return 0
        return _mark(connection, "written") or 0


def refuse_older(replica: Replica) -> None:
    """OlderError where the replica has what the database does not; ReplicaError where that cannot be told."""
    with _alone(replica.database):
        _refuse_older(replica)


def restore(replica: Replica, now: datetime) -> str:
    """Restore the newest state where there is no database, else do what refuse_older does; returns what was done, in words."""
    with _alone(replica.database):
        if _exists(replica.database):
            _refuse_older(replica)
            return f"{replica.database} is there, and as new as its replica"
        if left := [str(path) for path in _sidecars(replica.database) if path.exists()]:
            raise ReplicaError(f"there is no {replica.database}, but {', '.join(left)}: what is in it would be lost; put it aside")
        if litestream.newest(replica) is None:
            return f"the replica {replica.url} is empty: a new database begins"
        return f"restored {replica.database} {_bring(replica, now)}"


def replace(replica: Replica, now: datetime) -> str:
    """Put the database aside and restore the newest state; what was done, in words."""
    with _alone(replica.database):
        if litestream.newest(replica) is None:
            raise ReplicaError(f"the replica {replica.url} is empty: nothing can take the database's place")
        _refuse_open(replica.database)
        aside = replica.database.with_name(f"{replica.database.name}.before-{now:%Y%m%dT%H%M%S}Z")
        return f"restored {replica.database} {_bring(replica, now, aside)}; what was there is {aside}"


def accept_older(replica: Replica, now: datetime, who: str, reason: str) -> str:
    """Go on with a database that is older than its replica; what that means, in words."""
    with _alone(replica.database):
        try:
            _refuse_older(replica)
        except OlderError as older:
            act = audit.Act(who, "accept older database", str(replica.database), reason)
            with contextlib.closing(Db(replica.database, replica.schema, replicated=True)) as db, db.transaction() as connection:
                audit.record(connection, microseconds(now), act)
                # From here on this database is the newest, also where the clock is behind.
                _set_mark(connection, "written", older.replica)
                # Writes to Odoo that this database does not know of may still be under way, as after a restore.
                _set_mark(connection, "restored", microseconds(now))
            days = int(litestream.SNAPSHOTS["retention"].removesuffix("h")) // 24
            return f"{older}\naccepted; the newer state can be restored with litestream restore -timestamp for {days} days"
        return f"{replica.database} is as new as its replica: nothing to accept"


def _refuse_older(replica: Replica) -> None:
    """Compare numbers of transactions where Litestream's notes fit the database, else the marks, for which the whole replica is fetched."""
    newest = litestream.newest(replica)
    if newest is None:
        return
    if not _exists(replica.database):
        raise ReplicaError(f"there is no database {replica.database}, and its replica has one; `control replica restore` brings it")
    if (litestream.position(replica.database) or 0) >= newest:
        return
    partial = _fetched(replica)
    there = written_at(partial)
    _remove(partial)
    try:
        here = written_at(replica.database)
    except sqlite3.DatabaseError as error:
        raise ReplicaError(f"cannot read the database {replica.database} ({error}); {REPLACE} puts it aside") from None
    if here < there:
        raise OlderError(replica.database, here, there)


def _bring(replica: Replica, now: datetime, aside: Path | None = None) -> str:
    """Put the newest state in the database's place, marked as restored, and what is there *aside*; what was restored, in words."""
    partial = _fetched(replica)
    written = written_at(partial)
    with contextlib.closing(Db(partial, replica.schema)) as db, db.transaction() as connection:
        _set_mark(connection, "restored", microseconds(now))
        end = _chain_end(connection, replica.schema.chained)
    if aside:
        for path in (replica.database, *_sidecars(replica.database)):
            if path.exists():
                path.rename(aside.with_name(path.name.replace(replica.database.name, aside.name, 1)))
        # Its notes are about the old file.
        shutil.rmtree(litestream.folder(replica.database), ignore_errors=True)
    partial.replace(replica.database)
    _remove(partial)
    return f"as it was at {_time(written)}; {end}"


def _chain_end(connection: sqlite3.Connection, chained: chain.Chained) -> str:
    """How the chain over what never changes ends: who restores compares it with what the accountant has. A broken one stops nobody."""
    try:
        return f"its chain ends in {chain.verify(connection, chained)}"
    except chain.BrokenChainError as error:
        return f"BEWARE, somebody changed it: {error}"


def _fetched(replica: Replica) -> Path:
    partial = replica.database.with_name(f"{replica.database.name}.restoring")
    _remove(partial)
    litestream.fetch(replica, partial)
    return partial


def _refuse_open(database: Path) -> None:
    """ReplicaError where somebody has *database* open: it would write on into the file that was put aside."""
    if not _exists(database):
        return
    try:
        with contextlib.closing(connect(database)) as connection:
            connection.execute("PRAGMA busy_timeout = 1000")
            # Only a connection that is alone can leave the WAL; that also makes one file of the database.
            connection.execute("PRAGMA journal_mode = DELETE")
    except sqlite3.OperationalError as error:
        raise ReplicaError(f"{database} is in use ({error}); stop the service and Litestream first") from None
    except sqlite3.DatabaseError:
        # Damaged: it is put aside all the same.
        return


@contextlib.contextmanager
def _alone(database: Path) -> Generator[None]:
    """One at a time: the web, the jobs and the start-up before them ask at once, and each fetches into the same file."""
    database.parent.mkdir(parents=True, exist_ok=True)
    with database.with_name(f"{database.name}.replica").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _mark(connection: sqlite3.Connection, name: str) -> int | None:
    found = connection.execute("SELECT at FROM marks WHERE name = ?", [name]).fetchone()
    return found[0] if found else None


def _set_mark(connection: sqlite3.Connection, name: str, at: int) -> None:
    statement = "INSERT INTO marks (name, at) VALUES (?, ?) ON CONFLICT DO UPDATE SET at = max(at, excluded.at)"
    connection.execute(statement, [name, at])


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
