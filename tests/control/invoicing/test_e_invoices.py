"""A document that goes to a tax office, too, is done when that took it; until then somebody looks."""

from __future__ import annotations

import sqlite3
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from control_app.accounting.odoo.double.faults import Fault
from control_app.invoicing.e_invoices import EInvoices, working_days
from control_app.invoicing.metrics import InvoiceMetrics
from control_app.invoicing.tables import E_INVOICES, E_INVOICES_BY_CHANNEL
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


def answers(company: World, state: object) -> None:
    """The tax office's, which Odoo has fetched."""
    company.odoo.change("account.move", 1, l10n_ro_edi_state=state)


def kept(company: World) -> list[Any]:
    """What is known of invoices, of each channel."""
    return [row[0] for row in company.db.connection.execute("SELECT state FROM e_invoice_states ORDER BY invoice, channel")]


def asked_for(company: World, pause: timedelta) -> list[str]:
    """What a turn after *pause* asks of Odoo, but for what is paid."""
    asked: list[str] = []
    company.now += pause
    company.odoo.fault = lambda model, method, _: asked.append(f"{model}/{method}")
    EInvoices(company.runs).follow()
    company.odoo.fault = None
    return asked


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


def test_what_was_sent_long_before_there_was_a_tax_office_is_looked_at_once_and_left_alone(company: World) -> None:
    company.run()
    company.now += timedelta(days=40)
    company.odoo.use_e_factura()
    company.tick()
    assert (kept(company), held(company)) == ([], [])
    assert asked_for(company, timedelta(days=40)) == []


@pytest.mark.parametrize(("told", "code"), [("invoice_sent", "e-invoice-late"), ("invoice_refused", "e-invoice-refused")])
def test_what_was_handed_in_and_nobody_could_look_at_for_long_is_told_all_the_same(romanian: World, told: str, code: str) -> None:
    romanian.run()
    answers(romanian, told)
    romanian.now += timedelta(days=60)
    romanian.tick()
    assert [code for code, _ in held(romanian)] == [code]


@pytest.mark.parametrize("told", ["invoice_sent", False])
def test_what_is_late_for_months_is_let_go_when_the_tax_office_takes_it(romanian: World, told: object) -> None:
    romanian.run()
    answers(romanian, told)
    romanian.tick(50, pause=timedelta(days=1))
    assert [code for code, _ in held(romanian)] == ["e-invoice-late"]
    answers(romanian, "invoice_validated")
    romanian.tick()
    assert (kept(romanian), held(romanian)) == (["accepted"], [])


@pytest.mark.parametrize("told", ["invoice_sent", False])
def test_a_person_may_say_that_it_was_handed_in_past_odoo_and_a_refusal_is_told_for_all_that(romanian: World, told: object) -> None:
    romanian.run()
    answers(romanian, told)
    romanian.tick(5, pause=timedelta(days=1))
    romanian.actions.release(BECAUSE, OCTOBER, "e-invoice-late", "acme")
    romanian.tick(2, pause=timedelta(days=1))
    assert held(romanian) == []
    answers(romanian, "invoice_refused")
    romanian.tick()
    assert [code for code, _ in held(romanian)] == ["e-invoice-refused"]


@pytest.mark.parametrize(("told", "is_followed"), [("invoice_sent", True), (False, False)])
def test_what_was_let_go_is_looked_at_once_a_day_as_long_as_somebody_has_it(romanian: World, told: object, *, is_followed: bool) -> None:
    romanian.run()
    answers(romanian, told)
    romanian.tick(5, pause=timedelta(days=1))
    romanian.actions.release(BECAUSE, OCTOBER, "e-invoice-late", "acme")
    romanian.tick(35, pause=timedelta(days=1))
    romanian.tick(pause=timedelta(0))
    assert (asked_for(romanian, timedelta(hours=2)), held(romanian)) == ([], [])
    assert bool(asked_for(romanian, timedelta(days=1))) is is_followed


def test_the_reason_that_is_told_is_the_one_of_the_refusal_however_the_log_goes_on(romanian: World) -> None:
    romanian.run()
    romanian.odoo.add("mail.message", model="account.move", res_id=1, message_type="notification", body="<p>CUI invalid</p>")
    answers(romanian, "invoice_refused")
    romanian.tick()
    before = held(romanian)
    romanian.odoo.add("mail.message", model="account.move", res_id=1, message_type="notification", body="<p>Due date changed</p>")
    assert "mail.message/search_read" not in asked_for(romanian, timedelta(hours=2))
    assert (held(romanian), "CUI invalid" in before[0][1]) == (before, True)


def test_a_module_that_is_taken_away_does_not_end_what_is_known_of_it(romanian: World) -> None:
    romanian.run()
    romanian.tick()
    (field,) = [row for row in romanian.odoo.records("ir.model.fields") if row["model"] == "account.move"]
    romanian.odoo.remove("ir.model.fields", field["id"])
    romanian.planning.asked().preflight()
    romanian.tick(5, pause=timedelta(days=1))
    assert (kept(romanian), [code for code, _ in held(romanian)]) == (["sent"], ["e-invoice-late"])
    romanian.actions.release(BECAUSE, OCTOBER, "e-invoice-late", "acme")
    romanian.tick(2, pause=timedelta(days=1))
    assert held(romanian) == []


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


@pytest.mark.parametrize(("state", "look_at"), [("accepted", None), ("sent", 7), ("refused", 7), (None, 7)])
def test_what_was_looked_at_before_channels_were_told_apart_is_looked_at_until_it_was_taken(
    tmp_path: Path, state: str | None, look_at: int | None
) -> None:
    db = sqlite3.connect(tmp_path / "old.sqlite3")
    db.execute(E_INVOICES)
    db.execute("INSERT INTO e_invoices VALUES (1, ?, 7)", [state])
    for statement in E_INVOICES_BY_CHANNEL:
        db.execute(statement)
    assert db.execute("SELECT invoice, look_at FROM e_invoices").fetchall() == [(1, look_at)]
    db.close()
