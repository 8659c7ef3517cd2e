"""An invoice that goes by Peppol, too, is done when it reached its customer there; where it did not, a person must look."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from control_app.accounting.odoo.double.faults import Fault
from control_app.invoicing.actions import ActionError
from tests.control.accounting.odoo.test_peppol import ON_PEPPOL
from tests.control.invoicing.test_e_invoices import ADDRESS, asked_for, kept
from tests.control.invoicing.test_period_rules import big
from tests.control.invoicing.test_saga import held, state
from tests.control.support.odoos import once
from tests.control.support.world import BECAUSE, OCTOBER, World, holds, statuses

WHY = "The Peppol Participant cannot receive this document type."


@pytest.fixture
def networked(tmp_path: Path) -> World:
    """One whose company sends by Peppol, to a customer who is there."""
    company = World(tmp_path)
    company.odoo.use_peppol()
    company.odoo.change("res.partner", 1, **ON_PEPPOL)
    company.use(big())
    return company


def test_an_invoice_that_reached_its_customer_is_done_and_not_looked_at_again(networked: World) -> None:
    networked.run()
    networked.tick()
    assert (state(networked), kept(networked), held(networked)) == ("sent", ["sent"], [])
    networked.odoo.peppol_answers(1, "done")
    networked.tick(11)
    assert kept(networked) == ["accepted"]
    networked.odoo.peppol_answers(1, "error")
    networked.tick(30, pause=timedelta(hours=2))
    assert (kept(networked), held(networked)) == (["accepted"], [])


def test_no_law_has_a_deadline_for_it(networked: World) -> None:
    networked.run()
    networked.tick(20, pause=timedelta(days=1))
    assert (kept(networked), held(networked)) == (["sent"], [])


def test_what_did_not_reach_its_customer_is_held_with_the_whole_reason_until_it_does(networked: World) -> None:
    networked.run()
    networked.odoo.peppol_answers(1, "error", f"<p>{WHY}</p>")
    networked.tick()
    said = f"INV/2026/00001 did not reach its customer by Peppol; Odoo wrote down: {WHY}"
    assert (kept(networked), held(networked)) == (["refused"], [("peppol-failed", said)])
    networked.odoo.peppol_answers(1, "processing")
    networked.tick(1, pause=timedelta(hours=2))
    networked.tick()
    assert (kept(networked), held(networked)) == (["sent"], [])


def test_a_person_may_say_that_the_email_was_enough(networked: World) -> None:
    networked.run()
    networked.odoo.peppol_answers(1, "error", WHY)
    networked.tick()
    networked.actions.release(BECAUSE, OCTOBER, "peppol-failed", "acme")
    networked.tick(1, pause=timedelta(hours=2))
    networked.tick()
    assert (kept(networked), held(networked)) == (["refused"], [])
    networked.tick(2, pause=timedelta(days=40))
    assert asked_for(networked, timedelta(days=1)) == [], "what nobody waits for is looked at no longer than others"


def test_what_a_person_let_go_stays_so_whatever_else_the_log_says(networked: World) -> None:
    networked.run()
    networked.odoo.peppol_answers(1, "error", WHY)
    networked.tick()
    networked.actions.release(BECAUSE, OCTOBER, "peppol-failed", "acme")
    for said in ("Payment reminder sent", "Due date changed"):
        networked.odoo.add("mail.message", model="account.move", res_id=1, message_type="notification", body=f"<p>{said}</p>")
        networked.tick(2, pause=timedelta(hours=2))
        assert held(networked) == []


@pytest.mark.parametrize("why", [WHY, "No such participant."])
def test_a_new_refusal_holds_what_a_person_let_go_also_for_the_same_reason(networked: World, why: str) -> None:
    networked.run()
    networked.odoo.peppol_answers(1, "error", WHY)
    networked.tick()
    networked.actions.release(BECAUSE, OCTOBER, "peppol-failed", "acme")
    networked.tick(2, pause=timedelta(hours=2))
    networked.odoo.peppol_answers(1, "processing", "Sent again.")
    networked.tick(2, pause=timedelta(hours=2))
    networked.odoo.peppol_answers(1, "error", why)
    networked.tick(2, pause=timedelta(hours=2))
    assert held(networked) == [("peppol-failed", f"INV/2026/00001 did not reach its customer by Peppol; Odoo wrote down: {why}")]
    networked.actions.release(BECAUSE, OCTOBER, "peppol-failed", "acme")
    networked.tick(2, pause=timedelta(hours=2))
    assert held(networked) == []


def test_a_refusal_of_the_tax_office_beside_one_of_peppol_is_asked_for_and_told_by_itself(networked: World) -> None:
    networked.odoo.use_e_factura()
    networked.odoo.change("res.partner", 1, **ADDRESS)
    networked.run()
    networked.odoo.peppol_answers(1, "error", WHY)
    networked.tick()
    networked.actions.release(BECAUSE, OCTOBER, "peppol-failed", "acme")
    networked.odoo.change("account.move", 1, l10n_ro_edi_state="invoice_refused")
    networked.odoo.add("mail.message", model="account.move", res_id=1, message_type="notification", body="<p>CUI invalid</p>")
    networked.tick(2, pause=timedelta(hours=2))
    ((code, message),) = held(networked)
    assert (code, message.partition("; ")[2]) == ("e-invoice-refused", "Odoo wrote down: CUI invalid")


@pytest.mark.parametrize("leaves", [False, True], ids=["the company stays", "the company leaves"])
def test_what_peppol_never_answers_is_told_once_and_ends_by_a_person_or_an_answer(networked: World, *, leaves: bool) -> None:
    networked.run()
    networked.tick()
    if leaves:
        networked.odoo.use_peppol("not_registered")
    networked.planning.asked().preflight()
    networked.tick(33, pause=timedelta(days=1))
    told = ("peppol-late", "Peppol has not told within 31 days whether INV/2026/00001 reached its customer")
    assert held(networked) == [told]
    networked.actions.release(BECAUSE, OCTOBER, "peppol-late", "acme")
    networked.tick(3, pause=timedelta(days=1))
    assert (kept(networked), held(networked)) == (["sent"], [])
    networked.odoo.peppol_answers(1, "error", WHY)
    networked.tick(2, pause=timedelta(days=1))
    assert [code for code, _ in held(networked)] == ["peppol-failed"]
    networked.odoo.peppol_answers(1, "done")
    networked.tick(2, pause=timedelta(days=1))
    assert (kept(networked), held(networked), asked_for(networked, timedelta(days=2))) == (["accepted"], [], [])


def test_what_was_refused_is_let_go_by_a_person_also_when_the_company_has_left_peppol(networked: World) -> None:
    networked.run()
    networked.odoo.peppol_answers(1, "error", WHY)
    networked.tick()
    networked.odoo.use_peppol("not_registered")
    networked.planning.asked().preflight()
    networked.tick(40, pause=timedelta(days=1))
    assert [code for code, _ in held(networked)] == ["peppol-failed"]
    networked.actions.release(BECAUSE, OCTOBER, "peppol-failed", "acme")
    networked.tick(2, pause=timedelta(hours=2))
    assert (held(networked), asked_for(networked, timedelta(days=2))) == ([], [])


def test_what_goes_by_email_alone_since_its_partner_was_taken_off_peppol_is_not_held_again(networked: World) -> None:
    networked.odoo.peppol.refuses = WHY
    assert holds(networked.run()) == ["odoo-refused"]
    networked.odoo.change("res.partner", 1, peppol_verification_state="not_verified", peppol_endpoint=False)
    networked.now += timedelta(minutes=15)
    assert statuses(networked.run()) == {"acme": "success"}
    networked.tick(40, pause=timedelta(days=1))
    assert (state(networked), len(networked.odoo.mails_sent()), held(networked)) == ("sent", 1, [])


def test_a_refusal_that_came_later_is_over_when_its_partner_is_taken_off_peppol(networked: World) -> None:
    networked.run()
    networked.odoo.peppol_answers(1, "error", WHY)
    networked.tick()
    assert [code for code, _ in held(networked)] == ["peppol-failed"]
    networked.odoo.change("res.partner", 1, peppol_verification_state="not_verified", peppol_endpoint=False)
    networked.tick(2, pause=timedelta(hours=2))
    assert (kept(networked), held(networked)) == ([], [])


def test_a_company_that_was_never_at_peppol_is_asked_for_no_invoice(company: World) -> None:
    company.run()
    assert "account.move/search_read" not in asked_for(company, timedelta(days=1))


def test_a_refusal_of_the_tax_office_is_not_let_go_by_that(networked: World) -> None:
    with pytest.raises(ActionError, match="only resolved"):
        networked.actions.release(BECAUSE, OCTOBER, "e-invoice-refused", "acme")


def test_a_refusal_while_it_is_sent_holds_it_and_resuming_sends_it(networked: World) -> None:
    networked.odoo.peppol.refuses = f"Errors occurred while creating the EDI document (format: Peppol):\n- {WHY}"
    answer = networked.run()
    assert holds(answer) == ["odoo-refused"]
    assert f"(format: Peppol): - {WHY}" in answer["details"][0]["sync_result"]["message"]
    assert (state(networked), networked.odoo.mails_sent()) == ("posted", [])
    networked.odoo.peppol.refuses = ""
    networked.now += timedelta(minutes=15)
    assert statuses(networked.run()) == {"acme": "success"}
    assert (state(networked), len(networked.odoo.mails_sent()), len(networked.odoo.records("peppol document"))) == ("sent", 1, 1)


def test_an_odoo_that_dies_after_the_upload_has_one_document_and_sends_one_email(networked: World) -> None:
    networked.odoo.fault = once(Fault.KILLED_MIDWAY, "account.move.send.wizard", "action_send_and_print")
    networked.run()
    assert (state(networked), networked.odoo.mails_sent(), len(networked.odoo.records("peppol document"))) == ("posted", [], 1)
    networked.tick(4)
    assert (state(networked), len(networked.odoo.mails_sent()), len(networked.odoo.records("peppol document"))) == ("sent", 1, 1)


def test_a_partner_whom_somebody_wanted_to_get_it_and_who_cannot_is_held_before_posting(networked: World) -> None:
    networked.odoo.change("res.partner", 1, invoice_sending_method="peppol", peppol_verification_state="not_valid_format")
    answer = networked.run()
    assert (holds(answer), networked.moves()) == (["partner-incomplete"], [])
    assert "Peppol address that takes our documents (Odoo says 'not_valid_format' of it)" in str(answer)
    networked.odoo.change("res.partner", 1, peppol_verification_state="valid")
    assert statuses(networked.run()) == {"acme": "success"}


def test_an_invoice_to_who_is_not_on_peppol_waits_for_nobody_and_is_looked_at_once_a_day(networked: World) -> None:
    networked.odoo.change("res.partner", 1, peppol_verification_state="not_valid")
    networked.run()
    networked.tick()
    assert (kept(networked), held(networked)) == ([], [])
    assert asked_for(networked, timedelta(hours=5)) == []
    networked.odoo.peppol_answers(1, "done")
    networked.tick(2, pause=timedelta(days=1))
    assert kept(networked) == ["accepted"], "a person sent it"


def test_what_nobody_sent_to_who_is_not_on_peppol_is_looked_at_no_more_after_a_month(networked: World) -> None:
    networked.odoo.change("res.partner", 1, peppol_verification_state="not_valid")
    networked.run()
    networked.tick(33, pause=timedelta(days=1))
    assert (held(networked), asked_for(networked, timedelta(days=40))) == ([], [])


def test_with_a_tax_office_both_must_have_taken_it(networked: World) -> None:
    networked.odoo.use_e_factura()
    networked.odoo.change("res.partner", 1, **ADDRESS)
    networked.run()
    networked.odoo.change("account.move", 1, l10n_ro_edi_state="invoice_validated")
    networked.tick()
    assert kept(networked) == ["sent", "accepted"]
    networked.odoo.peppol_answers(1, "error", WHY)
    networked.tick(1, pause=timedelta(hours=2))
    networked.tick()
    assert (kept(networked), [code for code, _ in held(networked)]) == (["refused", "accepted"], ["peppol-failed"])
    networked.odoo.change("account.move", 1, l10n_ro_edi_state=False, peppol_move_state="done")
    networked.tick(3, pause=timedelta(days=2))
    assert (kept(networked), [code for code, _ in held(networked)]) == (["accepted", None], ["e-invoice-late"])
