"""The rules of "Rating a row" and what the ledger does with rows; each rule of docs/billing-rules.md by its name."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest

from control_app.gateway import Customer, Directory, Key
from control_app.ledger import Ledger
from control_app.spans import Range
from control_app.usage import Usage
from tests.control_app.ledgers import NOW, OCTOBER, RATES, Books, row, small_world
from tests.control_app.recomputation import at


@pytest.fixture
def books(tmp_path: Path) -> Books:
    return small_world(tmp_path)


def test_the_formula_of_a_row(books: Books) -> None:
    # 60 plain at 1, 40 cached at 0.1, 15 out at 2 and 5 reasoning at the completion's 2, each a millionth.
    books.take(row())
    assert books.cost() == Decimal("0.000104")


def test_each_kind_has_its_rate(books: Books) -> None:
    rates = {
        "prompt": "0.001",
        "input_cache_read": "0.0001",
        "input_cache_write": "0.002",
        "completion": "0.01",
        "internal_reasoning": "0.1",
        "request": "1",
    }
    books.price("all-kinds", 0, {kind: Decimal(rate) for kind, rate in rates.items()})
    books.take(row(model="all-kinds", prompt=100, cached_read=30, cached_write=20, completion=10, reasoning=4))
    assert (
        books.cost()
        == 50 * Decimal("0.001") + 30 * Decimal("0.0001") + 20 * Decimal("0.002") + 6 * Decimal("0.01") + 4 * Decimal("0.1") + 1
    )


def test_counts_are_clamped_at_0(books: Books) -> None:
    books.take(row(prompt=10, cached_read=40, completion=3, reasoning=5))
    assert books.cost() == 40 * Decimal("0.0000001") + 5 * Decimal("0.000002")


def test_an_absent_cache_or_reasoning_rate_falls_back_and_an_explicit_0_means_zero(books: Books) -> None:
    books.price("no-cache-rate", 0, {"prompt": Decimal("0.001"), "completion": Decimal("0.01")})
    books.price("free-cache", 0, {"prompt": Decimal("0.001"), "completion": Decimal("0.01"), "input_cache_read": Decimal(0)})
    books.take(row(model="no-cache-rate", completion=0, reasoning=0))
    assert books.cost() == Decimal("0.1")
    books.take(row(model="free-cache", completion=0, reasoning=0))
    assert books.cost() == Decimal("0.1") + Decimal("0.06")


def test_the_price_in_force_is_the_one_when_the_request_started(books: Books) -> None:
    books.price("llama", "2026-10-15T00:00", {"prompt": Decimal(1), "completion": Decimal(1)})
    books.take(row(at("2026-10-15T00:00") - 1), row("2026-10-15T00:00"))
    assert books.cost(Range(0, at("2026-10-15T00:00"))) == Decimal("0.000104")
    assert books.cost(Range(at("2026-10-15T00:00"), NOW)) == 120


def test_a_row_without_a_price_is_not_rated_and_not_forgotten(books: Books) -> None:
    books.take(row(model="unknown"), row(model="openai/gpt-9"))
    used = books.used()
    assert (used.requests, used.unrated, used.amount, used.tokens) == (2, 2, 0, 240)


def test_rows_before_a_models_first_price_are_rated_when_it_comes(books: Books) -> None:
    books.take(row(model="new"))
    books.price("new", "2026-10-01T00:00", RATES)
    model = books.db.connection.execute("SELECT id FROM models WHERE name = 'new'").fetchone()[0]
    assert books.ledger.correct(model=model) == 1
    assert (books.cost(), books.used().unrated) == (Decimal("0.000104"), 0)


def test_usage_after_a_price_was_withdrawn_is_not_rated(books: Books) -> None:
    books.price("llama", "2026-10-15T00:00", None)
    books.take(row("2026-10-14T23:59"), row("2026-10-15T00:01"))
    assert (books.used().unrated, books.cost()) == (1, Decimal("0.000104"))


def test_an_amount_that_would_overflow_is_not_rated(books: Books) -> None:
    books.price("gold", 0, {"prompt": Decimal(999_999), "completion": Decimal(999_999)})
    books.take(row(model="gold", prompt=2_000_000_000))
    assert (books.used().unrated, books.used().amount) == (1, 0)


def test_a_success_without_usage_is_not_billed_and_is_counted(books: Books) -> None:
    books.price("by-request", 0, {"prompt": Decimal(1), "completion": Decimal(1), "request": Decimal(5)})
    books.take(row(model="by-request", prompt=0, cached_read=0, completion=0, reasoning=0))
    used = books.used()
    assert (used.requests, used.unused, used.amount, used.unrated) == (0, 1, 0, 0)


def test_what_a_success_without_usage_says_of_cached_tokens_does_not_count(books: Books) -> None:
    books.take(row(prompt=0, cached_read=40, cached_write=3, completion=0, reasoning=5))
    for within in (OCTOBER, Range(OCTOBER.start, at("2026-10-05T12:30"))):
        assert books.used(within) == Usage(unused=1)


def test_a_row_read_again_changes_nothing(books: Books) -> None:
    rows = [row(minute) for minute in ("2026-10-05T12:00", "2026-10-05T12:01", "2026-10-05T12:02")]
    books.take(*rows)
    before = books.used()
    done = books.ledger.ingest([*reversed(rows), *rows], NOW)
    assert (done.read, done.new, done.differences) == (6, 0, 0)
    assert books.used() == before


def test_first_wins_and_other_tokens_are_kept_as_a_difference(books: Books) -> None:
    first = row()
    books.take(first)
    before = books.used()
    later = first._replace(prompt=1)
    assert books.ledger.ingest([later, later], NOW).differences == 2
    assert books.used() == before
    kept = books.db.connection.execute("SELECT first, later FROM differences").fetchall()
    assert kept == [("[100,40,0,20,5]", "[1,40,0,20,5]")]


def test_first_wins_within_one_page_too(books: Books) -> None:
    first = row()
    done = books.ledger.ingest([first, first._replace(completion=9)], NOW)
    assert (done.new, done.differences) == (1, 1)
    assert books.cost() == Decimal("0.000104")


def test_another_gateway_cost_is_no_difference(books: Books) -> None:
    first = row()
    books.take(first)
    assert books.ledger.ingest([first._replace(cost="9.99")], NOW).differences == 0


def test_a_row_belongs_to_its_own_customer_else_to_its_keys(books: Books) -> None:
    books.take(row(customer="other"), row())
    assert books.used(customer=books.customer("other")).requests == 1
    assert books.used(customer=books.customer("acme")).requests == 1


def test_a_row_belongs_to_who_held_the_key_at_its_start(books: Books) -> None:
    moved = at("2026-10-10T00:00")
    books.holders({"k1": "globex"}, time=moved)
    books.take(row(moved - 1), row(moved))
    assert books.used(customer=books.customer("acme")).requests == 1
    assert books.used(customer=books.customer("globex")).requests == 1


def test_rows_taken_before_a_move_was_seen_follow_it(books: Books) -> None:
    looked, moved = at("2026-10-10T00:00"), at("2026-10-10T00:00:20")
    books.holders({"k1": "acme"}, time=looked)
    books.take(row(moved - 1), row(moved + 1))
    assert books.holders({"k1": "globex"}, time=at("2026-10-10T00:01"), k1=moved) == 1
    assert books.used(customer=books.customer("acme")).requests == 1
    assert books.used(customer=books.customer("globex")).requests == 1
    assert books.used().requests == 2


@pytest.mark.parametrize("said", ["2026-10-09T00:00", "2026-10-12T00:00"])
def test_a_change_whose_time_cannot_be_this_ones_counts_from_when_it_was_seen(books: Books, said: str) -> None:
    seen = at("2026-10-11T00:00")
    books.holders({"k1": "acme"}, time=at("2026-10-10T00:00"))
    books.holders({"k1": "globex"}, time=seen, k1=at(said))
    books.take(row(seen - 1), row(seen))
    assert books.used(customer=books.customer("globex")).requests == 1


def test_a_key_without_a_customer_is_nobodys_until_it_has_one(books: Books) -> None:
    books.holders({"k1": "acme", "stray": None})
    books.take(row(key="stray"))
    assert books.used(customer=books.customer("acme")).requests == 0
    assert books.used().requests == 1


def test_a_key_seen_first_by_its_rows_gives_them_to_its_first_holder(books: Books) -> None:
    books.take(row(key="k9"))
    assert books.holders({"k1": "acme", "k9": "globex"}) == 1
    assert books.used(customer=books.customer("globex")).requests == 1


def test_a_key_that_lost_its_customer_by_being_deactivated_stays_with_it(books: Books) -> None:
    books.directory([Customer("acme", "Acme")], [Key("k1", "k1", None, is_active=False, updated_at=at("2026-10-02T00:00"))])
    books.take(row("2026-10-03T00:00"))
    assert books.used(customer=books.customer("acme")).requests == 1
    assert books.db.connection.execute("SELECT lost_customer_at IS NOT NULL FROM keys").fetchone() == (1,)


def test_deleted_keys_and_customers_stay_billable(books: Books) -> None:
    books.directory([], [])
    books.take(row())
    assert books.used(customer=books.customer("acme")).requests == 1
    assert books.db.connection.execute("SELECT deleted_at FROM keys").fetchone() == (NOW,)


def test_a_late_row_of_a_closed_period_goes_on_the_next_invoice_at_its_own_price(books: Books) -> None:
    books.take(row())
    acme, october = books.customer("acme"), 2026 * 12 + 9
    books.db.connection.execute("INSERT INTO closed VALUES (?, ?, ?)", [acme, october, NOW])
    books.price("llama", "2026-11-01T00:00", {"prompt": Decimal(1), "completion": Decimal(1)})
    books.take(row("2026-10-31T23:59"))
    found = books.reader.by(("billed_in",), OCTOBER)
    assert {month: usage.amount for (month,), usage in found.items()} == {october: 104_000_000, october + 1: 104_000_000}


def test_a_billed_row_is_not_attributed_anew(books: Books) -> None:
    books.take(row("2026-10-20T00:00"))
    books.db.connection.execute("INSERT INTO closed VALUES (?, ?, ?)", [books.customer("acme"), 2026 * 12 + 9, NOW])
    books.holders({"k1": "acme"}, time=at("2026-10-10T00:00"))
    assert books.holders({"k1": "globex"}, time=NOW, k1=at("2026-10-15T00:00")) == 0
    assert books.used(customer=books.customer("acme")).requests == 1


def test_rows_follow_a_moved_key_also_where_the_process_died_between(books: Books) -> None:
    books.take(row("2026-10-05"), row("2026-10-20"), row("2026-10-21"))
    moved = [Key("k1", "k1", "globex", is_active=True, updated_at=at("2026-10-15T00:00"))]
    books.keeper.keep(Directory([Customer("acme", "Acme"), Customer("globex", "Globex")], moved), NOW)
    assert books.used(customer=books.customer("globex")).requests == 0, "killed here"
    assert Ledger(books.db).follow_moves() == 2
    assert books.used(customer=books.customer("globex")).requests == 2
    assert Ledger(books.db).follow_moves() == 0


def test_a_directory_that_another_process_overtook_changes_nothing(books: Books) -> None:
    books.take(row())
    books.holders({"k1": "globex"}, NOW)
    books.holders({"k1": "acme"}, NOW - 1)
    assert books.db.connection.execute("SELECT customer FROM holders ORDER BY since DESC").fetchone() == (books.customer("globex"),)


def test_processes_that_start_together_on_an_empty_volume_all_start(tmp_path: Path) -> None:
    program = "import sys; from pathlib import Path; from control_app.database import Db; Db(Path(sys.argv[1]))"
    command = [sys.executable, "-c", program, str(tmp_path / "new.sqlite3")]
    started = [subprocess.Popen(command, stderr=subprocess.PIPE) for _ in range(4)]
    assert [(process.wait(60), process.communicate()[1]) for process in started] == [(0, b"")] * 4


def test_a_page_is_taken_whole_or_not_at_all(books: Books) -> None:
    with pytest.raises(sqlite3.IntegrityError):
        books.take(row(), row(prompt=None))
    assert books.used().requests == 0
    assert books.db.connection.in_transaction is False


def test_the_ledger_counts_in_whole_pico_units(books: Books) -> None:
    with pytest.raises(sqlite3.IntegrityError, match="cannot store REAL value in INTEGER column"):
        books.db.connection.execute("INSERT INTO model_days VALUES (1, 1, 1, 0, 0, 1, 0, 0, 1, 0, 1, 1, 0.5)")
