"""Our side reads what a real Odoo 19.0 answered, word for word, as what it was."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

import httpx2
import pytest
import simplejson

from control_app.accounting.odoo.accounting import OdooAccounting
from control_app.accounting.odoo.client import OdooClient
from control_app.accounting.port import Delivery, Document, Payment, RefusedError, UnavailableError, UnclearError
from tests.control.support.odoos import PRODUCT, Clock, Mouth, Naps, there
from tests.control.support.recorded_odoo import Recorded, recorded

CALLS, INVOICE = recorded("calls"), recorded("an-invoice")
PLAIN = Recorded("no e-Factura", "/json/2/account.move/fields_get", None, 200, {})
"""What comes first of a document: whether there is a tax office, or Peppol."""
READS = ("search_read", "read", "fields_get", "has_access", "has_group", "context_get", "message_notify")


def said(call: Recorded) -> httpx2.Response:
    """The answer as it came."""
    body = call.answer if isinstance(call.answer, str) else simplejson.dumps(call.answer)
    return httpx2.Response(call.status, headers={"Content-Type": call.type}, content=body.encode())


def hearing(calls: Sequence[Recorded]) -> OdooAccounting:
    return OdooAccounting(client_of(calls), company=1, currency="USD", product=PRODUCT)


def client_of(calls: Sequence[Recorded]) -> OdooClient:
    return OdooClient("http://odoo", "odoo", "key", Clock(), transport=Mouth(*map(said, calls)), sleep=Naps())


def titled(*titles: str) -> list[Recorded]:
    """Calls of the way of an invoice by their titles, which may be there several times: the first of each."""
    return [next(call for call in INVOICE if call.title == title) for title in titles]


@pytest.mark.parametrize("call", [*CALLS, *INVOICE], ids=lambda call: call.title)
def test_whatever_odoo_answered_is_a_result_a_no_or_not_known_as_its_status_says(call: Recorded) -> None:
    _, _, model, method = (*call.path.split("/")[1:], "", "")[:4]
    ask = client_of([call]).read if method in READS else client_of([call]).write
    if call.status == 200:
        assert ask(model, method) == simplejson.loads(simplejson.dumps(call.answer), use_decimal=True)
        return
    expected = RefusedError if call.status < 500 else UnavailableError if method in READS else UnclearError
    with pytest.raises(expected, match=str(call.status)):
        ask(model, method)


def test_a_document_is_read_at_each_stage_of_its_way() -> None:
    stages = titled("draft", "cancelled", "posted", "sent", "credit", "the credited")
    found = [there(hearing([PLAIN, call]).read(call.answer[0]["id"])) for call in stages]
    ours = Document(296, "cmp-1796022144-a", "invoice", "draft", None, 8, "USD", Decimal("144.68"), Decimal("175.06"))
    assert found[0] == ours
    assert [(each.state, each.number) for each in found] == [
        ("draft", None),
        ("cancelled", None),
        ("posted", "INV/2026/00258"),
        ("posted", "INV/2026/00258"),
        ("posted", "RINV/2026/00007"),
        ("posted", "INV/2026/00258"),
    ]
    assert (found[4].kind, found[4].untaxed) == ("credit note", Decimal("144.68"))


def test_what_is_paid_of_a_document_is_read_as_odoo_told_it() -> None:
    before, note, after = titled("posted", "credit", "the credited")
    whole, tax = Decimal("175.06"), Decimal("30.38")
    assert hearing([before]).payments([296]) == {296: Payment("open", tax, whole, whole)}
    # The tax was not asked for with these.
    assert [hearing([_with_tax(call, tax)]).payments([1]) for call in (note, after)] == [
        {301: Payment("paid", tax, whole, Decimal(0))},
        {296: Payment("credited", tax, whole, Decimal(0))},
    ]


def _with_tax(call: Recorded, tax: Decimal) -> Recorded:
    return replace(call, answer=[{**row, "amount_tax": tax} for row in call.answer])


def test_two_of_one_name_are_found_and_what_is_not_there_is_nothing() -> None:
    both = hearing([PLAIN, *titled("find both")]).find(["cmp-1796022144-a"])
    assert [document.id for document in both["cmp-1796022144-a"]] == [296, 297]
    (missing,) = [call for call in CALLS if call.title == "read missing"]
    assert hearing([PLAIN, missing]).read(999999) is None


def test_an_email_is_sent_or_failed_as_its_notification_says() -> None:
    def mails(entry: int) -> Sequence[Delivery]:
        start = next(number for number, call in enumerate(INVOICE) if call.title == "mail.message" and call.body["domain"][1][2] == entry)
        return hearing(INVOICE[start : start + 2]).deliveries(entry, 8)

    assert mails(296) == [Delivery("sent")]
    assert mails(298) == []
    (refused,) = mails(299)
    assert (refused.status, refused.reason.partition(": ")[2]) == (
        "failed",
        "{'refused@nowhere.example': (550, b'5.1.1 no such mailbox')}",
    )


def test_a_refusal_is_told_with_all_its_lines() -> None:
    with pytest.raises(RefusedError) as refusal:
        hearing(titled("send without e-mail")).deliver(268)
    assert all(f"The field '{name}' is required on No Mail Ltd." in str(refusal.value) for name in ("Street", "City", "State"))


def test_a_draft_is_cancelled_posted_and_attached_to_as_odoo_answers_that() -> None:
    state = Recorded("state", "/json/2/account.move/read", None, 200, [{"id": 297, "state": "draft", "posted_before": False}])
    hearing([state, *titled("cancel a draft")]).cancel(297)
    hearing(titled("post")).post(296)
    assert hearing([PLAIN, *titled("wizard")]).prepare_delivery(296) == 267
    hearing([titled("attachment of the pdf by name")[0], *titled("attach")]).attach(296, "usage.csv", b"")
    with pytest.raises(RefusedError, match="not allowed to access this document"):
        hearing([titled("attachment of the pdf by name")[0], *titled("attach to nothing")]).attach(999999, "usage.csv", b"")
    with pytest.raises(RefusedError, match="must be in draft"):
        hearing(titled("post again")).post(296)


def test_another_database_is_asked_for_by_its_page() -> None:
    (wrong,) = [call for call in CALLS if call.title == "wrong database"]
    with pytest.raises(RefusedError, match="are the address and the database right"):
        client_of([wrong]).read("res.users", "context_get")
