"""What was written once stays as it was, or somebody is told."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from control_app.service.soundness import refuse_unsound
from control_app.service.tables import CHAINED, open_database
from control_app.storage import chain
from control_app.storage.audit import Act, record
from control_app.storage.chain import BEGIN, BrokenChainError
from control_app.storage.database import Db

AT = 1_700_000_000_000_000
PRICE = "INSERT INTO price_versions (model, effective_from, prompt) VALUES (?, ?, 8000000)"


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Db]:
    """With two prices and three acts, in three transactions."""
    db = open_database(tmp_path / "control.sqlite3")
    with db.transaction() as connection:
        connection.execute(PRICE, ["llama", AT])
        record(connection, AT, Act("ana", "accept price", "llama", "as agreed"))
    with db.transaction() as connection:
        record(connection, AT + 1, Act("bob", "accept price", "llama", "șî \x00"))
        record(connection, AT + 1, Act("bob", "accept price", "llama", "twice"))
    with db.transaction() as connection:
        connection.execute(PRICE, ["llama", AT + 2])
    yield db
    db.close()


def change(db: Db, statement: str) -> None:
    """As somebody who knows SQLite would: without the triggers, and behind the service's back."""
    other = sqlite3.connect(db.path, isolation_level=None)
    for (name,) in other.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
        other.execute(f"DROP TRIGGER {name}")
    other.execute(statement)
    other.close()


def test_every_row_is_a_link_from_the_transaction_that_wrote_it_on(db: Db) -> None:
    links = db.connection.execute("SELECT kind, row FROM chain ORDER BY n").fetchall()
    assert links == [("audit", 1), ("price_versions", 1), ("audit", 2), ("audit", 3), ("price_versions", 2)]
    assert chain.verify(db.connection, CHAINED) == chain.head(db.connection) == refuse_unsound(db.connection)


def test_a_new_database_has_a_chain_without_links(tmp_path: Path) -> None:
    db = open_database(tmp_path / "new.sqlite3")
    assert chain.verify(db.connection, CHAINED) == BEGIN
    db.close()


def test_what_is_taken_back_is_no_link(db: Db) -> None:
    before = chain.head(db.connection)
    with pytest.raises(ZeroDivisionError), db.transaction() as connection:
        record(connection, AT, Act("ana", "accept price", "llama", "no"))
        raise ZeroDivisionError
    assert chain.verify(db.connection, CHAINED) == before


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("UPDATE price_versions SET prompt = prompt + 1 WHERE id = 1", "the row 1 of price_versions"),
        ("UPDATE audit SET who = 'eve' WHERE id = 2", "the row 2 of audit"),
        ("UPDATE audit SET at = at + 1 WHERE id = 3", "the row 3 of audit"),
        ("DELETE FROM audit WHERE id = 3", "the row 3 of audit is gone"),
        ("DELETE FROM chain WHERE n = 3", "the row 3 of audit"),
        ("DELETE FROM chain WHERE n = 5", "the row 2 of price_versions is not in the chain"),
        ("UPDATE chain SET sha256 = replace(sha256, 'a', 'b')", "the row 1 of"),
        ("INSERT INTO audit VALUES (-1, 0, 'eve', 'accept price', 'llama', 'backdated')", "the row -1 of audit is not in the chain"),
    ],
)
def test_whoever_changes_a_row_is_found_out(db: Db, statement: str, said: str) -> None:
    change(db, statement)
    with pytest.raises(BrokenChainError, match=said):
        refuse_unsound(db.connection)


def test_a_chain_made_anew_has_another_end_than_the_one_that_was_told(db: Db) -> None:
    told = chain.head(db.connection)
    change(db, "UPDATE audit SET who = 'eve' WHERE id = 1")
    db.connection.execute("DELETE FROM chain")
    with db.transaction() as connection:
        connection.execute("UPDATE marks SET at = at + 1")
    assert chain.verify(db.connection, CHAINED) != told


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit SET who = 'eve'",
        "DELETE FROM audit",
        "INSERT OR REPLACE INTO audit VALUES (1, 0, 'eve', 'accept price', 'llama', 'as agreed')",
        "REPLACE INTO price_versions (model, effective_from, prompt) SELECT model, effective_from, 1 FROM price_versions",
        (
            "INSERT INTO price_versions (model, effective_from) SELECT model, effective_from FROM price_versions WHERE true"
            " ON CONFLICT DO UPDATE SET prompt = 1"
        ),
        "INSERT OR REPLACE INTO chain VALUES (1, 'audit', 1, 'abc')",
        "UPDATE chain SET sha256 = 'abc'",
        "DELETE FROM chain",
    ],
)
def test_what_was_written_once_cannot_be_written_again(db: Db, statement: str) -> None:
    with pytest.raises(sqlite3.IntegrityError, match="is appended, never edited"):
        db.connection.execute(statement)
    refuse_unsound(db.connection)
