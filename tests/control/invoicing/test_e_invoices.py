"""A document that goes to a tax office, too, is done when that took it; until then somebody looks."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from control_app.accounting.odoo.double.faults import Fault
from control_app.invoicing.e_invoices import working_days
from control_app.invoicing.metrics import InvoiceMetrics
from tests.control.invoicing.test_period_rules import big
from tests.control.invoicing.test_saga import held, state
from tests.control.support.odoos import once
from tests.control.support.world import BECAUSE, OCTOBER, World, holds, statuses

REF = "stalpeni/acme/2026-10-1"
ADDRESS = {"street": "Strada 1", "city": "Cluj-Napoca", "state_id": [1, "Cluj (RO)"]}


@pytest.fixture
def romanian(tmp_path: Path) -> World:
    """One whose Odoo hands documents in to the tax office; its customer has all that this needs."""
    company = World(tmp_path)
    company.odoo.use_e_factura()
    company.odoo.change("res.partner", 1, **ADDRESS)
    company.use(big())
    return company


def answers(company: World, state: str) -> None:
    """The tax office's, which Odoo has fetched."""
    company.odoo.change("account.move", 1, l10n_ro_edi_state=state)


def kept(company: World) -> list[Any]:
    return [row[0] for row in company.db.connection.execute("SELECT state FROM e_invoices")]


def test_an_invoice_that_the_tax_office_took_is_done_and_not_looked_at_again(romanian: World) -> None:
    romanian.run()
    romanian.tick()
    assert (state(romanian), kept(romanian), held(romanian)) == ("sent", ["sent"], [])
    answers(romanian, "invoice_validated")
    romanian.tick(11)
    assert kept(romanian) == ["accepted"]
    answers(romanian, "invoice_refused")
    romanian.tick(30, pause=timedelta(hours=2))
    assert (kept(romanian), held(romanian)) == (["accepted"], [])


def test_it_is_looked_at_once_an_hour(romanian: World) -> None:
    romanian.run()
    romanian.tick()
    asked: list[str] = []
    romanian.odoo.fault = lambda model, method, _: asked.append(f"{model}/{method}")
    romanian.tick(9)
    assert "account.move/search_read" not in asked
    romanian.tick(2)
    assert asked.count("account.move/search_read") == 1


def test_a_refusal_of_the_tax_office_holds_the_invoice_until_it_takes_it(romanian: World) -> None:
    romanian.run()
    romanian.odoo.add("mail.message", model="account.move", res_id=1, message_type="notification", body="<p>CUI invalid</p>")
    answers(romanian, "invoice_refused")
    romanian.tick()
    ((code, message),) = held(romanian)
    assert (code, message.partition("; ")[2]) == ("e-invoice-refused", "Odoo wrote down: CUI invalid")
    assert InvoiceMetrics(romanian.db).held() == {("e-invoice-refused",): 1}
    romanian.tick(2, pause=timedelta(days=40))
    assert [code for code, _ in held(romanian)] == ["e-invoice-refused"], "however old it is"
    answers(romanian, "invoice_validated")
    romanian.tick()
    assert held(romanian) == []


def test_a_refused_invoice_is_voided_and_billed_again_and_no_longer_looked_at(romanian: World) -> None:
    romanian.run()
    answers(romanian, "invoice_refused")
    romanian.tick()
    romanian.actions.void(BECAUSE, REF, rebill=True)
    romanian.tick(2)
    romanian.run()
    romanian.tick()
    assert [(entry.ref, entry.state) for entry in romanian.entries() if not entry.credit] == [
        (REF, "void"),
        ("stalpeni/acme/2026-10-2", "sent"),
    ]
    assert [code for code, _ in held(romanian)] == []


@pytest.mark.parametrize("what", ["invoice_sent", "invoice_not_indexed", False])
def test_what_the_tax_office_has_not_taken_on_the_third_working_day_is_held(romanian: World, what: object) -> None:
    # The 2nd of November 2026 is a Monday.
    romanian.run()
    romanian.odoo.change("account.move", 1, l10n_ro_edi_state=what)
    romanian.tick(3, pause=timedelta(days=1))
    assert held(romanian) == []
    romanian.tick()
    ((code, message),) = held(romanian)
    assert (code, "INV/2026/00001" in message) == ("e-invoice-late", True)
    answers(romanian, "invoice_validated")
    romanian.tick(1, pause=timedelta(hours=2))
    romanian.tick()
    assert held(romanian) == []


@pytest.mark.parametrize(("since", "until", "days"), [(20759, 20762, 3), (20763, 20766, 1), (20759, 20759, 0), (20763, 20773, 6)])
def test_working_days_leave_weekends_out(since: int, until: int, days: int) -> None:
    # 20759 is Monday, the 2nd of November 2026.
    assert working_days(since, until) == days


def test_what_was_sent_long_before_there_was_a_tax_office_is_left_alone(company: World) -> None:
    company.run()
    company.now += timedelta(days=40)
    company.odoo.use_e_factura()
    company.tick()
    assert (kept(company), held(company)) == ([], [])


def test_where_nothing_is_handed_in_nothing_is_looked_at(company: World) -> None:
    company.run()
    company.tick(2, pause=timedelta(days=5))
    assert (kept(company), held(company)) == ([], [])


def test_a_month_that_a_run_works_on_is_looked_at_later(romanian: World) -> None:
    romanian.run()
    with romanian.runs.working(OCTOBER):
        romanian.tick(pause=timedelta(0))
        assert kept(romanian) == []
    romanian.tick()
    assert kept(romanian) == ["sent"]


def test_an_odoo_that_dies_after_the_upload_has_one_upload_and_sends_one_email(romanian: World) -> None:
    romanian.odoo.fault = once(Fault.KILLED_MIDWAY, "account.move.send.wizard", "action_send_and_print")
    romanian.run()
    assert (state(romanian), romanian.odoo.mails_sent(), len(romanian.odoo.records("upload"))) == ("posted", [], 1)
    romanian.tick(4)
    assert (state(romanian), len(romanian.odoo.mails_sent()), len(romanian.odoo.records("upload"))) == ("sent", 1, 1)


@pytest.mark.parametrize(("field", "word"), [("street", "street"), ("city", "city"), ("state_id", "county")])
@pytest.mark.parametrize("country", ["RO", "US"])
def test_a_partner_who_lacks_what_the_document_needs_is_held_before_posting(romanian: World, field: str, word: str, country: str) -> None:
    romanian.odoo.change("res.partner", 1, country_code=country, **{field: False})
    answer = romanian.run()
    assert holds(answer) == ["partner-incomplete"]
    assert romanian.moves() == []
    assert f"has no {word}, which the e-invoice asks for" in answer["details"][0]["sync_result"]["message"]
    romanian.odoo.change("res.partner", 1, **ADDRESS)
    assert statuses(romanian.run()) == {"acme": "success"}


@pytest.mark.parametrize(("city", "is_held"), [("București", True), ("Sector 3", False), ("SECTOR7", True)])
def test_in_bucharest_the_city_is_a_sector(romanian: World, city: str, *, is_held: bool) -> None:
    romanian.odoo.change("res.partner", 1, city=city, state_id=[2, "București (RO)"])
    assert (holds(romanian.run()) == ["partner-incomplete"]) is is_held


def test_without_the_document_the_same_partner_is_billed(company: World) -> None:
    assert statuses(company.run()) == {"acme": "success"}


def test_a_company_without_a_token_posts_nothing_and_the_token_is_told_nowhere(romanian: World) -> None:
    romanian.odoo.use_e_factura(has_token=False)
    assert (holds(romanian.run()), romanian.moves()) == (["odoo-e-invoice"], [])
    romanian.odoo.use_e_factura()
    token = romanian.odoo.records("res.company")[0]["l10n_ro_edi_access_token"]
    romanian.odoo.change("res.company", 1, vat=False, street=False)
    answer = romanian.run()
    assert holds(answer) == ["odoo-e-invoice"]
    assert "no street, VAT number, which e-Factura asks for" in str(answer)
    assert token not in str(answer)
