"""A ledger of before is brought up to date as if its rows had been taken by today's rules, but for what was billed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlite_utils import Database

from control_app.core.numbers import Pico
from control_app.core.time import HOUR
from control_app.ledger.ledger import Ledger
from control_app.ledger.reader import UsageReader
from control_app.ledger.recount import recount
from control_app.ledger.usage import Usage, total
from control_app.service.tables import migrations, open_database
from control_app.storage.database import Db
from tests.control.support.ledgers import ALWAYS, OCTOBER, Books, row
from tests.control.support.recomputation import at

DAY = at("2026-10-05T00:00") // 86_400_000_000
NOON = at("2026-10-05T12:00") // HOUR
MONTH = 2026 * 12 + 9
LARGE = 9 * 10**18
"""Nearly 2^63 pico-units."""
OLD = "requests, unused, unrated, prompt, cached_read, cached_write, completion, reasoning, plain_prompt, plain_completion"
ROWS = """INSERT INTO requests (at, id, key, customer, model, prompt, cached_read, cached_write, completion, reasoning, used, price, amount,
  billed_in, succeeded) VALUES (:at, :id, 1, 1, 1, 0, 0, 0, 0, 0, :used, 1, :amount, :month, :succeeded)"""
PRICE = """INSERT INTO price_versions
  (id, model, effective_from, prompt, input_cache_read, input_cache_write, completion, internal_reasoning, request)
  VALUES (1, 'llama', 0, 1, 1, 1, 1, 1, 7)"""
CELLS = ("days (day, key, customer, price, billed_in, ", "months (month, key, customer, price, billed_in, ", "model_days (day, ")


def before(path: Path) -> None:
    """A ledger as the last version left it: a billed request, a success and a cancelled one without tokens, at a price a request."""
    db = Database(path)
    migrations.apply(db, stop_before="set_aside")
    connection = db.conn
    connection.execute("INSERT INTO keys (id, gateway_id, name) VALUES (1, 'k1', 'k1')")
    connection.execute("INSERT INTO models (id, name) VALUES (1, 'llama')")
    connection.execute("INSERT INTO customers (id, gateway_id, name) VALUES (1, 'acme', 'Acme')")
    connection.execute("INSERT INTO holders (key, since, customer) VALUES (1, 0, 1)")
    connection.execute("INSERT INTO customer_keys (customer, key) VALUES (1, 1)")
    connection.execute(PRICE)
    for name, used, succeeded, amount in (("billed", 1, 1, LARGE), ("silent", 0, 1, 0), ("stopped", 0, 0, 0)):
        row = {"at": at("2026-10-05T12:00"), "id": name, "used": used, "amount": amount, "month": MONTH, "succeeded": succeeded}
        connection.execute(ROWS, row)
    for cells, unit in zip(CELLS, (f"{DAY}, 1, 1, 1, {MONTH}", f"{MONTH}, 1, 1, 1, {MONTH}", f"{DAY}"), strict=True):
        sums = f"1, 1, 2, 0, 0, 0, 0, 0, 0, 0, 0, {LARGE}"
        connection.execute(f"INSERT INTO {cells}model, {OLD}, amount) VALUES ({unit}, {sums})")  # noqa: S608 (numbers of ours)
    connection.execute("INSERT INTO hours (key, hour, logged, counted) VALUES (1, ?, 2, 3)", [NOON])
    connection.execute("INSERT INTO counters (key, model, value) VALUES (1, 'llama', 3)")
    connection.commit()
    db.close()


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Db]:
    before(tmp_path / "control.sqlite3")
    db = open_database(tmp_path / "control.sqlite3")
    yield db
    db.close()


def test_every_sum_has_cancelled_requests_apart_and_amounts_in_two_limbs(db: Db) -> None:
    expected = Usage(requests=1, unused=1, cancelled=1, amount=Pico(LARGE))
    reader = UsageReader(db)
    for dimension in ("key", "day", "model"):
        assert list(reader.by((dimension,), OCTOBER).values()) == [expected]
    assert db.connection.execute("SELECT amount_high, amount FROM months").fetchall() == [divmod(LARGE, 10**9)]


def test_what_was_logged_of_each_model_is_known_by_hours_and_was_counted_by_no_engine(db: Db) -> None:
    found = db.connection.execute("SELECT hour, model, logged, counted, dearest FROM model_hours").fetchall()
    assert found == [(NOON, "llama", 2, None, LARGE)]


def test_a_request_without_tokens_gets_its_price_in_an_open_month(db: Db) -> None:
    db.connection.execute("UPDATE requests SET prompt = 1 WHERE id = 'billed'")
    assert Ledger(db).follow_moves() == 3
    assert dict(db.connection.execute("SELECT id, amount FROM requests").fetchall()) == {"billed": 8, "silent": 7, "stopped": 0}


def test_what_is_kept_is_what_the_rows_come_to(db: Db) -> None:
    Ledger(db).follow_moves()
    recount(db.connection)


def test_amounts_that_were_added_up_before_they_had_limbs_agree_with_their_rows(tmp_path: Path) -> None:
    before(tmp_path / "control.sqlite3")
    old, half = Database(tmp_path / "control.sqlite3"), 600_000_000
    for name in ("one half", "other half"):
        row = {"at": at("2026-10-05T13:00"), "id": name, "used": 1, "amount": half, "month": MONTH, "succeeded": 1}
        old.conn.execute(ROWS, row)
    for cells in ("days", "months", "model_days"):
        old.conn.execute(f"UPDATE {cells} SET requests = requests + 2, amount = amount + ?", [2 * half])  # noqa: S608
    old.conn.execute("INSERT INTO hours (key, hour, logged, counted) VALUES (1, ?, 2, 0)", [NOON + 1])
    old.conn.commit()
    old.close()
    db = open_database(tmp_path / "control.sqlite3")
    recount(db.connection)
    assert total(UsageReader(db).by(("key",), OCTOBER).values()).amount == LARGE + 2 * half
    db.close()


def test_what_was_billed_stays_as_it_was(db: Db) -> None:
    db.connection.execute("INSERT INTO closed (customer, month, at) VALUES (1, ?, 0)", [MONTH])
    assert Ledger(db).follow_moves() == 0
    assert total(UsageReader(db).by(("key",), ALWAYS).values()).requests == 1


def test_what_was_counted_were_successes_and_what_was_cancelled_is_logged_by_hours(db: Db) -> None:
    hours = db.connection.execute("SELECT hour, outcome, logged, counted FROM hours ORDER BY outcome").fetchall()
    assert hours == [(NOON, "cancelled", 1, 0), (NOON, "success", 2, 3)]
    assert db.connection.execute("SELECT outcome, value FROM counters").fetchall() == [("success", 3)]


def test_rows_go_on_adding_up(db: Db, tmp_path: Path) -> None:
    books = Books(tmp_path)
    books.take(row())
    assert books.used().requests == 2
