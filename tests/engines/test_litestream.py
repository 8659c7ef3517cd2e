"""The database beside the real Litestream: what a lost volume costs, and that nothing goes on from an older state by itself."""

from __future__ import annotations

import contextlib
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Generator, Iterator, Sequence
from pathlib import Path

import pytest

from control_app.core.clock import utc
from control_app.service.assembly import nightly_copy
from control_app.service.tables import open_database
from control_app.storage import database, litestream, replica
from control_app.storage.database import CheckpointError, Db
from control_app.storage.replica import written_at
from tests.control.support import recomputation
from tests.control.support.killed_ingest import ROWS, all_rows, prepare
from tests.control.support.ledgers import Books
from tests.control.support.month import WORLD
from tests.engines.volume import ROOT, Place, rows, write
from tests.faults.test_killed_ingest import ingest
from tests.support.waiting import until


@pytest.fixture
def older(place: Place) -> Place:
    """A volume from before its last rows, with Litestream's notes of then; `volume` beside it is the newer one."""
    before, volume = place.database.parent.with_name("before"), place.database.parent
    with place.replicating():
        place.write("first")
        until(place.in_sync, "the first row is in the replica", seconds=20)
        shutil.copytree(volume, before)
        place.write("second", "third")
        until(place.in_sync, "the other rows are in the replica", seconds=20)
    volume.rename(volume.with_name("newer"))
    before.rename(volume)
    return place


def test_a_killed_writer_and_a_lost_volume_cost_what_was_not_replicated_and_it_is_found_again(place: Place) -> None:
    volume = place.database.parent
    books = prepare(volume)
    with place.replicating(signal.SIGKILL) as process:
        assert not ingest(volume, batches=10)
        until(place.in_sync, "what was committed is in the replica", seconds=30)
        replicated = rows(place.database, "requests")
        assert len(replicated) >= 1000
        assert not ingest(volume, batches=20)
        process.kill()
        process.wait()
    books.db.close()
    lost = {table: rows(place.database, table) for table in ("price_versions", "holders", "models")}
    shutil.rmtree(volume)

    done = place.control("replica", "restore")
    assert done.returncode == 0, done.stderr
    assert "restored" in done.stdout
    restored = rows(place.database, "requests")
    assert set(replicated) <= set(restored)
    assert {table: rows(place.database, table) for table in lost} == lost
    books = Books(volume)
    assert books.db.connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert books.db.connection.execute("PRAGMA foreign_key_check").fetchall() == []
    assert books.costs() == dict(recomputation.ledger(all_rows()[: len(restored)], WORLD))
    assert replica.restored_at(books.db)
    assert ingest(volume, batches=None)
    assert books.costs() == dict(recomputation.ledger(all_rows(), WORLD))
    assert books.db.connection.execute("SELECT count(*) FROM requests").fetchone() == (ROWS,)


def write_past(db: Db) -> None:
    """More than 1000 pages, after which SQLite checkpoints by itself, and a little that begins the WAL again."""
    write(db, *(f"more {number:>3000}" for number in range(1_500)))
    write(db, "last")


def whole(place: Place) -> bool:
    return sorted(place.names(place.fetched())) == sorted(place.names())


@pytest.fixture
def restarted(place: Place, request: pytest.FixtureRequest) -> Iterator[Place]:
    """Litestream was killed, and came again after a service that is `replicated` or not had written on."""
    db = open_database(place.database, replicated=request.param)
    with place.replicating(signal.SIGKILL):
        for turn in range(3):
            write(db, f"first {turn}")
            until(place.in_sync, "the first rows are in the replica", seconds=20)
    write_past(db)
    with place.replicating():
        yield place
    db.close()


@pytest.mark.parametrize("restarted", [True], indirect=True)
def test_what_is_written_while_litestream_is_away_is_replicated_when_it_comes_again(restarted: Place) -> None:
    until(lambda: whole(restarted), "all is in the replica", seconds=20)


@pytest.mark.parametrize("restarted", [False], indirect=True)
def test_with_sqlites_own_checkpoints_it_would_be_lost(restarted: Place) -> None:
    """Why connections leave them to Litestream; a version that fails this test does not need it."""
    file = restarted.bucket.with_name("fetched.sqlite3")
    command = [restarted.settings.storage.litestream, "restore", "-o", str(file), restarted.settings.storage.replica]
    until(lambda: fetched_unchecked(command, file) >= written_at(restarted.database), "the last transaction is in the replica", seconds=20)
    assert len(restarted.names(file)) < len(restarted.names())


def fetched_unchecked(command: Sequence[str], file: Path) -> int:
    """The mark of what is restored without a look at whether it is whole."""
    file.unlink(missing_ok=True)
    subprocess.run(command, check=True, capture_output=True)
    return written_at(file)


def test_a_wal_that_litestream_left_alone_for_long_is_shortened_and_nothing_is_lost(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "WAL_LIMIT", 1_000_000)
    db, wal = open_database(place.database, replicated=True), place.database.with_name("control.sqlite3-wal")
    with place.replicating(signal.SIGKILL):
        write(db, "first")
        until(place.in_sync, "the first row is in the replica", seconds=20)
        write(db, *(f"{number:>3000}" for number in range(300)))
        with pytest.raises(CheckpointError):
            db.shorten_wal()
        assert wal.stat().st_size > 1_000_000, "Litestream reads it"
    write_past(db)
    db.shorten_wal()
    assert wal.stat().st_size == 0
    write(db, "after")
    with place.replicating():
        until(lambda: place.in_sync() and whole(place), "all is in the replica", seconds=20)
    db.close()


def test_restoring_where_there_is_a_database_does_nothing(place: Place) -> None:
    with place.replicating():
        place.write("first")
        until(place.in_sync, "the row is in the replica", seconds=20)
    before = place.database.read_bytes()
    done = place.control("replica", "restore")
    assert (done.returncode, place.database.read_bytes()) == (0, before)
    assert "is there, and as new as its replica" in done.stdout


def test_the_first_start_of_all_begins_a_new_database(place: Place) -> None:
    done = place.control("replica", "restore")
    assert done.returncode == 0
    assert "is empty: a new database begins" in done.stdout
    assert not place.database.exists()


def test_a_replica_whose_beginning_is_gone_is_not_taken_for_an_empty_one(place: Place) -> None:
    with place.replicating():
        place.write("first")
        until(place.in_sync, "the row is in the replica", seconds=20)
        place.write("second")
        until(place.in_sync, "the other row is in the replica", seconds=20)
    for file in place.bucket.rglob("0000000000000001-*.ltx"):
        file.unlink()
    shutil.rmtree(place.database.parent)
    done = place.control("replica", "restore")
    assert done.returncode == 1
    assert "cannot be read: no matching backup files available" in done.stderr
    assert not place.database.exists()


def without_notes(volume: Path) -> None:
    """The files of the database were put back, and Litestream's folder was not."""
    shutil.rmtree(volume / ".control.sqlite3-litestream")


def with_newer_notes(volume: Path) -> None:
    """The files of the database were put back over newer ones, beside Litestream's hidden folder."""
    without_notes(volume)
    shutil.copytree(volume.with_name("newer") / ".control.sqlite3-litestream", volume / ".control.sqlite3-litestream")


def only_the_file(volume: Path) -> None:
    """A copy that SQLite made, which has no WAL, beside Litestream's newer notes."""
    with_newer_notes(volume)
    with contextlib.closing(sqlite3.connect(volume / "control.sqlite3")) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")


@pytest.mark.parametrize("put_back", [None, without_notes, with_newer_notes, only_the_file])
def test_an_older_copy_is_refused_however_it_was_put_back(older: Place, put_back: Callable[[Path], None] | None) -> None:
    if put_back:
        put_back(older.database.parent)
    for words in ((), ("jobs",), ("replica", "restore")):
        done = older.control(*words, CONTROL_BIND="127.0.0.1:0", CONTROL_METRICS_BIND="127.0.0.1:0")
        assert done.returncode == 1, done.stderr
        assert "is older than its replica: written last at 2" in done.stderr
        assert "control replica restore --replace" in done.stderr
    assert older.names() == ["first"]


def test_an_older_copy_is_replaced_by_the_newest(older: Place) -> None:
    done = older.control("replica", "restore", "--replace")
    assert done.returncode == 0, done.stderr
    assert older.names() == ["first", "second", "third"]
    (aside,) = older.database.parent.glob("control.sqlite3.before-*")
    assert older.names(aside) == ["first"]
    with older.replicating():
        older.write("fourth")
        until(older.in_sync, "it is replicated on", seconds=20)
    assert older.names(older.fetched()) == ["first", "fourth", "second", "third"]


def test_litestream_itself_would_go_on_from_an_older_copy(older: Place) -> None:
    """Why we look before it starts."""
    with older.replicating():
        until(lambda: older.names(older.fetched()) == ["first"], "the older state is the newest", seconds=20)


def test_an_older_copy_is_gone_on_with_on_a_persons_word(older: Place) -> None:
    assert older.control("replica", "restore", "--accept-older", "--reason", "a test").returncode == 0
    assert older.control("replica", "restore").returncode == 0
    with older.replicating():
        older.write("other")
        until(older.in_sync, "it is replicated on", seconds=20)
    assert older.names(older.fetched()) == ["first", "other"]
    assert older.control("replica", "restore").returncode == 0


def test_a_database_in_use_is_not_replaced(older: Place) -> None:
    with older.replicating():
        until(lambda: older.names(older.fetched()) == ["first"], "Litestream has it open", seconds=20)
        done = older.control("replica", "restore", "--replace")
    assert done.returncode == 1
    assert "stop the service and Litestream first" in done.stderr
    assert older.names() == ["first"]


@contextlib.contextmanager
def serving(place: Place) -> Generator[str]:
    """The service, whose address it is."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        bind = f"127.0.0.1:{free.getsockname()[1]}"
    environment = place.environment | {"CONTROL_BIND": bind, "CONTROL_METRICS_BIND": "127.0.0.1:0", "CONTROL_JOBS": "elsewhere"}
    command = [sys.executable, "-m", "control_app"]
    with subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.DEVNULL) as process:
        try:
            yield f"http://{bind}"
        finally:
            process.terminate()


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, ConnectionError):
        return False


def test_an_equal_and_a_newer_database_are_served(place: Place) -> None:
    with place.replicating():
        place.write("first")
        until(place.in_sync, "the row is in the replica", seconds=20)
        with serving(place) as url:
            until(lambda: answers(f"{url}/readyz"), "an equal one is served", seconds=30)
    place.write("second")
    with serving(place) as url:
        until(lambda: answers(f"{url}/readyz"), "a newer one is served", seconds=30)


def test_a_volume_that_nobody_touched_is_known_without_fetching_the_replica(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    with place.replicating(signal.SIGKILL):
        place.write("first")
        until(place.in_sync, "the row is in the replica", seconds=20)
    assert litestream.position(place.database) == litestream.newest(place.kept)
    monkeypatch.setattr(litestream, "fetch", None)
    replica.refuse_older(place.kept)


def test_a_copy_that_is_made_while_a_writer_writes_is_whole(place: Place) -> None:
    volume = place.database.parent
    prepare(volume)
    command = [sys.executable, "-m", "tests.control.support.killed_ingest", str(volume)]
    with place.replicating(), subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout
        for _ in range(3):
            writer.stdout.readline()
        copy = nightly_copy(open_database(place.database), utc).make()
        assert writer.poll() is None, "it was too quick for this test"
        writer.kill()
    kept = open_database(copy)
    assert kept.connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    (count,) = kept.connection.execute("SELECT count(*) FROM requests").fetchone()
    assert 200 <= count < ROWS
    assert kept.connection.execute("SELECT sum(requests + unused) FROM days").fetchone() == (count,)
    assert kept.connection.execute("SELECT sum(requests + unused) FROM months").fetchone() == (count,)
