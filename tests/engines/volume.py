"""A volume with the control service's database, a folder in the bucket's place, and Litestream between them."""

from __future__ import annotations

import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path
from typing import NamedTuple

from control_app.service.assembly import replica_of
from control_app.service.settings import Settings
from control_app.service.tables import open_database
from control_app.storage import litestream
from control_app.storage.database import Db
from control_app.storage.litestream import Replica
from control_app.storage.replica import written_at

ROOT = Path(__file__).parents[2]
# It is the machine's, and Litestream's client of S3 does not start with it.
CLEAN = {name: value for name, value in os.environ.items() if not name.startswith("CONTROL_") and name != "AWS_CA_BUNDLE"}


class Place(NamedTuple):
    """A volume with the database, and a folder in the bucket's place."""

    settings: Settings
    bucket: Path

    @property
    def database(self) -> Path:
        return self.settings.storage.database

    @property
    def kept(self) -> Replica:
        found = replica_of(self.settings.storage)
        assert found
        return found

    @property
    def environment(self) -> dict[str, str]:
        named = {"DATABASE": self.database, "REPLICA": self.settings.storage.replica, "LITESTREAM": self.settings.storage.litestream}
        return CLEAN | {f"CONTROL_{name}": str(value) for name, value in named.items()}

    def control(self, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "control_app", *words]
        environment = self.environment | variables
        return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False)

    def fetched(self) -> Path:
        """The replica's newest, in a file of its own."""
        file = self.bucket.with_name("fetched.sqlite3")
        file.unlink(missing_ok=True)
        litestream.fetch(self.kept, file)
        return file

    def in_sync(self) -> bool:
        """Whether all that is committed is there; of a writer that was killed Litestream may see a transaction that nobody else does."""
        return litestream.newest(self.kept) is not None and written_at(self.fetched()) >= written_at(self.database)

    def write(self, *names: str) -> None:
        """A transaction each."""
        db = open_database(self.database, replicated=True)
        for name in names:
            write(db, name)
        db.close()

    def names(self, database: Path | None = None) -> list[str]:
        return [str(name) for (name,) in rows(database or self.database, "models (name)")]

    @contextlib.contextmanager
    def replicating(self, end: signal.Signals = signal.SIGTERM) -> Generator[subprocess.Popen[bytes]]:
        """Litestream beside the service, as its configuration says; it ends by *end*."""
        file = self.bucket.with_name("litestream.yml")
        file.write_text(self.control("replica", "config").stdout)
        command = [self.settings.storage.litestream, "replicate", "-no-expand-env", "-config", str(file)]
        with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
            try:
                yield process
            finally:
                process.send_signal(end)


def write(db: Db, *names: str) -> None:
    """All in one transaction."""
    with db.transaction() as connection:
        connection.executemany("INSERT INTO models (name) VALUES (?)", [[name] for name in names])


def rows(database: Path, table: str) -> list[tuple[str | int | None, ...]]:
    """All of a table, or of its columns in brackets, read without closing the database as its last user would."""
    name, _, columns = table.partition(" ")
    with contextlib.closing(sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True)) as connection:
        return connection.execute(f"SELECT {columns.strip('()') or '*'} FROM {name} ORDER BY 1").fetchall()  # noqa: S608
