"""The book keeps what is intended, however large."""

from __future__ import annotations

from pathlib import Path

from sqlite_utils import Database

from control_app.core.exchange import in_book_currency
from control_app.core.numbers import CustomerNo, Minor, Pico
from control_app.invoicing.book import InvoiceBook
from control_app.invoicing.entry import Entry, Intent
from control_app.service.tables import migrations, open_database
from tests.control.support.world import NOVEMBER, OCTOBER, World

DOLLARS = in_book_currency("USD")


def test_an_invoice_of_more_than_an_integer_of_sqlite_is_kept_exactly(company: World) -> None:
    exact = Pico(25_000_000 * 10**12 + 1)
    intent = Intent("stalpeni/acme/2026-10-1", CustomerNo(1), OCTOBER, 1, DOLLARS, Minor(2_500_000_000), exact, "{}", 1)
    book = company.planning.book
    entry = book.open(company.runs.lease(OCTOBER), "a run", "sent", CustomerNo(1), lambda: intent)
    assert isinstance(entry, Entry)
    assert entry.exact == exact
    assert [kept.exact for kept in book.entries(OCTOBER)] == [exact]
    assert company.planning.plan(NOVEMBER, ask=False).judge.last == {1: exact}


def test_invoices_that_were_kept_before_months_were_carried_and_currencies_chosen_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "control.sqlite3"
    database = Database(path)
    migrations.apply(database, stop_before="carried")
    for number, (currency, state) in enumerate((("USD", "sent"), ("JPY", "posted")), 1):
        row = {"id": number, "ref": f"r-{number}", "customer": number, "month": OCTOBER, "n": 1, "credit": 0, "run": "a run"}
        amounts = {"currency": currency, "total": 123, "exact": 1_234_567_890_123, "body": "{}"}
        way = {"state": state, "target": "sent", "invoice_day": 1, "due_day": 16, "created_at": 1, "updated_at": 2}
        database.table("invoices").insert({**row, **amounts, **way})
    database.close()
    db = open_database(path)
    kept = list(InvoiceBook(db, "stalpeni", "USD", 15, lambda: 0).entries(OCTOBER))
    assert [(entry.ref, entry.state, entry.total, entry.exact, entry.tender) for entry in kept] == [
        ("r-1", "sent", 123, 1_234_567_890_123, DOLLARS),
        ("r-2", "posted", 123, 1_234_567_890_123, in_book_currency("JPY")),
    ]
    assert [entry.ref for entry in InvoiceBook(db, "stalpeni", "USD", 15, lambda: 0).pending(0)] == ["r-2"]
    db.close()
