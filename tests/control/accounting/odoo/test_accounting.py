"""Invoices come into Odoo as they were meant, once where that is ours to do, and are found again whatever happened."""

from __future__ import annotations

import base64
from datetime import date
from decimal import Decimal

import httpx2
import pytest

from control_app.accounting.odoo.accounting import AT_ONCE, OdooAccounting
from control_app.accounting.odoo.client import OdooClient
from control_app.accounting.odoo.double.faults import Fault
from control_app.accounting.odoo.double.odoo import FakeOdoo
from control_app.accounting.port import Accounting, Currency, Delivery, Partner, Payment, RefusedError, UnavailableError, UnclearError
from tests.control.support.odoos import KEY, PARTNER, Clock, D, Mouth, accounting_of, draft, once, says, there

REF = "r/c1/2026-11-1"


def posted(double: FakeOdoo, accounting: OdooAccounting, partner: int) -> int:
    entry = accounting.create(draft(partner))
    accounting.post(entry)
    return entry


def hearing(answer: httpx2.Response) -> OdooAccounting:
    return OdooAccounting(OdooClient("http://odoo", "", KEY, Clock(), transport=Mouth(answer)), company=1, currency="USD", product="X")


def test_it_is_what_invoicing_asks_for(accounting: OdooAccounting) -> None:
    asked: Accounting = accounting
    assert asked.find([]) == {}


def test_a_draft_has_all_that_was_asked_and_its_tax_from_the_product(double: FakeOdoo, accounting: OdooAccounting) -> None:
    partner = double.add_partner("Acme")
    entry = accounting.create(draft(partner, lines=["0.74", "0.30"]))
    move = double.moves()[0]
    assert {name: move[name] for name in ("id", "move_type", "state", "ref", "invoice_origin")} == {
        "id": entry,
        "move_type": "out_invoice",
        "state": "draft",
        "ref": REF,
        "invoice_origin": REF,
    }
    assert (move["invoice_date"], move["invoice_date_due"], move["delivery_date"]) == ("2026-12-01", "2026-12-16", "2026-11-30")
    assert (move["invoice_payment_term_id"], move["partner_id"][0], move["currency_id"][1]) == (False, partner, "USD")
    assert [(line["name"], line["quantity"], line["price_unit"], line["price_subtotal"]) for line in move["lines"]] == [
        ("line 0", 1.0, 0.74, 0.74),
        ("line 1", 1.0, 0.3, 0.3),
    ]
    read = there(accounting.read(entry))
    assert (read.untaxed, read.total) == (D("1.04"), D("1.26"))
    assert (read.state, read.currency, read.partner, read.kind) == ("draft", "USD", partner, "invoice")


def test_amounts_are_read_digit_for_digit_in_whatever_currency(double: FakeOdoo, accounting: OdooAccounting) -> None:
    double.change("res.currency", 4, active=True)
    partner = double.add_partner("Acme")
    move = there(accounting.read(accounting.create(draft(partner, lines=["10"] * 3, currency="JPY"))))
    assert (str(move.untaxed), move.currency) == ("30", "JPY")
    assert str(there(accounting.read(accounting.create(draft(partner, lines=["0.1"] * 3)))).untaxed) == "0.3"


def test_currencies_are_those_in_use_with_odoos_unit_and_the_day_of_their_rate(double: FakeOdoo, accounting: OdooAccounting) -> None:
    double.change("res.currency", 2, rounding=0.05, date="2026-11-30")
    assert accounting.currencies({"USD", "EUR", "RON", "JPY", "XXX"}) == {
        "USD": Currency(D("0.01"), needs_rate=False, rated_on=None),
        "EUR": Currency(D("0.05"), needs_rate=True, rated_on=date(2026, 11, 30)),
        "RON": Currency(D("0.01"), needs_rate=True, rated_on=None),
    }


def test_a_currency_that_odoo_does_not_have_makes_no_invoice(double: FakeOdoo, accounting: OdooAccounting) -> None:
    with pytest.raises(RefusedError, match="there is no currency XXX"):
        accounting.create(draft(double.add_partner("Acme"), currency="XXX"))
    assert double.moves() == []


def test_a_draft_has_no_number_and_gets_it_when_it_is_posted(double: FakeOdoo, accounting: OdooAccounting) -> None:
    entry = accounting.create(draft(double.add_partner("Acme")))
    assert there(accounting.read(entry)).number is None
    accounting.post(entry)
    assert (there(accounting.read(entry)).number, there(accounting.read(entry)).state) == ("INV/2026/00001", "posted")


def test_a_number_that_a_draft_has_is_none_yet(double: FakeOdoo, accounting: OdooAccounting) -> None:
    entry = accounting.create(draft(double.add_partner("Acme")))
    double.change("account.move", entry, name="INV/2026/00001")
    assert there(accounting.read(entry)).number is None


def test_a_credit_note_is_against_its_invoice_and_pays_it_when_posted(double: FakeOdoo, accounting: OdooAccounting) -> None:
    partner = double.add_partner("Acme")
    invoice = posted(double, accounting, partner)
    note = accounting.create(draft(partner, "r/c1/2026-11-1-credit", kind="credit note", against=invoice))
    accounting.post(note)
    read = there(accounting.read(note))
    assert (read.kind, read.number, read.untaxed) == ("credit note", "RINV/2026/00001", D("10.00"))
    assert [(move["payment_state"], move["amount_residual"]) for move in double.moves()] == [("reversed", 0.0), ("paid", 0.0)]


def test_moves_are_found_by_ref_in_every_state_and_all_of_them(double: FakeOdoo, accounting: OdooAccounting) -> None:
    partner = double.add_partner("Acme")
    ids = [accounting.create(draft(partner, ref)) for ref in ("a", "a", "b", "c")]
    accounting.post(ids[0])
    accounting.cancel(ids[2])
    found = accounting.find(["a", "b", "nobody's"])
    assert {ref: [(move.id, move.state) for move in moves] for ref, moves in found.items()} == {
        "a": [(ids[0], "posted"), (ids[1], "draft")],
        "b": [(ids[2], "cancelled")],
    }


def test_more_refs_than_one_search_takes_are_all_found(double: FakeOdoo, accounting: OdooAccounting) -> None:
    partner = double.add_partner("Acme")
    refs = [f"r/{number}" for number in range(AT_ONCE * 2 + 1)]
    for ref in refs:
        accounting.create(draft(partner, ref))
    assert set(accounting.find(refs)) == set(refs)


def test_moves_of_another_company_are_not_found(double: FakeOdoo, accounting: OdooAccounting) -> None:
    entry = accounting.create(draft(double.add_partner("Acme")))
    double.change("account.move", entry, company_id=[2, "Somebody Else"])
    assert accounting.find([REF]) == {}


def test_what_is_not_there_is_read_as_nothing(accounting: OdooAccounting) -> None:
    assert accounting.read(99) is None


def test_a_file_is_attached_once(double: FakeOdoo, accounting: OdooAccounting) -> None:
    entry = accounting.create(draft(double.add_partner("Acme")))
    for _ in range(2):
        accounting.attach(entry, "usage.csv", b"day,tokens\n")
    files = double.records("ir.attachment")
    assert [(file["res_id"], file["name"], file["mimetype"], base64.b64decode(file["datas"])) for file in files] == [
        (entry, "usage.csv", "text/csv", b"day,tokens\n")
    ]


def test_a_file_that_was_attached_without_an_answer_is_not_attached_again(double: FakeOdoo, accounting: OdooAccounting) -> None:
    entry = accounting.create(draft(double.add_partner("Acme")))
    double.fault = once(Fault.TIMEOUT_AFTER, "ir.attachment", "create")
    with pytest.raises(UnclearError):
        accounting.attach(entry, "usage.csv", b"")
    accounting.attach(entry, "usage.csv", b"")
    assert len(double.records("ir.attachment")) == 1


def test_posting_what_is_posted_is_refused(double: FakeOdoo, accounting: OdooAccounting) -> None:
    entry = posted(double, accounting, double.add_partner("Acme"))
    with pytest.raises(RefusedError, match="must be in draft"):
        accounting.post(entry)


def test_a_window_in_place_of_a_posting_is_unclear() -> None:
    answer = says(200, '{"type": "ir.actions.act_window", "res_model": "validate.account.move"}')
    accounting = hearing(answer)
    with pytest.raises(UnclearError, match=r"validate\.account\.move"):
        accounting.post(5)


def test_a_move_is_sent_and_what_became_of_it_is_told(double: FakeOdoo, accounting: OdooAccounting) -> None:
    entry = posted(double, accounting, double.add_partner("Acme"))
    assert accounting.deliveries(entry, PARTNER) == []
    accounting.deliver(accounting.prepare_delivery(entry))
    assert accounting.deliveries(entry, PARTNER) == [Delivery("sent")]
    assert double.mails_sent() == [(entry, "billing@acme.example")]


def test_a_mail_waits_until_it_goes_out(double: FakeOdoo, accounting: OdooAccounting) -> None:
    entry = posted(double, accounting, double.add_partner("Acme"))
    double.hold_mails()
    accounting.deliver(accounting.prepare_delivery(entry))
    assert (accounting.deliveries(entry, PARTNER), double.mails_sent()) == ([Delivery("waiting")], [])
    double.deliver_mails()
    assert accounting.deliveries(entry, PARTNER) == [Delivery("sent")]


def test_a_mail_that_does_not_arrive_says_why(double: FakeOdoo, accounting: OdooAccounting) -> None:
    double.failing.add("billing@acme.example")
    entry = posted(double, accounting, double.add_partner("Acme"))
    accounting.deliver(accounting.prepare_delivery(entry))
    assert accounting.deliveries(entry, PARTNER) == [
        Delivery(
            "failed",
            "Mail Delivery Failed Mail delivery failed via SMTP server 'None'."
            " SMTPRecipientsRefused: {'billing@acme.example': (550, b'5.1.1 no such mailbox')}",
        )
    ]


def test_a_mail_fails_where_the_mail_server_is_away_or_the_address_is_none(double: FakeOdoo, accounting: OdooAccounting) -> None:
    double.mail_server.is_away = True
    entry = posted(double, accounting, double.add_partner("Acme"))
    accounting.deliver(accounting.prepare_delivery(entry))
    assert accounting.deliveries(entry, PARTNER) == [Delivery("failed", "Odoo did not reach its outgoing mail server (mail_smtp)")]
    other = posted(double, accounting, double.add_partner("Beta", email="no address"))
    accounting.deliver(accounting.prepare_delivery(other))
    (mail,) = accounting.deliveries(other, PARTNER + 1)
    assert (mail.status, "valid recipient address" in mail.reason) == ("failed", True)


def test_what_somebody_else_sends_just_now_may_be_sent_and_is_not_refused(double: FakeOdoo, accounting: OdooAccounting) -> None:
    entry = posted(double, accounting, double.add_partner("Acme"))
    double.locked.add(entry)
    with pytest.raises(UnclearError, match="being sent by another process"):
        accounting.deliver(accounting.prepare_delivery(entry))
    double.locked.clear()
    accounting.deliver(accounting.prepare_delivery(entry))
    assert len(double.mails_sent()) == 1


def test_all_that_odoo_says_is_told_though_it_be_several_lines(double: FakeOdoo, accounting: OdooAccounting) -> None:
    double.use_e_factura()
    entry = posted(double, accounting, double.add_partner("Acme", street="Strada 1"))
    with pytest.raises(
        RefusedError, match=r"CIUS RO\): - The field 'City' is required on Acme\. - The field 'State' is required on Acme\.$"
    ):
        accounting.deliver(accounting.prepare_delivery(entry))


@pytest.mark.parametrize(
    ("status", "failure", "mail"),
    [
        ("sent", (False, False), Delivery("sent")),
        ("ready", (False, False), Delivery("waiting")),
        ("process", (False, False), Delivery("waiting")),
        ("pending", (False, False), Delivery("waiting")),
        ("bounce", ("mail_bounce", "mailbox full"), Delivery("failed", "mailbox full")),
        ("exception", ("mail_email_invalid", False), Delivery("failed", "mail_email_invalid")),
        ("canceled", (False, False), Delivery("failed", "canceled")),
        (False, (False, False), Delivery("failed", "unknown")),
    ],
)
def test_each_status_of_a_notification_has_its_meaning(
    double: FakeOdoo, accounting: OdooAccounting, status: str, failure: tuple[str, str], mail: Delivery
) -> None:
    entry = posted(double, accounting, double.add_partner("Acme"))
    accounting.deliver(accounting.prepare_delivery(entry))
    double.change("mail.notification", 1, notification_status=status, failure_type=failure[0], failure_reason=failure[1])
    assert accounting.deliveries(entry, PARTNER) == [mail]


def test_a_partner_without_an_address_has_no_mail_and_no_error(double: FakeOdoo, accounting: OdooAccounting) -> None:
    entry = posted(double, accounting, double.add_partner("Acme", email=None))
    accounting.deliver(accounting.prepare_delivery(entry))
    assert accounting.deliveries(entry, PARTNER) == []
    assert double.moves()[0]["is_move_sent"] is True


def test_sending_what_is_not_posted_is_refused(double: FakeOdoo, accounting: OdooAccounting) -> None:
    entry = accounting.create(draft(double.add_partner("Acme")))
    with pytest.raises(RefusedError, match="posted"):
        accounting.deliver(accounting.prepare_delivery(entry))


def test_a_mail_to_a_colleague_is_no_mail_to_the_partner(double: FakeOdoo, accounting: OdooAccounting) -> None:
    entry = posted(double, accounting, double.add_partner("Acme"))
    colleague = double.add_partner("Colleague", email="colleague@seller.example")
    message = double.add("mail.message", model="account.move", res_id=entry)
    double.add(
        "mail.notification",
        mail_message_id=[message, ""],
        res_partner_id=[colleague, "Colleague"],
        notification_type="email",
        notification_status="sent",
        failure_type=False,
        failure_reason=False,
    )
    assert accounting.deliveries(entry, PARTNER) == []
    assert accounting.deliveries(entry, colleague) == [Delivery("sent")]


@pytest.mark.parametrize("fault", [Fault.TIMEOUT_AFTER, Fault.TIMEOUT_BEFORE])
def test_where_only_the_wizard_is_unclear_nothing_was_sent(double: FakeOdoo, accounting: OdooAccounting, fault: Fault) -> None:
    entry = posted(double, accounting, double.add_partner("Acme"))
    double.fault = once(fault, "account.move.send.wizard", "create")
    with pytest.raises(UnavailableError, match="nothing was sent"):
        accounting.deliver(accounting.prepare_delivery(entry))
    assert double.mails_sent() == []


def test_where_the_sending_is_unclear_so_is_the_mail(double: FakeOdoo, accounting: OdooAccounting) -> None:
    entry = posted(double, accounting, double.add_partner("Acme"))
    double.fault = once(Fault.TIMEOUT_AFTER, "account.move.send.wizard", "action_send_and_print")
    with pytest.raises(UnclearError):
        accounting.deliver(accounting.prepare_delivery(entry))
    assert accounting.deliveries(entry, PARTNER) == [Delivery("sent")]


def test_a_draft_is_cancelled(double: FakeOdoo, accounting: OdooAccounting) -> None:
    entry = accounting.create(draft(double.add_partner("Acme")))
    accounting.cancel(entry)
    assert there(accounting.read(entry)).state == "cancelled"


def test_what_was_posted_is_not_cancelled_though_odoo_would(double: FakeOdoo, accounting: OdooAccounting) -> None:
    entry = posted(double, accounting, double.add_partner("Acme"))
    with pytest.raises(RefusedError, match="never posted"):
        accounting.cancel(entry)
    double.change("account.move", entry, state="draft")
    with pytest.raises(RefusedError, match="never posted"):
        accounting.cancel(entry)
    assert double.moves()[0]["state"] == "draft"
    with pytest.raises(RefusedError, match="99"):
        accounting.cancel(99)


def test_what_is_cancelled_is_not_cancelled_again(double: FakeOdoo, accounting: OdooAccounting) -> None:
    entry = accounting.create(draft(double.add_partner("Acme")))
    accounting.cancel(entry)
    with pytest.raises(RefusedError, match="cancel"):
        accounting.cancel(entry)


def test_partners_are_found_by_id_by_reference_and_by_exact_name(double: FakeOdoo, accounting: OdooAccounting) -> None:
    ids = [double.add_partner("Acme", ref="c1"), double.add_partner("Beta", email=None, country=None), double.add_partner("Gamma")]
    double.add_partner("Gamma Ltd")
    assert accounting.partners([ids[0]], ["c1"], ["Beta", "gamma"]) == [
        Partner(ids[0], "Acme", "c1", "billing@acme.example", "RO"),
        Partner(ids[1], "Beta", None, None, None),
    ]
    assert accounting.partners([], [], ["Gamma"]) == [Partner(ids[2], "Gamma", None, "billing@gamma.example", "RO")]
    assert accounting.partners([], [], []) == []


def test_partners_may_have_our_id_in_a_field_of_their_own(double: FakeOdoo) -> None:
    double.add_field("res.partner", "x_customer")
    entry = double.add_partner("Acme", ref="other", x_customer="c1")
    double.add_partner("Beta", ref="c1")
    found = accounting_of(double, partner_field="x_customer").partners([], ["c1"], [])
    assert [(partner.id, partner.reference) for partner in found] == [(entry, "c1")]


def test_archived_partners_are_found_as_such(double: FakeOdoo, accounting: OdooAccounting) -> None:
    entry = double.add_partner("Acme", ref="c1")
    double.change("res.partner", entry, active=False)
    assert [partner.is_archived for partner in accounting.partners([entry], ["c1"], ["Acme"])] == [True]


@pytest.mark.parametrize(("vat", "told"), [("DE123456788", "DE123456788"), ("/", None), (False, None)])
def test_a_vat_number_is_told_and_a_stroke_is_none(double: FakeOdoo, accounting: OdooAccounting, vat: object, told: str | None) -> None:
    entry = double.add_partner("Acme", country="DE", vat=vat)
    assert [partner.vat for partner in accounting.partners([entry], [], [])] == [told]


def test_what_a_document_to_the_tax_office_lacks_is_told_where_there_is_one(double: FakeOdoo, accounting: OdooAccounting) -> None:
    entry = double.add_partner("Acme", city="Cluj-Napoca")
    assert (accounting.e_invoices(), accounting.partners([entry], [], [])[0].lacks) == (set(), ())
    double.use_e_factura()
    accounting.preflight()
    assert (accounting.e_invoices(), accounting.partners([entry], [], [])[0].lacks) == ({"tax office"}, ("street", "county"))
    double.change("res.company", 1, country_code="DE")
    accounting.preflight()
    assert accounting.e_invoices() == set()


@pytest.mark.parametrize(
    ("state", "told"),
    [
        (False, None),
        ("invoice_not_indexed", "sent"),
        ("invoice_sent", "sent"),
        ("invoice_validated", "accepted"),
        ("invoice_refused", "refused"),
    ],
)
def test_what_the_tax_office_made_of_a_document_is_told(
    double: FakeOdoo, accounting: OdooAccounting, state: object, told: str | None
) -> None:
    double.use_e_factura()
    entry = posted(double, accounting, double.add_partner("Acme"))
    double.change("account.move", entry, l10n_ro_edi_state=state)
    assert there(accounting.read(entry)).e_invoices == ({"tax office": told} if told else {})
    assert accounting.find([REF])[REF][0].e_invoices.get("tax office") == told


def test_by_a_state_of_the_tax_office_that_nobody_knows_the_document_was_sent(double: FakeOdoo, accounting: OdooAccounting) -> None:
    double.use_e_factura()
    entry = posted(double, accounting, double.add_partner("Acme"))
    double.change("account.move", entry, l10n_ro_edi_state="invoice_lost")
    assert there(accounting.read(entry)).e_invoices == {"tax office": "sent"}


def test_two_partners_of_one_name_are_both_found(double: FakeOdoo, accounting: OdooAccounting) -> None:
    ids = [double.add_partner("Acme"), double.add_partner("Acme")]
    assert [partner.id for partner in accounting.partners([], [], ["Acme"])] == ids


def test_what_invoices_stand_on_is_looked_up_once_and_again_after_a_preflight(double: FakeOdoo, accounting: OdooAccounting) -> None:
    asked: list[str] = []
    double.fault = lambda model, method, _: asked.append(f"{model}/{method}")
    partner = double.add_partner("Acme")
    accounting.create(draft(partner))
    accounting.create(draft(partner))
    assert asked.count("account.journal/search_read") == 1
    double.change("account.journal", 1, active=False)
    other = double.add(
        "account.journal", name="Other", code="OTH", type="sale", sequence=1, active=True, company_id=[1, "Us"], currency_id=False
    )
    accounting.preflight()
    accounting.create(draft(partner))
    assert [move["journal_id"][0] for move in double.moves()] == [1, 1, other]


def test_without_a_product_nothing_is_created(double: FakeOdoo) -> None:
    partner = double.add_partner("Acme")
    for settings in ({"product": "OTHER"}, {"company": 2}):
        with pytest.raises(RefusedError):
            accounting_of(double, **settings).create(draft(partner))
    assert double.moves() == []


def test_an_amount_that_is_no_number_is_no_answer(double: FakeOdoo, accounting: OdooAccounting) -> None:
    entry = accounting.create(draft(double.add_partner("Acme")))
    double.change("account.move", entry, amount_total="much")
    with pytest.raises(UnavailableError, match="not the answer"):
        accounting.read(entry)


def test_a_bill_of_a_supplier_is_no_answer(double: FakeOdoo, accounting: OdooAccounting) -> None:
    entry = accounting.create(draft(double.add_partner("Acme")))
    double.change("account.move", entry, move_type="in_invoice")
    with pytest.raises(UnavailableError, match="in_invoice"):
        accounting.read(entry)


def test_noise_of_binary_numbers_is_no_money(double: FakeOdoo, accounting: OdooAccounting) -> None:
    entry = accounting.create(draft(double.add_partner("Acme")))
    double.change("account.move", entry, amount_untaxed=16.430000000000003)
    assert there(accounting.read(entry)).untaxed == Decimal("16.43")


def test_what_is_paid_is_told_of_posted_documents_only(double: FakeOdoo, accounting: OdooAccounting) -> None:
    partner = double.add_partner("Acme")
    open_, partly, paid, cancelled = (posted(double, accounting, partner) for _ in range(4))
    draft_ = accounting.create(draft(partner))
    double.change("account.move", cancelled, state="cancel")
    double.pay(partly, 2.1)
    double.pay(paid, 12.1)
    assert accounting.payments([open_, partly, paid, cancelled, draft_, 999]) == {
        open_: Payment("open", D("2.1"), D("12.1"), D("12.1")),
        partly: Payment("partly paid", D("2.1"), D("12.1"), D(10)),
        paid: Payment("paid", D("2.1"), D("12.1"), D(0)),
    }
    double.pay(paid, -12.1)
    assert accounting.payments([paid])[paid].state == "open", "the bank returned it"


def test_in_enterprise_money_is_on_its_way_until_the_banks_statement_has_it(double: FakeOdoo, accounting: OdooAccounting) -> None:
    entry = posted(double, accounting, double.add_partner("Acme"))
    double.edition = "+e"
    double.pay(entry, 12.1)
    assert accounting.payments([entry])[entry].state == "in payment"


@pytest.mark.parametrize(("theirs", "ours"), [("blocked", "open"), ("invoicing_legacy", None)])
def test_other_words_of_odoo_for_payments_are_known(double: FakeOdoo, accounting: OdooAccounting, theirs: str, ours: str | None) -> None:
    entry = posted(double, accounting, double.add_partner("Acme"))
    double.change("account.move", entry, payment_state=theirs)
    assert accounting.payments([entry])[entry].state == ours


def test_a_word_for_a_payment_that_nobody_knows_is_not_guessed(double: FakeOdoo, accounting: OdooAccounting) -> None:
    entry = posted(double, accounting, double.add_partner("Acme"))
    double.change("account.move", entry, payment_state="settled")
    other = posted(double, accounting, double.add_partner("Globex"))
    found = accounting.payments([entry, other])
    assert (found[entry].state, found[other].state) == (None, "open")
