"""The nightly copy: when it is made, that it is whole, and that a bad one takes nobody's place."""

from __future__ import annotations

import os
import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import pytest
from click.testing import CliRunner, Result

from control_app.cli.main import control
from control_app.service.assembly import nightly_copy
from control_app.service.tables import open_database
from control_app.storage.nightly_copy import CopyError

NOW = datetime(2026, 11, 2, 12, tzinfo=UTC)


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "volume" / "control.sqlite3"


def write(database: Path, *names: str) -> None:
    """One transaction."""
    db = open_database(database)
    with db.transaction() as connection:
        connection.executemany("INSERT INTO models (name) VALUES (?)", [[name] for name in names])
    db.close()


def models(database: Path) -> list[str]:
    connection = sqlite3.connect(database)
    found = [name for (name,) in connection.execute("SELECT name FROM models ORDER BY id")]
    connection.close()
    return found


def run(database: Path) -> Result:
    return CliRunner(env={"CONTROL_DATABASE": str(database)}).invoke(control, ["replica", "copy"])


class Usage(NamedTuple):
    """Of a disk."""

    free: int


class Clock:
    """Says what it is told."""

    def __init__(self, now: datetime) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now


def test_the_copy_is_made_at_two_once_a_day_and_after_a_night_that_was_slept_through(database: Path) -> None:
    write(database, "first")
    clock = Clock(datetime(2026, 11, 2, 1, 59, tzinfo=UTC))
    nightly = nightly_copy(open_database(database), clock)
    made: list[datetime] = []
    for now in ("2T01:59", "2T02:00", "2T02:05", "3T01:59", "3T02:04", "3T23:00", "6T17:00", "6T17:05", "7T01:00", "7T02:03"):
        clock.now = datetime.fromisoformat(f"2026-11-0{now}+00:00")
        nightly.tick()
        made.append(datetime.fromtimestamp(nightly.path.stat().st_mtime, UTC))
    assert [f"{time.day}T{time:%H:%M}" for time in dict.fromkeys(made)] == ["2T01:59", "2T02:00", "3T02:04", "6T17:00", "7T02:03"]


def test_a_copy_of_a_time_to_come_is_made_anew_since_the_clock_was_wrong_then(database: Path) -> None:
    write(database, "first")
    clock = Clock(NOW + timedelta(days=31))
    nightly = nightly_copy(open_database(database), clock)
    nightly.tick()
    clock.now = NOW
    nightly.tick()
    assert nightly.path.stat().st_mtime == NOW.timestamp()


def test_the_copy_stands_for_itself(database: Path) -> None:
    write(database, "first")
    done = run(database)
    assert done.exit_code == 0, done.output
    copy = database.with_name("control.sqlite3.nightly")
    assert str(copy) in done.stdout
    write(database, "second")
    assert models(copy) == ["first"]
    assert [path.name for path in copy.parent.glob("*.nightly*")] == [copy.name]


def test_a_copy_for_which_there_is_no_room_is_not_begun(database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(database, "first")

    def usage(_path: Path) -> Usage:
        return Usage(10_000)

    monkeypatch.setattr("shutil.disk_usage", usage)
    done = run(database)
    assert done.exit_code == 1
    assert "10,000 bytes are free" in done.output


def test_a_copy_of_a_damaged_database_does_not_take_the_good_ones_place(database: Path) -> None:
    db = open_database(database)
    with db.transaction() as connection:
        connection.executemany("INSERT INTO models (name) VALUES (?)", [[f"{name:>200}"] for name in range(2_000)])
    nightly = nightly_copy(db, lambda: NOW - timedelta(days=1))
    good = nightly.make().read_bytes()
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()
    pages = bytearray(database.read_bytes())
    pages[len(pages) // 2 :] = os.urandom(len(pages) - len(pages) // 2)
    database.write_bytes(pages)
    with pytest.raises((CopyError, sqlite3.DatabaseError)):
        nightly_copy(open_database(database), lambda: NOW).tick()
    assert nightly.path.read_bytes() == good


def test_the_columns_of_a_key_come_first_in_every_table_without_a_number(database: Path) -> None:
    """SQLite 3.40's quick_check, Debian 12's, finds NULL in a good table that has it otherwise."""
    db = open_database(database)
    wrong: list[str] = []
    for name, statement in db.connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'table'").fetchall():
        is_key = [column[5] > 0 for column in db.connection.execute(f"PRAGMA table_info({name})")]
        if "WITHOUT ROWID" in (statement or "") and is_key != sorted(is_key, reverse=True):
            wrong.append(name)
    db.close()
    assert wrong == []
