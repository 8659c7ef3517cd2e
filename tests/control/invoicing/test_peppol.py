"""An invoice that goes by Peppol, too, is done when it reached its customer there; where it did not, a person must look."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from control_app.accounting.odoo.double.faults import Fault
from control_app.invoicing.actions import ActionError
from tests.control.accounting.odoo.test_peppol import ON_PEPPOL
from tests.control.invoicing.test_e_invoices import ADDRESS, kept
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
    assert (kept(networked), held(networked)) == ([None], [])
    networked.tick(2, pause=timedelta(days=40))
    asked: list[str] = []
    networked.odoo.fault = lambda model, method, _: asked.append(f"{model}/{method}")
    networked.tick()
    assert "mail.message/search_read" not in asked, "what nobody waits for is looked at no longer than others"


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
    assert (kept(networked), held(networked)) == ([None], [])
    asked: list[str] = []
    networked.odoo.fault = lambda model, method, _: asked.append(f"{model}/{method}")
    networked.tick(5, pause=timedelta(hours=1))
    assert "account.move/fields_get" not in asked
    networked.odoo.fault = None
    networked.odoo.peppol_answers(1, "done")
    networked.tick(2, pause=timedelta(days=1))
    assert kept(networked) == ["accepted"], "a person sent it"


def test_with_a_tax_office_both_must_have_taken_it(networked: World) -> None:
    networked.odoo.use_e_factura()
    networked.odoo.change("res.partner", 1, **ADDRESS)
    networked.run()
    networked.odoo.change("account.move", 1, l10n_ro_edi_state="invoice_validated")
    networked.tick()
    assert kept(networked) == ["sent"]
    networked.odoo.peppol_answers(1, "error", WHY)
    networked.tick(1, pause=timedelta(hours=2))
    networked.tick()
    assert (kept(networked), [code for code, _ in held(networked)]) == (["refused"], ["peppol-failed"])
    networked.odoo.change("account.move", 1, l10n_ro_edi_state=False, peppol_move_state="done")
    networked.tick(3, pause=timedelta(days=2))
    assert (kept(networked), [code for code, _ in held(networked)]) == ([None], ["e-invoice-late"])
