"""A ledger whose days were added up as wholes is added up anew, and has the very sums that its rows would have come to."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest
from sqlite_utils import Database

from control_app.core.time import month_of
from control_app.ledger.ledger import carry
from control_app.ledger.recount import recount
from control_app.service.tables import migrations, open_database
from tests.control.support.ledgers import OCTOBER, RATES, Books, row

SUMS = ("days", "months", "model_days")
OLD_DAY = """INSERT INTO days (key, day, model, customer, price, billed_in, requests, unused, unrated, prompt, cached_read, cached_write,
  completion, reasoning, plain_prompt, plain_completion, amount) VALUES (1, 1, 1, 1, 1, 1, 7, 0, 0, 7, 0, 0, 7, 0, 7, 7, 7)"""
MADE_ANEW = {*SUMS, "_sqlite_migrations"}


@pytest.fixture
def books(tmp_path: Path) -> Iterator[Books]:
    """Rows of every kind, at all times of day, of open, closed and carried months."""
    books = Books(tmp_path / "now")
    books.price("llama", 0, RATES)
    books.price("dear", 0, {"prompt": Decimal("0.000009"), "completion": Decimal("0.000009")})
    books.holders({"k1": "acme", "k2": "umbra", "k3": None})
    times = [
        f"2026-{month}-{day}T{time}" for month in ("09", "10") for day in ("05", "30") for time in ("00:00", "05:59", "12:00", "23:59")
    ]
    for key in ("k1", "k2", "k3"):
        books.take(*(row(time, key, model) for time in times for model in ("llama", "dear", "unpriced")))
    books.take(row("2026-10-05T13:00", succeeded=False), row("2026-10-05T14:00", prompt=0, cached_read=0, completion=0, reasoning=0))
    books.take(row("2026-10-05T15:00", reasoning=900), row("2026-10-05T16:00", "k2", customer="acme"))
    month = month_of(OCTOBER.start)
    with books.db.transaction() as connection:
        connection.execute("INSERT INTO closed (customer, month, at) VALUES (?, ?, 0)", [books.customer("umbra"), month])
        carry(connection, books.customer("umbra"), month)
    books.take(row("2026-10-06T01:00", "k2"))
    yield books
    books.db.close()


def as_before(books: Books, path: Path) -> Database:
    """What *books* have, in the tables of before; of what was added up there is nothing that is right."""
    db = Database(path)
    migrations.apply(db, stop_before="parts_of_days")
    db.conn.execute("ATTACH ? AS now", [str(books.db.path)])
    for (table,) in db.conn.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'").fetchall():
        if table not in MADE_ANEW:
            columns = "SELECT name FROM main.pragma_table_info(?) INTERSECT SELECT name FROM pragma_table_info(?, 'now')"
            names = ", ".join(name for (name,) in db.conn.execute(columns, [table, table]))
            db.conn.execute(f"INSERT OR REPLACE INTO {table} ({names}) SELECT {names} FROM now.{table}")  # noqa: S608
    db.conn.execute(OLD_DAY)
    db.conn.commit()
    db.conn.execute("DETACH now")
    return db


def sums(connection: sqlite3.Connection) -> dict[str, set[tuple[int, ...]]]:
    """All cells of what rows add up to, by columns in the order of their names."""
    found: dict[str, set[tuple[int, ...]]] = {}
    for table in SUMS:
        names = sorted(name for (name,) in connection.execute("SELECT name FROM pragma_table_info(?)", [table]))
        found[table] = set(connection.execute(f"SELECT {', '.join(names)} FROM {table}").fetchall())  # noqa: S608
    return found


def test_every_sum_is_that_of_the_rows(books: Books, tmp_path: Path) -> None:
    as_before(books, tmp_path / "before.sqlite3").close()
    db = open_database(tmp_path / "before.sqlite3")
    assert sums(db.connection) == sums(books.db.connection)
    recount(db.connection)
    db.close()


def test_an_empty_ledger_has_no_sums(tmp_path: Path) -> None:
    db = open_database(tmp_path / "control.sqlite3")
    assert sums(db.connection) == {table: set() for table in SUMS}
    db.close()


def test_what_a_kill_leaves_undone_is_done_by_the_next_start(books: Books, tmp_path: Path) -> None:
    db = as_before(books, tmp_path / "before.sqlite3")
    for steps in (100, 1_000, 3_000):
        db.conn.set_progress_handler(lambda: 1, steps)
        with pytest.raises(sqlite3.OperationalError, match="interrupted"):
            migrations.apply(db)
        db.conn.set_progress_handler(None, 0)
        assert db.conn.execute("SELECT sum(requests), count(*) FROM days").fetchone() == (7, 1), "nothing of it was done"
    migrations.apply(db)
    assert sums(db.conn) == sums(books.db.connection)
    db.close()
