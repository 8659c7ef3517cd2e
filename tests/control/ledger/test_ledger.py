"""The rules of "Rating a row" and what the ledger does with rows; each rule of docs/billing-rules.md by its name."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from control_app.core.money import to_pico
from control_app.core.time import Range
from control_app.gateway.port import Customer, Directory, Key
from control_app.ledger.ledger import Ledger
from control_app.ledger.usage import Usage
from tests.control.support.ledgers import NOW, OCTOBER, RATES, Books, row, small_world
from tests.control.support.recomputation import at


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
    assert books.ledger.correct(model=books.model("new")) == 1
    assert (books.cost(), books.used().unrated) == (Decimal("0.000104"), 0)


def test_usage_after_a_price_was_withdrawn_is_not_rated(books: Books) -> None:
    books.price("llama", "2026-10-15T00:00", None)
    books.take(row("2026-10-14T23:59"), row("2026-10-15T00:01"))
    assert (books.used().unrated, books.cost()) == (1, Decimal("0.000104"))


def test_an_amount_that_would_overflow_is_not_rated(books: Books) -> None:
    books.price("gold", 0, {"prompt": Decimal(999_999), "completion": Decimal(999_999)})
    books.take(row(model="gold", prompt=1_000_000_000))
    assert (books.used().unrated, books.used().amount) == (1, 0)


NOTHING: dict[str, Any] = {"prompt": 0, "cached_read": 0, "completion": 0, "reasoning": 0}
REQUEST = Decimal("0.006")


def test_a_success_without_usage_is_not_billed_and_is_counted(books: Books) -> None:
    books.price("free", 0, {"prompt": Decimal(0), "completion": Decimal(0)})
    books.take(row(**NOTHING), row(model="free", **NOTHING))
    assert books.used() == Usage(unused=2)


def test_of_a_success_without_tokens_the_price_of_a_request_is_billed(books: Books) -> None:
    books.price("by-request", 0, {"prompt": Decimal(0), "completion": Decimal(0), "request": REQUEST})
    books.take(*(row(model="by-request", **NOTHING) for _ in range(30)))
    for within in (OCTOBER, Range(OCTOBER.start, at("2026-10-05T12:30"))):
        assert books.used(within) == Usage(requests=30, amount=to_pico(30 * REQUEST))


@pytest.mark.parametrize("kind", ["prompt", "completion", "input_cache_read", "input_cache_write", "internal_reasoning"])
def test_it_counts_as_without_usage_where_the_model_has_token_prices(books: Books, kind: str) -> None:
    rates = dict.fromkeys(("prompt", "completion", "input_cache_read", "input_cache_write", "internal_reasoning"), Decimal(0))
    books.price("both", 0, rates | {kind: Decimal("0.001"), "request": REQUEST})
    books.take(row(model="both", **NOTHING))
    assert books.used() == Usage(requests=1, unused=1, amount=to_pico(REQUEST))


def test_a_success_without_tokens_before_a_models_first_price_is_billed_when_it_comes(books: Books) -> None:
    books.take(row(model="new", **NOTHING))
    assert books.used() == Usage(unused=1)
    books.price("new", "2026-10-01T00:00", {"prompt": Decimal(0), "completion": Decimal(0), "request": REQUEST})
    assert books.ledger.correct(model=books.model("new")) == 1
    assert books.used() == Usage(requests=1, amount=to_pico(REQUEST))


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
    assert kept == [("[100,40,0,20,5]", "[1,40,0,20,5]")], "as it came, though no prompt of 1 has 40 cached"


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
    program = "import sys; from pathlib import Path; from control_app.service.tables import open_database; open_database(Path(sys.argv[1]))"
    command = [sys.executable, "-c", program, str(tmp_path / "new.sqlite3")]
    started = [subprocess.Popen(command, stderr=subprocess.PIPE) for _ in range(4)]
    assert [(process.wait(60), process.communicate()[1]) for process in started] == [(0, b"")] * 4


def test_a_page_is_taken_whole_or_not_at_all(books: Books) -> None:
    books.db.connection.execute(
        "CREATE TEMP TRIGGER full BEFORE INSERT ON requests WHEN NEW.id = 'last' BEGIN SELECT RAISE(FAIL, 'disk is full'); END"
    )
    with pytest.raises(sqlite3.IntegrityError, match="disk is full"):
        books.take(row(), row(id="last"))
    assert books.used().requests == 0
    assert books.db.connection.in_transaction is False


def test_the_ledger_counts_in_whole_pico_units(books: Books) -> None:
    with pytest.raises(sqlite3.IntegrityError, match="cannot store REAL value in INTEGER column"):
        books.db.connection.execute("INSERT INTO model_days VALUES (1, 1, 1, 1, 0, 0, 0, 1, 0, 0, 1, 0, 1, 1, 0, 0.5)")


def test_a_deleted_customer_that_the_service_never_saw_is_called_as_its_rows_say(books: Books) -> None:
    books.take(row(customer="b0ef709a", customer_name="Recorded Ltd"), row(customer="c0ffee"))
    names = dict(books.db.connection.execute("SELECT gateway_id, name FROM customers").fetchall())
    assert (names["b0ef709a"], names["c0ffee"]) == ("Recorded Ltd", "c0ffee")


def test_a_customer_that_was_called_by_its_id_gets_its_name_with_the_next_row_and_a_known_one_keeps_its_own(books: Books) -> None:
    books.take(row(customer="b0ef709a"), row(customer="acme", customer_name="As it was called then"))
    books.take(row(customer="b0ef709a", customer_name="Recorded Ltd"))
    names = dict(books.db.connection.execute("SELECT gateway_id, name FROM customers").fetchall())
    assert (names["b0ef709a"], names["acme"]) == ("Recorded Ltd", "Customer acme")


@pytest.mark.parametrize("model", ["llama_colorist", "llama_two_words"])
def test_an_adapter_is_rated_as_its_model_where_it_has_no_price_of_its_own(books: Books, model: str) -> None:
    books.take(row(model=model))
    assert (books.cost(), books.used().unrated) == (Decimal("0.000104"), 0)


def test_an_adapter_is_rated_by_its_own_price_where_it_has_one_then(books: Books) -> None:
    books.price("llama_colorist", "2026-10-10T00:00", {"prompt": Decimal(1), "completion": Decimal(1)})
    books.price("llama_colorist", "2026-10-20T00:00", None)
    for day, cost in (("2026-10-09", Decimal("0.000104")), ("2026-10-15", Decimal(120)), ("2026-10-25", Decimal("0.000104"))):
        books.take(row(f"{day}T12:00", model="llama_colorist"))
        assert books.cost(Range(at(f"{day}T00:00"), at(f"{day}T13:00"))) == cost


def test_an_adapter_of_a_model_without_a_price_is_not_rated_and_is_rated_late_as_its_model(books: Books) -> None:
    books.take(row(model="new_colorist"))
    assert books.used().unrated == 1
    books.price("new", "2026-10-01T00:00", RATES)
    assert books.ledger.correct(model=books.model("new_colorist")) == 1
    assert (books.cost(), books.used().unrated) == (Decimal("0.000104"), 0)


def test_a_price_of_an_adapter_is_none_of_its_models_and_an_underscore_makes_no_other_providers_model_ours(books: Books) -> None:
    books.price("other_adapter", 0, RATES)
    books.take(row(model="other"), row(model="openai/llama_x"), row(model="_llama"))
    assert books.used().unrated == 3
