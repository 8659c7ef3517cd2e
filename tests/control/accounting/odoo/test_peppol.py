"""Documents go by Peppol where Odoo says that they are ready for it, each once; the double does what was read of Odoo's module."""

from __future__ import annotations

from typing import Any

import pytest

from control_app.accounting.odoo.accounting import OdooAccounting
from control_app.accounting.odoo.double.faults import Fault
from control_app.accounting.odoo.double.odoo import FakeOdoo
from control_app.accounting.port import RefusedError, UnclearError
from tests.control.accounting.odoo.test_accounting import REF
from tests.control.support.odoos import draft, once, there

ON_PEPPOL: dict[str, Any] = {"peppol_verification_state": "valid", "peppol_eas": "9930", "peppol_endpoint": "DE123456788"}
SEND = ("account.move.send.wizard", "action_send_and_print")


def posted(double: FakeOdoo, accounting: OdooAccounting, **partner: Any) -> int:
    entry = accounting.create(draft(double.add_partner("Acme", **partner)))
    accounting.post(entry)
    return entry


def send(accounting: OdooAccounting, entry: int) -> None:
    accounting.deliver(accounting.prepare_delivery(entry))


def state(double: FakeOdoo) -> object:
    return double.moves()[0].get("peppol_move_state", False)


def documents(double: FakeOdoo) -> int:
    return len(double.records("peppol document"))


@pytest.mark.parametrize("registration", ["sender", "smp_registration", "receiver"])
def test_a_document_to_a_partner_on_peppol_goes_there_and_by_email(double: FakeOdoo, accounting: OdooAccounting, registration: str) -> None:
    double.use_peppol(registration)
    entry = posted(double, accounting, **ON_PEPPOL)
    assert state(double) == "ready"
    send(accounting, entry)
    assert (state(double), documents(double), len(double.mails_sent())) == ("processing", 1, 1)
    assert (accounting.e_invoices(), there(accounting.read(entry)).e_invoices) == ({"Peppol"}, {"Peppol": "sent"})


@pytest.mark.parametrize("registration", ["not_registered", "rejected"])
def test_a_company_that_is_not_registered_sends_by_email_only(double: FakeOdoo, accounting: OdooAccounting, registration: str) -> None:
    double.use_peppol(registration)
    entry = posted(double, accounting, **ON_PEPPOL)
    send(accounting, entry)
    assert (state(double), documents(double), len(double.mails_sent()), accounting.e_invoices()) == (False, 0, 1, set())


@pytest.mark.parametrize("verified", [False, "not_verified", "not_valid", "not_valid_format"])
def test_a_partner_who_is_not_on_peppol_gets_an_email_only(double: FakeOdoo, accounting: OdooAccounting, verified: object) -> None:
    double.use_peppol()
    entry = posted(double, accounting, peppol_verification_state=verified)
    send(accounting, entry)
    assert (state(double), documents(double), len(double.mails_sent())) == (False, 0, 1)
    assert there(accounting.read(entry)).e_invoices == {}


def test_nothing_of_peppol_is_asked_where_odoo_has_none(double: FakeOdoo, accounting: OdooAccounting) -> None:
    entry = posted(double, accounting)
    send(accounting, entry)
    assert (accounting.e_invoices(), there(accounting.read(entry)).e_invoices) == (set(), {})


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("ready", {}),
        ("to_send", {}),
        ("skipped", {}),
        ("processing", "sent"),
        ("done", "accepted"),
        ("error", "refused"),
        ("AB", "accepted"),
        ("AP", "accepted"),
        ("RE", "refused"),
    ],
)
def test_what_became_of_a_document_is_told(double: FakeOdoo, accounting: OdooAccounting, theirs: str, ours: object) -> None:
    double.use_peppol()
    entry = posted(double, accounting, **ON_PEPPOL)
    double.peppol_answers(entry, theirs)
    assert there(accounting.read(entry)).e_invoices == ({"Peppol": ours} if ours else {})


@pytest.mark.parametrize("verified", [False, "not_verified", "not_valid", "not_valid_format"])
@pytest.mark.parametrize(("theirs", "ours"), [("error", {}), ("RE", {"Peppol": "refused"}), ("processing", {"Peppol": "sent"})])
def test_what_failed_is_told_as_refused_only_while_the_partner_is_on_peppol(
    double: FakeOdoo, accounting: OdooAccounting, theirs: str, ours: object, verified: object
) -> None:
    double.use_peppol()
    entry = posted(double, accounting, **ON_PEPPOL)
    double.peppol_answers(entry, theirs)
    double.change("res.partner", 1, peppol_verification_state=verified)
    assert there(accounting.read(entry)).e_invoices == ours
    assert accounting.find([REF])[REF][0].e_invoices == ours


def test_a_partner_who_left_peppol_changes_nothing_of_what_the_tax_office_made_of_it(double: FakeOdoo, accounting: OdooAccounting) -> None:
    double.use_peppol()
    double.use_e_factura()
    entry = posted(double, accounting, **ON_PEPPOL)
    double.change("account.move", entry, l10n_ro_edi_state="invoice_sent", peppol_move_state="error")
    double.change("res.partner", 1, peppol_verification_state="not_valid")
    assert there(accounting.read(entry)).e_invoices == {"tax office": "sent"}


@pytest.mark.parametrize("registration", ["not_registered", "rejected"])
def test_what_was_sent_is_told_also_when_the_company_has_left_peppol(
    double: FakeOdoo, accounting: OdooAccounting, registration: str
) -> None:
    double.use_peppol()
    entry = posted(double, accounting, **ON_PEPPOL)
    send(accounting, entry)
    double.use_peppol(registration)
    accounting.preflight()
    assert (accounting.e_invoices(), there(accounting.read(entry)).e_invoices) == (set(), {"Peppol": "sent"})


def test_of_a_state_that_nobody_knows_no_more_is_told_than_that_the_document_was_sent(double: FakeOdoo, accounting: OdooAccounting) -> None:
    double.use_peppol()
    entry = posted(double, accounting, **ON_PEPPOL)
    double.peppol_answers(entry, "lost")
    assert there(accounting.read(entry)).e_invoices == {"Peppol": "sent"}, "and every other document is read"


def test_both_ways_are_told_where_both_are_taken(double: FakeOdoo, accounting: OdooAccounting) -> None:
    double.use_peppol()
    double.use_e_factura()
    entry = posted(double, accounting, **ON_PEPPOL, street="Strada 1", city="Cluj-Napoca", state_id=[1, "Cluj"])
    send(accounting, entry)
    assert accounting.e_invoices() == {"Peppol", "tax office"}
    assert there(accounting.read(entry)).e_invoices == {"Peppol": "sent", "tax office": "sent"}


def test_a_refusal_is_told_whole_sends_nothing_and_is_tried_again(double: FakeOdoo, accounting: OdooAccounting) -> None:
    double.use_peppol()
    entry = posted(double, accounting, **ON_PEPPOL)
    double.peppol.refuses = "Errors occurred while creating the EDI document (format: Peppol):\n- Each invoice line shall have one tax."
    with pytest.raises(RefusedError, match=r"\(format: Peppol\): - Each invoice line shall have one tax\."):
        send(accounting, entry)
    assert (state(double), double.mails_sent()) == ("error", [])
    double.peppol.refuses = ""
    send(accounting, entry)
    assert (state(double), documents(double), len(double.mails_sent())) == ("processing", 1, 1)


def test_a_partner_who_left_peppol_after_a_refusal_gets_an_email_alone(double: FakeOdoo, accounting: OdooAccounting) -> None:
    double.use_peppol()
    entry = posted(double, accounting, **ON_PEPPOL)
    double.peppol.refuses = "no such participant"
    with pytest.raises(RefusedError):
        send(accounting, entry)
    double.change("res.partner", 1, peppol_verification_state=False, peppol_endpoint=False)
    send(accounting, entry)
    assert (documents(double), len(double.mails_sent())) == (0, 1)


def test_what_was_sent_before_odoo_died_is_not_sent_again(double: FakeOdoo, accounting: OdooAccounting) -> None:
    double.use_peppol()
    entry = posted(double, accounting, **ON_PEPPOL)
    double.fault = once(Fault.KILLED_MIDWAY, *SEND)
    with pytest.raises(UnclearError):
        send(accounting, entry)
    assert (state(double), documents(double), double.mails_sent()) == ("processing", 1, [])
    send(accounting, entry)
    assert (documents(double), len(double.mails_sent())) == (1, 1)


def test_the_double_sends_again_what_was_cut_off_as_odoo_would(double: FakeOdoo, accounting: OdooAccounting) -> None:
    double.use_peppol()
    entry = posted(double, accounting, **ON_PEPPOL)
    wizard = accounting.prepare_delivery(entry)
    double.fault = once(Fault.KILLED_MIDWAY, *SEND)
    with pytest.raises(UnclearError):
        accounting.deliver(wizard)
    accounting.deliver(wizard)
    assert documents(double) == 2, "its file was not linked yet"
    accounting.deliver(wizard)
    assert documents(double) == 2


def test_a_partner_who_left_between_is_refused_and_a_company_that_left_sends_nothing(double: FakeOdoo, accounting: OdooAccounting) -> None:
    double.use_peppol()
    entry = posted(double, accounting, **ON_PEPPOL)
    wizard = accounting.prepare_delivery(entry)
    double.use_peppol("not_registered")
    accounting.deliver(wizard)
    assert (documents(double), double.mails_sent()) == (0, [])
    double.change("res.partner", 1, peppol_verification_state="not_valid")
    with pytest.raises(RefusedError, match="Partner doesn't have a valid Peppol configuration"):
        accounting.deliver(wizard)


@pytest.mark.parametrize(
    ("said", "read"),
    [
        (
            "<p>The Peppol Participant<br>cannot receive   this document type.</p>",
            "The Peppol Participant cannot receive this document type.",
        ),
        ("Size &lt; 64 MB", "Size < 64 MB"),
        ("", "The invoice has been sent to the Peppol Access Point."),
    ],
)
def test_why_a_document_was_refused_is_the_newest_line_of_its_log_that_has_words(
    double: FakeOdoo, accounting: OdooAccounting, said: str, read: str
) -> None:
    double.use_peppol()
    entry = posted(double, accounting, **ON_PEPPOL)
    assert accounting.refusal(entry) == ""
    send(accounting, entry)
    double.peppol_answers(entry, "error", said)
    assert accounting.refusal(entry) == read


@pytest.mark.parametrize(
    ("registration", "partner", "lacks"),
    [
        ("sender", {}, ()),
        ("sender", {"peppol_verification_state": "not_valid"}, ("Peppol address that takes our documents (Odoo says 'not_valid' of it)",)),
        ("sender", {"peppol_verification_state": False}, ("Peppol address that takes our documents (Odoo says 'not_verified' of it)",)),
        ("sender", {"peppol_endpoint": False}, ("Peppol address",)),
        ("sender", {"peppol_eas": False}, ("Peppol address",)),
        ("not_registered", {}, ("sender at Peppol (the company's registration is 'not_registered')",)),
        ("sender", {"invoice_sending_method": "email", "peppol_endpoint": False}, ()),
        ("sender", {"invoice_sending_method": False, "peppol_verification_state": "not_valid"}, ()),
    ],
)
def test_what_a_partner_lacks_is_told_where_somebody_chose_peppol_for_it(
    double: FakeOdoo, accounting: OdooAccounting, registration: str, partner: dict[str, Any], lacks: tuple[str, ...]
) -> None:
    double.use_peppol(registration)
    entry = double.add_partner("Acme", **{**ON_PEPPOL, "invoice_sending_method": "peppol", **partner})
    assert tuple(accounting.partners([entry], [], [])[0].lacks) == lacks


@pytest.mark.parametrize(("registration", "is_told"), [("rejected", True), ("not_registered", False), ("sender", False)])
def test_a_registration_that_was_rejected_is_advice_and_stops_nothing(
    double: FakeOdoo, accounting: OdooAccounting, registration: str, *, is_told: bool
) -> None:
    double.use_peppol(registration)
    found = accounting.preflight()
    assert (found.problems, [advice.code for advice in found.advice]) == ([], ["odoo-peppol"] if is_told else [])
