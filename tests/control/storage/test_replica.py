"""The database against its replica, with a stand-in for Litestream; the real one is in tests/engines/test_litestream.py."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml
from click.testing import CliRunner, Result

from control_app.cli.main import control
from control_app.core.time import microseconds
from control_app.service.assembly import assemble, replica_of
from control_app.service.settings import Settings, SettingsError, StorageSettings
from control_app.service.tables import open_database
from control_app.storage import database, litestream, replica
from control_app.storage.database import CheckpointError, Db
from control_app.storage.litestream import Replica, ReplicaError
from control_app.storage.replica import OlderError

NOW = datetime(2026, 11, 2, 12, tzinfo=UTC)
# Its replica is a file in the folder `bucket`; without one the replica is empty.
PROGRAM = """#!/bin/sh
cat > {folder}/config
[ ! -e {folder}/refuses ] || {{ echo "Error: no such bucket" >&2; exit 1; }}
case $1 in
  ltx) [ -e {folder}/newest ] && echo '[{{"max_txid": "0000000000000009"}}, {{"max_txid": "000000000000000a"}}]' || echo '[]';;
  restore) while [ "$1" != -o ]; do shift; done; [ -e {folder}/unfit ] || cp {folder}/newest "$2";;
esac
"""


class Place(NamedTuple):
    """A volume with the database, and a bucket."""

    settings: StorageSettings
    bucket: Path

    @property
    def database(self) -> Path:
        return self.settings.database

    @property
    def kept(self) -> Replica:
        found = replica_of(self.settings)
        assert found
        return found

    def write(self, name: str) -> None:
        """One transaction."""
        db = open_database(self.database)
        with db.transaction() as connection:
            connection.execute("INSERT INTO models (name) VALUES (?)", [name])
        db.close()

    def replicate(self) -> None:
        """What Litestream would do now."""
        with sqlite3.connect(self.database) as connection:
            connection.execute("VACUUM INTO ?", [str(self.bucket / "newest")])
        connection.close()

    def models(self, database: Path | None = None) -> list[str]:
        connection = sqlite3.connect(database or self.database)
        found = [name for (name,) in connection.execute("SELECT name FROM models ORDER BY id")]
        connection.close()
        return found


@pytest.fixture
def place(tmp_path: Path) -> Place:
    bucket, program = tmp_path / "bucket", tmp_path / "litestream"
    bucket.mkdir()
    program.write_text(PROGRAM.format(folder=bucket))
    program.chmod(0o755)
    database = tmp_path / "volume" / "control.sqlite3"
    return Place(Settings.of(database=database, replica=f"file://{bucket}", litestream=str(program)).storage, bucket)


@pytest.fixture
def older(place: Place) -> Place:
    """Whose replica has a model more."""
    place.write("first")
    kept = place.database.read_bytes()
    place.write("second")
    place.replicate()
    place.database.write_bytes(kept)
    return place


def run(place: Place, *words: str) -> Result:
    given = {"DATABASE": str(place.database), "REPLICA": place.settings.replica, "LITESTREAM": place.settings.litestream}
    return CliRunner(env={f"CONTROL_{name}": value for name, value in given.items()}).invoke(control, words)


def test_the_configuration_has_one_replica_that_is_a_second_late() -> None:
    settings = Settings.of(
        database=Path("/data/c.sqlite3"), replica="s3://b/p", replica_endpoint="https://s3.example", replica_region="ro"
    ).storage
    kept = Place(settings, Path("/")).kept
    assert yaml.safe_load(litestream.config(kept)) == {
        "logging": {"type": "json", "stderr": True},
        "snapshot": {"interval": "24h", "retention": "168h"},
        "dbs": [
            {
                "path": "/data/c.sqlite3",
                "replica": {"url": "s3://b/p", "sync-interval": "1s", "endpoint": "https://s3.example", "region": "ro"},
            }
        ],
    }


def test_the_configuration_is_printed_as_litestream_is_given_it(place: Place) -> None:
    litestream.newest(place.kept)
    assert run(place, "replica", "config").stdout == (place.bucket / "config").read_text()
    assert "endpoint" not in (place.bucket / "config").read_text()


@pytest.mark.parametrize("url", ["bucket/path", "file://relative", "s3://bucket", "s3:///path", "gs://bucket/path", "file:///a b"])
def test_a_replica_that_is_no_folder_and_no_bucket_is_refused(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONTROL_REPLICA", url)
    with pytest.raises(SettingsError, match="CONTROL_REPLICA"):
        Settings.from_environment()


@pytest.mark.parametrize("words", [("config",), ("restore",)])
def test_without_a_replica_there_is_nothing_to_configure_and_to_restore(words: tuple[str, ...]) -> None:
    done = CliRunner().invoke(control, ["replica", *words])
    assert done.exit_code == 2
    assert "CONTROL_REPLICA says nowhere to replicate to" in done.output


def test_without_a_replica_nothing_is_compared() -> None:
    assert replica_of(Settings.of(litestream="/nowhere").storage) is None


def test_an_empty_volume_gets_the_newest_and_the_mark(place: Place) -> None:
    place.write("first")
    place.replicate()
    place.database.unlink()
    assert replica.restored_at(open_database(place.bucket / "newest")) is None
    assert replica.restore(place.kept, NOW).startswith(f"restored {place.database} as it was at 2")
    assert place.models() == ["first"]
    assert replica.restored_at(open_database(place.database)) == microseconds(NOW)
    assert [path.name for path in place.database.parent.glob("*restoring*")] == []
    replica.refuse_older(place.kept)


def test_an_empty_replica_begins_a_new_database(place: Place) -> None:
    assert "is empty: a new database begins" in replica.restore(place.kept, NOW)
    assert not place.database.exists()
    replica.refuse_older(place.kept)


def test_an_empty_file_is_no_database(place: Place) -> None:
    place.write("first")
    place.replicate()
    place.database.write_bytes(b"")
    assert "restored" in replica.restore(place.kept, NOW)
    assert place.models() == ["first"]


def test_a_service_without_its_database_does_not_begin_a_new_one(place: Place) -> None:
    place.write("first")
    place.replicate()
    place.database.unlink()
    with pytest.raises(ReplicaError, match=r"there is no database .* `control replica restore` brings it"):
        replica.refuse_older(place.kept)


def test_a_wal_without_its_database_is_not_written_over(place: Place) -> None:
    place.database.parent.mkdir()
    place.database.with_name("control.sqlite3-wal").write_bytes(b"committed rows")
    with pytest.raises(ReplicaError, match="what is in it would be lost"):
        replica.restore(place.kept, NOW)


@pytest.mark.parametrize("act", [replica.restore, replica.replace])
def test_files_that_restore_to_nothing_are_no_empty_replica(place: Place, act: Callable[[Replica, datetime], str]) -> None:
    (place.bucket / "newest").touch()
    (place.bucket / "unfit").touch()
    with pytest.raises(ReplicaError, match="restored nothing"):
        act(place.kept, NOW)
    assert not place.database.exists()


def unmounted(place: Place) -> StorageSettings:
    return place.settings.model_copy(update={"replica": f"file://{place.bucket}/not/mounted"})


def refusing(place: Place) -> StorageSettings:
    (place.bucket / "refuses").touch()
    return place.settings


def without_program(place: Place) -> StorageSettings:
    return place.settings.model_copy(update={"litestream": "/nowhere/litestream"})


def silent(place: Place) -> StorageSettings:
    Path(place.settings.litestream).write_text("#!/bin/sh\nexec sleep 60\n")
    return place.settings


@pytest.mark.parametrize("with_database", [False, True])
@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (unmounted, "cannot be reached: no such folder"),
        (refusing, "cannot be read: no such bucket"),
        (without_program, "CONTROL_LITESTREAM names the program"),
        (silent, "no answer within 0.2 s"),
    ],
)
def test_a_replica_that_cannot_be_asked_is_refused(
    place: Place, spoil: Callable[[Place], StorageSettings], reason: str, monkeypatch: pytest.MonkeyPatch, *, with_database: bool
) -> None:
    monkeypatch.setattr(litestream, "LISTING_SEC", 0.2 if spoil is silent else 60)
    if with_database:
        place.write("first")
    kept = Place(spoil(place), place.bucket).kept
    for act in (replica.restore, replica.replace):
        with pytest.raises(ReplicaError, match=reason):
            act(kept, NOW)
    with pytest.raises(ReplicaError, match=reason):
        replica.refuse_older(kept)
    assert place.database.exists() is with_database


@pytest.mark.parametrize("words", [(), ("jobs",), ("replica", "restore")])
def test_an_older_copy_is_refused_with_both_times_and_the_ways_out(older: Place, words: tuple[str, ...]) -> None:
    done = run(older, *words)
    assert done.exit_code == 1
    assert f"{older.database} is older than its replica: written last at 2" in done.stderr
    assert "control replica restore --replace" in done.stderr
    assert "--accept-older --reason" in done.stderr
    assert older.models() == ["first"]


def test_an_equal_and_a_newer_database_are_gone_on_with(place: Place) -> None:
    place.write("first")
    place.replicate()
    replica.refuse_older(place.kept)
    place.write("second")
    replica.refuse_older(place.kept)
    before = place.database.read_bytes()
    assert "is there, and as new as its replica" in replica.restore(place.kept, NOW)
    assert place.database.read_bytes() == before


def test_a_copy_of_before_there_were_marks_is_older(older: Place) -> None:
    connection = sqlite3.connect(older.database, isolation_level=None)
    connection.execute("DROP TABLE marks")
    connection.close()
    with pytest.raises(OlderError, match="written last at an unknown time"):
        replica.refuse_older(older.kept)


def test_an_older_copy_is_replaced_and_put_aside(older: Place) -> None:
    done = run(older, "replica", "restore", "--replace")
    assert done.exit_code == 0, done.output
    assert older.models() == ["first", "second"]
    (aside,) = older.database.parent.glob("control.sqlite3.before-*")
    assert str(aside) in done.stdout
    assert older.models(aside) == ["first"]
    replica.refuse_older(older.kept)


def test_a_damaged_database_is_named_and_can_be_replaced(older: Place) -> None:
    older.database.write_bytes(b"no database any more" * 500)
    with pytest.raises(ReplicaError, match=r"cannot read the database .* --replace"):
        replica.refuse_older(older.kept)
    replica.replace(older.kept, NOW)
    assert older.models() == ["first", "second"]


def test_a_database_in_use_is_not_replaced(older: Place) -> None:
    db = open_database(older.database)
    db.connection.execute("SELECT * FROM models").fetchall()
    with pytest.raises(ReplicaError, match=r"in use .* stop the service and Litestream first"):
        replica.replace(older.kept, NOW)
    db.close()
    assert older.models() == ["first"]


def test_an_empty_replica_replaces_nothing(place: Place) -> None:
    place.write("first")
    with pytest.raises(ReplicaError, match="nothing can take the database's place"):
        replica.replace(place.kept, NOW)
    assert place.models() == ["first"]


def test_an_older_copy_is_accepted_once_with_a_reason_for_the_audit(older: Place) -> None:
    done = run(older, "replica", "restore", "--accept-older", "--reason", "the last run was a mistake")
    assert done.exit_code == 0, done.output
    assert "is older than its replica" in done.stdout
    assert "litestream restore -timestamp for 7 days" in done.stdout
    replica.refuse_older(older.kept)
    acts = open_database(older.database).connection.execute("SELECT what, reason FROM audit").fetchall()
    assert acts == [("accept older database", "the last run was a mistake")]
    assert older.models() == ["first"]


def test_it_is_the_newest_also_where_our_clock_is_behind(older: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.time_ns", lambda: 1_000_000)
    replica.accept_older(older.kept, NOW, "ana", "the last run was a mistake")
    replica.refuse_older(older.kept)


def test_a_database_that_is_not_older_needs_no_acceptance(place: Place) -> None:
    place.write("first")
    place.replicate()
    assert "nothing to accept" in replica.accept_older(place.kept, NOW, "ana", "why not")
    assert open_database(place.database).connection.execute("SELECT count(*) FROM audit").fetchone() == (0,)


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("--accept-older",), "--accept-older needs a --reason"),
        (("--accept-older", "--reason", "  "), "--accept-older needs a --reason"),
        (("--accept-older", "--replace", "--reason", "x"), "choose one"),
    ],
)
def test_what_a_person_says_must_be_one_thing_with_a_reason(older: Place, words: tuple[str, ...], reason: str) -> None:
    done = run(older, "replica", "restore", *words)
    assert done.exit_code == 2
    assert reason in done.output


def written(db: Db) -> Any:
    return db.connection.execute("SELECT at FROM marks WHERE name = 'written'").fetchone()


def test_every_transaction_that_changes_something_moves_the_mark_and_no_other(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    db = open_database(place.database)
    assert written(db) is None
    place.write("first")
    first = written(db)
    with db.transaction() as connection:
        connection.execute("DELETE FROM models WHERE name = 'nobody'")
    assert written(db) == first
    with pytest.raises(ZeroDivisionError), db.transaction() as connection:
        connection.execute("INSERT INTO models (name) VALUES ('lost')")
        raise ZeroDivisionError
    assert written(db) == first
    monkeypatch.setattr("time.time_ns", lambda: 1_000_000)
    place.write("second")
    assert written(db) == (first[0] + 1,)


@pytest.mark.parametrize(("url", "pages"), [("file:///somewhere", 0), ("", 1000)])
def test_checkpoints_are_left_to_litestream_where_there_is_a_replica(tmp_path: Path, url: str, pages: int) -> None:
    db = assemble(Settings.of(database=tmp_path / "c.sqlite3", replica=url, models_dir=tmp_path)).db
    assert db.connection.execute("PRAGMA wal_autocheckpoint").fetchone() == (pages,)


@pytest.mark.parametrize("replicated", [True, False])
def test_only_a_wal_that_nobody_else_shortens_is_shortened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, replicated: bool) -> None:
    db, wal = open_database(tmp_path / "c.sqlite3", replicated=replicated), tmp_path / "c.sqlite3-wal"
    db.shorten_wal()
    with db.transaction() as connection:
        connection.execute("INSERT INTO models (name) VALUES ('first')")
    db.shorten_wal()
    assert wal.stat().st_size > 0, "it is short enough"
    monkeypatch.setattr(database, "WAL_LIMIT", 100)
    db.shorten_wal()
    assert (wal.stat().st_size == 0) is replicated


def test_a_wal_that_a_reader_holds_fails_with_the_remedy_until_the_reader_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    db, wal = open_database(tmp_path / "c.sqlite3", replicated=True), tmp_path / "c.sqlite3-wal"
    reader = sqlite3.connect(db.path, isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM models").fetchone()
    with db.transaction() as connection:
        connection.execute("INSERT INTO models (name) VALUES ('first')")
    monkeypatch.setattr(database, "WAL_LIMIT", 100)
    size = wal.stat().st_size
    with pytest.raises(CheckpointError, match=rf"{size:,} bytes and cannot be shortened .*restart it.*fuser -v {db.path}"):
        db.shorten_wal()
    assert wal.stat().st_size == size
    reader.close()
    db.shorten_wal()
    assert wal.stat().st_size == 0


def test_a_position_is_known_only_where_the_wal_has_what_litestream_read_last(place: Place) -> None:
    assert litestream.position(place.database) is None
    notes = litestream.folder(place.database) / "ltx" / "0"
    notes.mkdir(parents=True)
    (notes / "0000000000000003-0000000000000003.ltx").write_bytes(b"LTX1")
    assert litestream.position(place.database) is None
    place.write("first")
    assert litestream.position(place.database) is None
