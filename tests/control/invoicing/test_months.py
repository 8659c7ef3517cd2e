"""A customer through three months: a price change, late rows, a credit, an invoice voided and billed again, with the arithmetic."""

from __future__ import annotations

import csv
import io
import sqlite3
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from control_app.core.time import next_month
from control_app.invoicing.exports import month_csv
from control_app.storage import chain
from tests.control.invoicing.test_period_rules import MILLION, big
from tests.control.support.ledgers import RATES, row
from tests.control.support.world import BECAUSE, NOVEMBER, OCTOBER, SECOND_OF_NOVEMBER, World

DECEMBER = next_month(NOVEMBER)


def test_three_months_of_a_customer(tmp_path: Path) -> None:
    company = World(tmp_path)

    # October: prompt at 1.00 a million, completion at 2.00, cached at 0.10; from the 20th prompt at 1.50.
    company.books.price("llama", "2026-10-20T00:00", RATES | {"prompt": Decimal("0.0000015")})
    company.use(
        row("2026-10-05T12:00", "k-acme", prompt=3_000_000, cached_read=1_000_000, completion=500_000, reasoning=0),
        row("2026-10-25T12:00", "k-acme", prompt=333_333, cached_read=0, completion=0, reasoning=0),
    )
    company.tick()
    (october,) = company.moves()
    # 2,000,000 x 1.00 + 1,000,000 x 0.10 + 500,000 x 2.00 = 2.00 + 0.10 + 1.00; 333,333 x 1.50 = 0.4999995 -> 0.50
    assert october["amount_untaxed"] == 3.60
    assert [line["price_subtotal"] for line in october["lines"]] == [2.0, 0.1, 1.0, 0.5]
    # 21 % of their sum, as Odoo has it by default: 0.756.
    assert october["amount_total"] == 4.36

    # November: late rows of October, at October's price of their day, beside November's own.
    company.use(big("2026-10-31T23:50", prompt=2 * MILLION), big("2026-11-10T00:00", prompt=4 * MILLION))
    company.now = SECOND_OF_NOVEMBER + timedelta(days=30)
    company.read()
    company.tick()
    november = company.moves()[1]
    # 4,000,000 x 1.50 = 6.00, and 2,000,000 x 1.50 = 3.00 late
    assert [line["price_subtotal"] for line in november["lines"]] == [6.0, 3.0]
    assert "(2026-10, not billed before)" in november["lines"][1]["name"]

    # A part of November was an outage of ours.
    company.actions.credit(BECAUSE, "stalpeni/acme/2026-11-1", Decimal("0.75"))
    company.tick()
    assert company.moves()[2]["amount_untaxed"] == 0.75
    # 3.60 + 9.00 - 0.75
    assert company.untaxed() == Decimal("11.85")

    # October was another customer's: it is voided, the key's rows move, and it is billed again.
    company.customers.append("umbra")
    company.odoo.add_partner("Customer umbra", ref="umbra", email="billing@umbra.example")
    company.hold_keys()
    company.books.db.connection.execute("UPDATE holders SET customer = ? WHERE key = ?", [company.books.customer("umbra"), 1])
    company.actions.void(BECAUSE, "stalpeni/acme/2026-10-1", rebill=True)
    company.tick()
    company.run()
    # What was billed in November stays acme's: that invoice was not voided.
    assert [(move["ref"], move["amount_untaxed"]) for move in company.moves()[3:]] == [
        ("stalpeni/acme/2026-10-1-credit-1", 3.60),
        ("stalpeni/umbra/2026-10-1", 3.60),
    ]
    assert company.untaxed() == Decimal("11.85")

    # December: nothing was used, nobody is billed.
    company.now = SECOND_OF_NOVEMBER + timedelta(days=61)
    company.read()
    company.tick()
    assert list(company.entries(DECEMBER)) == []
    # One e-mail for each of the three invoices and the two credit notes.
    assert sorted(move for move, _ in company.odoo.mails_sent()) == [1, 2, 3, 4, 5]


def test_who_had_nothing_to_pay_is_not_in_the_month_for_the_accountant(tmp_path: Path) -> None:
    company = World(tmp_path)
    company.use(big(prompt=10))
    company.run()
    assert len("".join(month_csv(company.planning.book, OCTOBER)).splitlines()) == 1


def test_the_month_for_the_accountant_adds_up(tmp_path: Path) -> None:
    company = World(tmp_path)
    company.use(row("2026-10-05T12:00", "k-acme", prompt=333_333, cached_read=0, completion=123_457, reasoning=0))
    company.run()
    company.actions.credit(BECAUSE, "stalpeni/acme/2026-10-1", Decimal("0.10"))
    company.tick()
    rows = list(csv.DictReader(io.StringIO("".join(month_csv(company.planning.book, OCTOBER)))))
    assert [(row["kind"], row["line"], row["price_kind"], row["exact"], row["rounded"], row["rounded_minus_exact"]) for row in rows] == [
        ("invoice", "1", "prompt", "0.333333", "0.33", "-0.003333"),
        ("invoice", "2", "completion", "0.246914", "0.25", "0.003086"),
        ("credit note", "1", "", "-0.1", "-0.10", "0"),
    ]
    assert {row["odoo_id"] for row in rows} == {"1", "2"}
    days = ("invoice_date_utc", "due_date_utc", "delivery_date_utc")
    assert {tuple(row[name] for name in ("odoo_partner_id", *days)) for row in rows} == {("1", "2026-11-02", "2026-11-17", "2026-10-31")}
    links = [row["chain_sha256"] for row in rows]
    assert (links[0] == links[1], links[2]) == (True, chain.head(company.planning.book.db.connection))
    assert {row["odoo_number"] for row in rows} == {"INV/2026/00001", "RINV/2026/00001"}


@pytest.mark.parametrize(
    "statement", ["UPDATE invoices SET total = total + 1", "DELETE FROM invoices", "REPLACE INTO invoices SELECT * FROM invoices"]
)
def test_what_an_invoice_was_to_be_cannot_be_changed(tmp_path: Path, statement: str) -> None:
    company = World(tmp_path)
    company.use(big())
    company.run()
    with pytest.raises(sqlite3.IntegrityError, match="invoices is appended, never edited"):
        company.books.db.connection.execute(statement)


def test_the_rows_of_an_invoice_add_up_to_its_total_also_where_amounts_are_small(tmp_path: Path) -> None:
    company = World(tmp_path)
    company.use(row("2026-10-05T12:00", "k-acme", prompt=1_004_400, cached_read=4_400, completion=2_300, reasoning=0))
    company.run()
    lines = list(csv.DictReader(io.StringIO("".join(month_csv(company.planning.book, OCTOBER)))))
    assert [(row["model_id"], row["price_kind"], row["exact"], row["rounded"]) for row in lines] == [
        ("llama", "prompt", "1", "1.00"),
        ("llama", "input_cache_read", "0.00044", "0.00"),
        ("llama", "completion", "0.0046", "0.00"),
        ("small amounts", "", "0", "0.01"),
    ]
    (entry,) = company.entries(OCTOBER)
    assert sum(Decimal(row["rounded"]) for row in lines) == Decimal(entry.total).scaleb(-2)
    assert sum(Decimal(row["exact"]) for row in lines) == Decimal(entry.exact).scaleb(-12)
