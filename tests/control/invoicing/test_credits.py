"""Credit notes take back what was billed, and taxed, to the cent (docs/billing-rules.md, Invoices)."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from control_app.core.exchange import in_book_currency
from control_app.core.numbers import CustomerNo, Minor, Month, Pico
from control_app.core.periods import Period
from control_app.invoicing.actions import ActionError
from control_app.invoicing.credits import left_of, partial_credit, to_be_credited
from control_app.invoicing.document import InvoiceBody
from control_app.invoicing.entry import Entry, Intent
from tests.control.invoicing.test_period_rules import big
from tests.control.support.recomputation import shares
from tests.control.support.world import BECAUSE, World

REF = "stalpeni/acme/2026-10-1"
CENT, DOLLARS = Decimal("0.01"), in_book_currency("USD")


def taxed(company: World) -> list[tuple[str, float, float]]:
    """Kind, tax and what is left to be paid of each document in Odoo."""
    return [(move["move_type"], move["amount_tax"], move["amount_residual"]) for move in company.moves()]


def billed(folder: Path) -> World:
    """An invoice of 19.70 and 4.14 tax."""
    company = World(folder)
    company.use(big(prompt=19_700_000))
    company.run()
    assert taxed(company) == [("out_invoice", 4.14, 23.84)]
    return company


def test_a_void_takes_back_the_tax_of_the_invoice_also_where_the_partner_is_taxed_otherwise_now(tmp_path: Path) -> None:
    company = billed(tmp_path)
    reverse = company.odoo.add("account.fiscal.position", name="Reverse Tax Regime", company_id=[1, "Inference Seller"], in_place=[])
    company.odoo.change("res.partner", 1, property_account_position_id=[reverse, "Reverse Tax Regime"])
    company.actions.void(BECAUSE, REF, rebill=False)
    company.tick()
    assert taxed(company) == [("out_invoice", 4.14, 0.0), ("out_refund", 4.14, 0.0)]
    assert [move["payment_state"] for move in company.moves()] == ["reversed", "paid"]


def test_a_partner_who_moved_abroad_gets_back_the_tax_that_was_paid(tmp_path: Path) -> None:
    company = billed(tmp_path)
    company.odoo.change("res.partner", 1, country_code="US")
    company.actions.credit(BECAUSE, REF, Decimal("9.70"))
    company.tick()
    company.actions.void(BECAUSE, REF, rebill=False)
    company.tick()
    # 9.70 and the rest, 10.00, at 21 %: 2.04 and 2.10.
    assert taxed(company) == [("out_invoice", 4.14, 0.0), ("out_refund", 2.04, 0.0), ("out_refund", 2.1, 0.0)]


def test_a_foreign_partner_who_moved_here_gets_back_no_tax_that_was_never_paid(tmp_path: Path) -> None:
    company = World(tmp_path)
    company.odoo.change("res.partner", 1, country_code="US")
    company.use(big())
    company.run()
    company.odoo.change("res.partner", 1, country_code="RO")
    company.actions.void(BECAUSE, REF, rebill=False)
    company.tick()
    assert taxed(company) == [("out_invoice", 0.0, 0.0), ("out_refund", 0.0, 0.0)]
    invoice, note = company.moves()
    assert note["fiscal_position_id"] == invoice["fiscal_position_id"]


def test_each_line_has_its_own_tax_where_a_person_changed_it(tmp_path: Path) -> None:
    company = World(tmp_path)
    company.books.price("qwen", 0, {"prompt": Decimal("0.000001"), "completion": Decimal("0.000001")})
    company.use(big(), big(model="qwen", prompt=3_000_000))
    company.run(target="created")
    line = company.odoo.records("account.move.line")[0]
    company.odoo.change("account.move.line", line["id"], tax_ids=[], price_total=line["price_subtotal"])
    company.odoo.change("account.move", 1, amount_tax=0.63, amount_total=4.63, amount_residual=4.63)
    company.actions.approve(BECAUSE, company.entries()[0].month)
    company.tick()
    company.actions.void(BECAUSE, REF, rebill=False)
    company.tick()
    assert [move["amount_total"] for move in company.moves()] == [4.63, 4.63]
    assert [move["payment_state"] for move in company.moves()] == ["reversed", "paid"]


def test_a_part_of_an_invoice_whose_lines_are_taxed_differently_waits_for_a_person(tmp_path: Path) -> None:
    company = World(tmp_path)
    company.books.price("qwen", 0, {"prompt": Decimal("0.000001"), "completion": Decimal("0.000001")})
    company.use(big(), big(model="qwen", prompt=3_000_000))
    company.run()
    company.odoo.change("account.move.line", company.odoo.records("account.move.line")[0]["id"], tax_ids=[])
    company.actions.credit(BECAUSE, REF, Decimal("0.50"))
    company.tick()
    ((code, message),) = company.db.connection.execute("SELECT code, message FROM invoice_holds").fetchall()
    assert (code, "the lines of entry 1 have different taxes" in message) == ("odoo-refused", True)
    assert len(company.moves()) == 1


def test_a_credit_note_over_all_that_takes_back_another_tax_is_held_before_it_is_posted(tmp_path: Path) -> None:
    company = billed(tmp_path)
    company.odoo.change("account.move", 1, amount_total=23.83)
    company.actions.void(BECAUSE, REF, rebill=False)
    company.tick()
    ((code, message),) = company.db.connection.execute("SELECT code, message FROM invoice_holds WHERE ref LIKE '%credit%'").fetchall()
    assert code == "odoo-differs"
    assert "takes back 23.83 USD with tax, as the invoice is (id 1), and in Odoo (id 2) 23.84" in message
    assert company.moves()[1]["state"] == "draft"


def test_a_credit_note_against_an_invoice_that_was_deleted_in_odoo_is_held(tmp_path: Path) -> None:
    company = billed(tmp_path)
    company.actions.credit(BECAUSE, REF, Decimal(1))
    company.odoo.remove("account.move", 1)
    company.tick()
    ((code, message),) = company.db.connection.execute("SELECT code, message FROM invoice_holds").fetchall()
    assert (code, "there is no entry 1 any more" in message) == ("odoo-refused", True)


def test_a_credit_is_what_was_billed_less_what_is_owed_then_rounded_once(tmp_path: Path) -> None:
    company = World(tmp_path)
    company.use(big(prompt=1_236_000))  # 1.236, billed as 1.24
    company.run()
    # 1.236 - 0.1035 = 1.1325, so 1.13 is owed, and 0.11 is credited.
    company.actions.credit(BECAUSE, REF, Decimal("0.1035"))
    # 1.1325 - 0.0024 = 1.1301: still 1.13.
    with pytest.raises(ActionError, match=r"0\.0024 USD of stalpeni/acme/2026-10-1 come to nothing after rounding"):
        company.actions.credit(BECAUSE, REF, Decimal("0.0024"))
    company.tick()
    company.actions.void(BECAUSE, REF, rebill=False)
    company.tick()
    assert [move["amount_untaxed"] for move in company.moves()] == [1.24, 0.11, 1.13]
    assert company.untaxed() == 0


@pytest.mark.parametrize("amount", ["0", "-1", "1.25", "NaN", "Infinity", "1E-13"])
def test_what_cannot_be_taken_back_is_refused(tmp_path: Path, amount: str) -> None:
    company = World(tmp_path)
    company.use(big(prompt=1_236_000))
    company.run()
    with pytest.raises(ActionError):
        company.actions.credit(BECAUSE, REF, Decimal(amount))


def entry_of(intent: Intent) -> Entry:
    """What is looked at of the entry that *intent* becomes."""
    told: dict[str, Any] = {name: getattr(intent, name) for name in ("ref", "customer", "month", "n", "total", "exact", "body")}
    whole: dict[str, Any] = {**dict.fromkeys(Entry._fields), **told, "currency": "USD", "unit": "0.01"}
    return Entry(**whole)


@given(st.integers(1, 10**15), st.lists(st.integers(1, 10**14), max_size=5))
def test_whatever_is_credited_leaves_what_is_owed_rounded_once(exact: int, amounts: list[int]) -> None:
    owed = Decimal(exact).scaleb(-12)
    total = shares([owed], CENT).total
    period = Period("2026-10-01T00:00:00Z", "2026-11-01T00:00:00Z")
    body = InvoiceBody("r-1", "acme", "Acme", "USD", "2026-11-02T00:00:00Z", "stalpeni", period, str(total), f"{owed:f}", 0, 0, [])
    invoice = entry_of(
        Intent("r-1", CustomerNo(1), Month(1), 1, DOLLARS, Minor(int(total * 100)), Pico(exact), msgspec.json.encode(body).decode(), 1)
    )
    notes: list[Entry] = []
    for amount in (Decimal(pico).scaleb(-12) for pico in amounts):
        if amount > owed:
            continue
        owed -= amount
        worth = to_be_credited(invoice, notes, amount)
        assert worth >= 0
        if worth:
            notes.append(entry_of(partial_credit(invoice, notes, amount, "an outage", len(notes) + 1, 0)))
        else:
            owed += amount
        assert Decimal(left_of(invoice, notes)) / 100 == shares([owed], CENT).total
