"""Which lines of the audit log a page shows: all that are about its month or invoice, and found without reading the others."""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from control_app.core.time import parse_month
from control_app.storage.audit import Act, record
from control_app.web.pages import decisions
from control_app.web.pages.decisions import AuditLine, lines_of_invoice, lines_of_month
from tests.control.support.billing_office import ACME, UMBRA, Office

OTHERS = (
    # Of the same month and of others, alike and not, as actions write them.
    "2026-10",
    "2026-1",
    "2026-11",
    "2026-09",
    "2025-10",
    "2026-10 everybody missing-requests: 3 requests with key 'one' were counted but not logged",
    "2026-10 acme brake-invoice: 1.23 USD is more than the largest invoice, 1 USD",
    "2026-10 acme-two brake-invoice: 1.23 USD is more than the largest invoice, 1 USD",
    "2026-10 umbra brake-invoice: 1.23 USD is more than the largest invoice, 1 USD",
    "2026-09 acme brake-invoice: 1.23 USD is more than the largest invoice, 1 USD",
    f"2026-10: {ACME}, {UMBRA}",
    f"2026-10: {UMBRA}",
    f"2026-10: {UMBRA}, {ACME}0",
    "2026-10: ",
    "2026-09: embedded/acme/2026-09-1",
    ACME,
    f"{ACME}-credit-1: 100 minor units",
    f"{ACME}0",
    "embedded/acme/2026-10-2",
    "embedded/acme/2026-09-1",
    "embedded/acme/2026-11-1",
    "other/embedded/acme/2026-10-1",
    "acme: 7",
    "all",
    "llama-3.1-8b",
    "/data/control.sqlite3",
)


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    office = Office(tmp_path, automatic="draft", invoice_from="2026-10", brake_invoice=Decimal(1))
    yield office
    office.close()


@pytest.fixture
def decided(office: Office) -> Office:
    """Every act there is was done from the pages, and others stand beside."""
    office.bill()
    office.send("2026-10/release", code="brake-invoice", customer_id="acme", message="1.23 USD is more than the largest invoice, 1 USD")
    partner = office.odoo.add_partner("Umbra Ltd", email="billing@umbra.example")
    office.sent("2026-10/partner", customer_id="umbra", partner_id=str(partner))
    office.sent("2026-10/resume")
    office.sent("2026-10/approve")
    office.services.invoicing.automation.advance()
    office.sent(f"of/{ACME}/credit", amount="0.10")
    office.services.invoicing.automation.advance()
    office.sent(f"of/{ACME}/void", rebill="on")
    office.sent("2026-10/stop")
    office.sent("2026-10/continue")
    acts = {what for _, what, _, _ in office.audit()}
    assert len(acts) == 9, acts
    with office.books.db.transaction() as connection:
        for subject in OTHERS:
            record(connection, office.planning.book.clock(), Act("ana", "looked at", subject, "to see"))
    return office


def read_all(office: Office, about: str) -> list[AuditLine]:
    """Every line of the log in whose subject *about* is found, by reading all of it."""
    rows = office.books.db.connection.execute("SELECT at, who, what, subject, reason FROM audit ORDER BY at DESC, id DESC")
    return [line for line in map(AuditLine._make, rows) if re.search(about, line.subject)]


def test_a_month_shows_what_was_decided_about_it_and_about_its_invoices(decided: Office) -> None:
    month = parse_month("2026-10")
    assert month
    refs = [*(entry.ref for entry in decided.planning.book.entries(month)), f"{ACME}0", "embedded/acme/2026-10-2"]
    found = lines_of_month(decided.books.db, month, [*refs, "other/embedded/acme/2026-10-1"])
    assert found == read_all(decided, r"(^|/)2026-10\b")
    subjects = [line.subject for line in found]
    assert subjects.count(ACME) == 2, "of the office and of this test"
    assert {"2026-10", f"2026-10: {ACME}, {UMBRA}", f"{ACME}-credit-1: 10 minor units"} <= set(subjects)
    assert not {"2026-1", "2026-11", "all", "embedded/acme/2026-11-1", "acme: 7"} & set(subjects)


def test_an_invoice_shows_what_was_decided_about_it_and_no_other(decided: Office) -> None:
    entry = decided.entry()
    found = lines_of_invoice(decided.books.db, entry, "acme")
    assert found == read_all(decided, rf"(?<!\S){ACME}(?![0-9])|^2026-10 (everybody|acme) ")
    subjects = [line.subject for line in found]
    assert {ACME, f"{ACME}-credit-1: 10 minor units", f"2026-10: {ACME}, {UMBRA}"} <= set(subjects)
    assert not {f"{ACME}0", f"2026-10: {UMBRA}", "2026-10", "embedded/acme/2026-09-1"} & set(subjects)


def test_the_newest_decision_stands_first(decided: Office) -> None:
    found = lines_of_invoice(decided.books.db, decided.entry(), "acme")
    assert [line.at for line in found] == sorted((line.at for line in found), reverse=True)


def test_the_pages_show_these_lines(decided: Office) -> None:
    for path, subjects in (("/invoices/2026-10", (ACME, "2026-10")), (f"/invoices/of/{ACME}", (ACME, f"{ACME}-credit-1: 10 minor units"))):
        text = decided.page(path)
        assert all(f"{subject} looked at it" in text for subject in subjects), path


def test_no_page_reads_the_whole_log(office: Office) -> None:
    plan = office.books.db.connection.execute(f"EXPLAIN QUERY PLAN {decisions.BEGINNING}", ["[]"]).fetchall()
    assert [step for *_, step in plan if step.startswith("SCAN audit")] == []
    assert [step for *_, step in plan if "audit_by_subject (subject>? AND subject<?)" in step]
