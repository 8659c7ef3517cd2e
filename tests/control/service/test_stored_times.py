"""No stored time lies after the gateway's present, in whichever table; what is meant to come may."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from control_app.core.time import DAY, HOUR, SECOND
from control_app.service.stored_times import PULL_BACK
from tests.control.support.ledgers import Books
from tests.control.support.recomputation import at

NOW, LATER = at("2026-11-02T00:00"), at("2026-12-05T00:00")
A_TIME = re.compile(r"(^|_)(at|since|until|before|from|first|last|expires|hour|day)$")
IN_HOURS = {
    *("contradictions.hour", "dropped.hour", "hours.hour", "model_hours.hour"),
    *("pauses.first", "pauses.last", "engine_pauses.first", "engine_pauses.last"),
}
IN_DAYS = {"invoices.invoice_day", "invoices.due_day"}
NOT_MOVED = {
    "audit.at": "appended, never edited; it decides nothing",
    "closed.at": "says only when a person's or a run's step was; it decides nothing",
    "invoices.created_at": "appended, never edited",
    "invoices.due_day": "lies in the future by right; it goes with the invoice's day",
    "odoo_state.key_expires": "lies in the future by right",
    "price_versions.effective_from": "appended, never edited; none is put in force while clocks are apart",
    "releases.id": "no time",
    "requests.at": "the gateway's; what lies in the future is set aside before it comes here",
    "days.day": "the rows'",
    "contradictions.hour": "the rows'",
    "differences.at": "the row's",
    "hours.hour": "the rows'; what was counted is moved",
    "model_days.day": "the rows'",
    "model_hours.hour": "the rows'; what was counted is moved",
    "set_aside.at": "the row's, or when it was seen",
    "rates.day": "who publishes a rate says of which day it is",
    "invoices.rate_day": "the rate's",
    "set_back.since": "a span that there was twice, as it was",
    "set_back.until": "a span that there was twice, as it was",
}
"""Columns that keep a time and are left alone, each with the reason."""


@pytest.fixture
def books(tmp_path: Path) -> Books:
    return Books(tmp_path)


def columns(books: Books) -> dict[str, list[tuple[str, str, int]]]:
    """By table: name, type and whether it may not be empty, of each column."""
    tables = [name for (name,) in books.db.connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    found = {table: books.db.connection.execute(f"PRAGMA table_info({table})").fetchall() for table in tables}
    return {table: [(name, kind, needed) for _, name, kind, needed, *_ in rows] for table, rows in found.items() if table[0] != "_"}


def times_of(books: Books) -> list[str]:
    return [
        f"{table}.{name}" for table, rows in columns(books).items() for name, kind, _ in rows if kind == "INTEGER" and A_TIME.search(name)
    ]


def a_row(books: Books, table: str, name: str) -> None:
    """One in which that column lies a month after the present."""
    unit = HOUR if f"{table}.{name}" in IN_HOURS else DAY if f"{table}.{name}" in IN_DAYS else 1
    values: dict[str, object] = {
        column: 1 if kind in ("INTEGER", "REAL") else "{}" for column, kind, needed in columns(books)[table] if needed or column == name
    }
    texts = {"progress": {"source": "rows"}, "marks": {"name": "restored"}, "invoices": {"state": "draft", "target": "sent"}}
    values |= texts.get(table, {}) | {name: LATER // unit}
    names = ", ".join(values)
    books.db.connection.execute("PRAGMA foreign_keys = OFF")
    statement = f"INSERT INTO {table} ({names}) VALUES ({', '.join('?' * len(values))})"  # noqa: S608
    books.db.connection.execute(statement, list(values.values()))


def pull_back(books: Books) -> None:
    with books.db.transaction() as db:
        for statement in PULL_BACK:
            db.execute(statement, {"present": NOW, "late": NOW + 120 * SECOND})
    # Which goes by the machine's own clock, and is no time but a number that rises (storage/database.py).
    books.db.connection.execute("DELETE FROM marks WHERE name = 'written'")


def test_every_stored_time_is_moved_back_or_says_why_not(books: Books) -> None:
    left: set[str] = set()
    for (trigger,) in books.db.connection.execute("SELECT name FROM sqlite_master WHERE name LIKE '%_delete'").fetchall():
        books.db.connection.execute(f"DROP TRIGGER {trigger}")
    for column in times_of(books):
        table, _, name = column.partition(".")
        unit = HOUR if column in IN_HOURS else DAY if column in IN_DAYS else 1
        a_row(books, table, name)
        pull_back(books)
        (latest,) = books.db.connection.execute(f"SELECT max({name}) FROM {table}").fetchone()  # noqa: S608
        if latest is not None and latest * unit > NOW:
            left.add(column)
        for each in columns(books):
            books.db.connection.execute(f"DELETE FROM {each}")  # noqa: S608
    assert left - NOT_MOVED.keys() == set(), "give it a line in stored_times.py of its room, or a reason here"
    assert {"progress.until", "leases.expires_at", "runs.started_at", "invoices.not_before", "readings.at"} <= set(times_of(books)) - left


@pytest.mark.parametrize(
    ("table", "column", "ahead"),
    [
        ("runs", "not_before", HOUR),
        ("invoices", "not_before", HOUR),
        ("leases", "expires_at", 5 * 60 * SECOND),
        ("runs", "started_at", 119 * SECOND),
        ("jobs", "succeeded_at", 119 * SECOND),
    ],
)
def test_what_is_meant_to_come_and_what_our_clock_may_be_ahead_stays(books: Books, table: str, column: str, ahead: int) -> None:
    a_row(books, table, column)
    books.db.connection.execute(f"UPDATE {table} SET {column} = ?", [NOW + ahead])  # noqa: S608
    pull_back(books)
    assert books.db.connection.execute(f"SELECT {column} FROM {table}").fetchone() == (NOW + ahead,)  # noqa: S608


def test_a_draft_of_a_day_to_come_is_dated_today_and_due_as_long_after(books: Books) -> None:
    a_row(books, "invoices", "invoice_day")
    books.db.connection.execute("UPDATE invoices SET due_day = invoice_day + 15")
    pull_back(books)
    assert books.db.connection.execute("SELECT invoice_day, due_day FROM invoices").fetchone() == (NOW // DAY, NOW // DAY + 15)


def test_what_odoo_was_asked_for_keeps_its_day(books: Books) -> None:
    a_row(books, "invoices", "invoice_day")
    books.db.connection.execute("UPDATE invoices SET attempt = 'create'")
    pull_back(books)
    assert books.db.connection.execute("SELECT invoice_day FROM invoices").fetchone() == (LATER // DAY,)


def test_a_key_with_two_holders_to_come_is_the_later_ones_from_now_on_and_its_rows_follow(books: Books) -> None:
    key = books.key("k1")
    for since, customer in ((LATER, "acme"), (LATER + 1, "globex")):
        books.db.connection.execute("INSERT INTO holders VALUES (?, ?, ?)", [key, since, books.customer(customer)])
    pull_back(books)
    assert books.db.connection.execute("SELECT since, customer FROM holders").fetchall() == [(NOW, books.customer("globex"))]
    assert books.db.connection.execute("SELECT key, since FROM uncorrected").fetchall() == [(key, NOW)]
