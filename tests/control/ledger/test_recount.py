"""A number that was changed behind the ledger's back does not add up any more."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from control_app.ledger.engines import model_of
from control_app.ledger.recount import RecountError, recount
from control_app.ledger.tables import ENGINES, ENGINES_AND_CANCELS
from control_app.service.soundness import refuse_unsound
from tests.control.support.ledgers import RATES, Books, row


@pytest.fixture
def books(tmp_path: Path) -> Iterator[Books]:
    """Two days of two customers: rated, cancelled and unpriced rows, and one without tokens."""
    books = Books(tmp_path)
    books.price("llama", 0, RATES)
    books.price("asked", 0, {"prompt": Decimal(0), "completion": Decimal(0), "request": Decimal("0.01")})
    books.holders({"k-acme": "acme", "k-umbra": "umbra"})
    books.take(
        row("2026-10-05T12:00", "k-acme"),
        row("2026-10-06T12:00", "k-acme", model="unpriced"),
        row("2026-10-06T13:00", "k-umbra", succeeded=False),
        row("2026-10-06T14:00", "k-umbra", model="asked", prompt=0, cached_read=0, completion=0, reasoning=0),
        row("2026-10-06T15:00", "k-umbra", prompt=0, cached_read=0, completion=0, reasoning=0),
    )
    yield books
    books.db.close()


def test_a_ledger_adds_up(books: Books) -> None:
    recount(books.db.connection)
    books.holders({"k-acme": "umbra"})
    recount(books.db.connection)


def test_an_empty_ledger_adds_up(tmp_path: Path) -> None:
    books = Books(tmp_path)
    recount(books.db.connection)
    books.db.close()


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("UPDATE requests SET prompt = prompt + 1 WHERE amount > 0", "its tokens and price come to"),
        ("UPDATE requests SET amount = amount + 1 WHERE amount > 0", "its tokens and price come to"),
        ("UPDATE requests SET prompt = prompt + 1 WHERE amount IS NULL", "days at"),
        ("UPDATE requests SET customer = 1 - customer WHERE customer = 1", "days at"),
        ("UPDATE requests SET at = at + 86400000000 WHERE amount IS NULL", "days at"),
        ("DELETE FROM requests WHERE amount IS NULL", "days at"),
        ("UPDATE days SET amount = amount + 1 WHERE amount > 0", "days at"),
        ("UPDATE days SET completion = completion | 64", "days at"),
        ("DELETE FROM days WHERE unrated > 0", "days at"),
        ("UPDATE months SET amount_high = amount_high + 1", "months at"),
        ("DELETE FROM months", "months at"),
        ("UPDATE model_days SET requests = requests + 1", "model_days at"),
        ("UPDATE hours SET logged = logged + 1", "hours at"),
        ("DELETE FROM hours", "hours at"),
        ("UPDATE model_hours SET logged = logged + 1", "model_hours at"),
        ("UPDATE model_hours SET cancelled = cancelled + 1", "model_hours at"),
        ("DELETE FROM model_hours", "model_hours at"),
    ],
)
def test_a_changed_number_is_found(books: Books, statement: str, said: str) -> None:
    books.db.connection.execute(statement)
    with pytest.raises(RecountError, match=said) as found:
        refuse_unsound(books.db.connection)
    assert "control replica restore --replace" in str(found.value)


def test_what_was_billed_stays_as_it_was_rated(books: Books) -> None:
    books.db.connection.execute("UPDATE price_book SET largest_row = 1")
    recount(books.db.connection)


NAMES = st.text("_/-.aB\u00e9 ", min_size=1, max_size=6)


@given(st.lists(NAMES, min_size=1, max_size=8, unique=True))
@example(["_", "__a", "_a", "_b", "a_", "a", "a_b_c", "x/_a"])
@settings(max_examples=20, deadline=None)
def test_whatever_a_model_is_called_its_hours_add_up_also_those_of_before_they_were_kept(names: list[str]) -> None:
    with TemporaryDirectory() as folder:
        books = Books(Path(folder))
        books.take(*(row(model=name, succeeded=succeeded) for name in names for succeeded in (True, False)))
        connection = books.db.connection
        kept = connection.execute("SELECT * FROM model_hours").fetchall()
        recount(connection)
        for table in ("model_hours", "engines", "engine_counters", "engine_readings", "engine_pauses"):
            connection.execute(f"DROP TABLE {table}")
        for statement in (*ENGINES, *ENGINES_AND_CANCELS):
            connection.execute(statement)
        recount(connection)
        assert connection.execute("SELECT * FROM model_hours").fetchall() == kept
        assert {model for _, model, *_ in kept} == {model_of(name) for name in names if "/" not in name}
        books.db.close()
