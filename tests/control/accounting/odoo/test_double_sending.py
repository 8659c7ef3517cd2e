"""The double sends as Odoo does: by wizards, to the tax office too, out of workers that starve, and in silence where it has no address."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from control_app.accounting.odoo.double.faults import Fault, LostError
from control_app.accounting.odoo.double.odoo import FakeOdoo
from tests.control.accounting.odoo.test_double import answer, invoice
from tests.control.support.odoos import accounting_of, always, draft, once


def test_sending_twice_is_two_mails_and_one_pdf(double: FakeOdoo) -> None:
    accounting = accounting_of(double)
    entry = accounting.create(draft(double.add_partner("Acme")))
    accounting.post(entry)
    accounting.deliver(accounting.prepare_delivery(entry))
    accounting.deliver(accounting.prepare_delivery(entry))
    assert double.mails_sent() == [(entry, "billing@acme.example")] * 2
    assert [file["name"] for file in double.records("ir.attachment")] == ["INV_2026_00001.pdf"]


def test_a_move_counts_as_sent_though_its_mail_failed(double: FakeOdoo) -> None:
    accounting = accounting_of(double)
    double.failing.add("billing@acme.example")
    entry = accounting.create(draft(double.add_partner("Acme")))
    accounting.post(entry)
    accounting.deliver(accounting.prepare_delivery(entry))
    assert (double.moves()[0]["is_move_sent"], double.mails_sent()) == (True, [])


def test_what_is_printed_is_a_field_of_the_move_and_not_among_its_files(double: FakeOdoo) -> None:
    accounting = accounting_of(double)
    entry = accounting.create(draft(double.add_partner("Acme")))
    accounting.post(entry)
    accounting.deliver(accounting.prepare_delivery(entry))
    accounting.attach(entry, "usage.csv", b"a,b\n")
    domain: list[Any] = [["res_model", "=", "account.move"], ["res_id", "=", entry]]

    def names(*more: list[Any]) -> list[str]:
        return [file["name"] for file in answer(double, "ir.attachment/search_read", domain=[*domain, *more], fields=["name"])[1]]

    assert names() == ["usage.csv"]
    assert names(["name", "like", ".pdf"]) == []
    assert names(["res_field", "!=", False]) == ["INV_2026_00001.pdf"]


def e_invoiced(double: FakeOdoo, **partner: Any) -> int:
    """An invoice that is posted, to a partner who has all that e-Factura asks for."""
    address: dict[str, Any] = {"street": "Strada 1", "city": "Cluj-Napoca", "state_id": [1, "Cluj"]}
    accounting = accounting_of(double)
    entry = accounting.create(draft(double.add_partner("Acme", **{**address, **partner})))
    accounting.post(entry)
    return entry


def send(double: FakeOdoo, entry: int) -> tuple[int, Any]:
    _, (wizard,) = answer(double, "account.move.send.wizard/create", vals_list=[{"move_id": entry}])
    return answer(double, "account.move.send.wizard/action_send_and_print", ids=[wizard])


def test_e_factura_is_uploaded_once_and_the_second_wizard_only_mails(double: FakeOdoo) -> None:
    double.use_e_factura()
    entry = e_invoiced(double)
    assert [send(double, entry)[0], send(double, entry)[0]] == [200, 200]
    assert double.moves()[0]["l10n_ro_edi_state"] == "invoice_sent"
    assert (double.records("upload"), len(double.mails_sent())) == ([{"id": 1, "move": entry}], 2)


@pytest.mark.parametrize(
    ("partner", "has_token", "reason"),
    [
        ({"state_id": False, "country": "DE"}, True, "CIUS RO):\n- The field 'State' is required on Acme."),
        ({"street": False, "city": False}, True, "- The field 'Street' is required on Acme.\n- The field 'City' is required on Acme."),
        ({}, False, "SPV\n- Romanian access token not found."),
    ],
)
def test_e_factura_refuses_what_lacks_something_and_keeps_nothing(
    double: FakeOdoo, partner: dict[str, Any], *, has_token: bool, reason: str
) -> None:
    double.use_e_factura(has_token=has_token)
    entry = e_invoiced(double, **partner)
    status, told = send(double, entry)
    assert (status, reason in told["message"]) == (422, True)
    assert (double.moves()[0]["is_move_sent"], double.records("upload"), double.mails_sent()) == (False, [], [])


def test_e_factura_is_for_companies_in_romania_that_have_it(double: FakeOdoo) -> None:
    assert answer(double, "account.move/fields_get", allfields=["l10n_ro_edi_state"], attributes=["type"]) == (200, {})
    double.use_e_factura()
    told = {"l10n_ro_edi_state": {"type": "selection"}}
    assert answer(double, "account.move/fields_get", allfields=["l10n_ro_edi_state"], attributes=["type"]) == (200, told)
    assert answer(double, "account.move/fields_get", allfields=["l10n_ro_edi_state"], attributes=[])[1] == {"l10n_ro_edi_state": {}}
    assert len(answer(double, "account.move/fields_get")[1]) > 20
    double.change("res.company", 1, country_code="DE")
    assert send(double, e_invoiced(double))[0] == 200
    assert double.records("upload") == []
    double.use_e_factura()
    assert len(double.records("ir.model.fields")) == 2


def test_an_odoo_that_dies_in_a_send_keeps_the_upload_and_no_more(double: FakeOdoo) -> None:
    double.use_e_factura()
    entry = e_invoiced(double)
    double.fault = once(Fault.KILLED_MIDWAY, "account.move.send.wizard", "action_send_and_print")
    with pytest.raises(LostError):
        send(double, entry)
    (move,) = double.moves()
    assert (move["l10n_ro_edi_state"], move["is_move_sent"], double.mails_sent()) == ("invoice_sent", False, [])
    assert send(double, entry)[0] == 200
    assert (len(double.records("upload")), len(double.mails_sent())) == (1, 1)


def test_an_odoo_that_dies_in_any_other_call_keeps_nothing(double: FakeOdoo) -> None:
    double.fault = once(Fault.KILLED_MIDWAY, "account.move", "create")
    with pytest.raises(LostError):
        invoice(double, (1, 1))
    assert double.moves() == []


def test_as_many_sends_at_once_as_there_are_workers_all_die(double: FakeOdoo) -> None:
    accounting, number = accounting_of(double), 4
    entries = [accounting.create(draft(double.add_partner(f"Customer {each}"), f"r/{each}")) for each in range(number)]
    wizards: list[int] = []
    for entry in entries:
        accounting.post(entry)
        wizards.append(accounting.prepare_delivery(entry))
    double.latency = 0.2
    lost: list[Exception] = []

    def deliver(wizard: int) -> None:
        try:
            answer(double, "account.move.send.wizard/action_send_and_print", ids=[wizard])
        except LostError as error:
            lost.append(error)

    def at_once(wizards: list[int]) -> None:
        threads = [threading.Thread(target=deliver, args=[wizard]) for wizard in wizards]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(10)

    at_once(wizards)
    assert (len(lost), double.mails_sent()) == (number, [])
    at_once(wizards[1:])
    assert (len(lost), len(double.mails_sent())) == (number, number - 1)


def test_what_somebody_else_sends_is_refused_and_posted_all_the_same(double: FakeOdoo) -> None:
    double.fault = always(Fault.LOCKED)
    entry = e_invoiced(double)
    status, told = send(double, entry)
    assert (status, told["message"]) == (422, "Some documents are being sent by another process already.")


def test_what_the_wizard_was_not_told_to_send_by_email_is_printed_only(double: FakeOdoo) -> None:
    entry = invoice(double, (1, 1))
    answer(double, "account.move/action_post", ids=[entry])
    _, (wizard,) = answer(double, "account.move.send.wizard/create", vals_list=[{"move_id": entry, "sending_methods": []}])
    answer(double, "account.move.send.wizard/action_send_and_print", ids=[wizard])
    assert (double.mails_sent(), len(double.records("ir.attachment"))) == ([], 1)
