"""What the person who bills sends from the pages: it does what it says, with a line in the audit log, or nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from control_app.accounting.rates import keep_rate
from control_app.core.exchange import Rate
from control_app.core.periods import day_text
from control_app.core.time import DAY, month_of, month_text
from control_app.invoicing import orders
from tests.control.support.billing_office import ACME, OURS, PAGE, UMBRA, Office
from tests.control.support.ledgers import NOW

OF_A_MONTH = ("check", "bill", "resume", "approve", "release", "partner", "resend", "order-number", "currency", "stop", "continue")
OF_AN_INVOICE = ("approve", "void", "credit", "resend")
FORMS = [*(f"2026-10/{form}" for form in OF_A_MONTH), *(f"of/{ACME}/{form}" for form in OF_AN_INVOICE)]
ALL: dict[str, Any] = {"period": "2026-10", "code": "brake-invoice", "customer_id": "umbra", "partner_id": "1", "amount": "0.01"}
"""What the forms have besides the reason."""
Make = Callable[..., Office]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    offices: list[Office] = []

    def make(*rows: Any, **settings: Any) -> Office:
        offices.append(Office(tmp_path, *rows, **settings))
        return offices[-1]

    yield make
    for office in offices:
        office.close()


@pytest.fixture
def office(make: Make) -> Office:
    return make()


# Who may send.


def test_these_are_all_forms(office: Office) -> None:
    rules = [rule.rule for rule in office.service.app.url_map.iter_rules() if rule.endpoint.startswith("pages.invoice_forms.")]
    sample = [rule.replace("/invoices/", "").replace("<month>", "2026-10").replace("<path:ref>", ACME) for rule in rules]
    assert sorted(sample) == sorted(FORMS)


ELSEWHERE = [
    {},
    {"Origin": "https://evil.example"},
    {"Origin": "http://localhost:81"},
    {"Origin": "http://localhost.evil.example"},
    {"Origin": "null"},
    {"Origin": ""},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Sec-Fetch-Site": "cross-site", "Origin": "http://localhost"},
    {"Sec-Fetch-Site": "same-origin", "Origin": "https://evil.example"},
]


@pytest.mark.parametrize("headers", ELSEWHERE)
def test_nothing_is_taken_from_another_sites_page(office: Office, headers: Mapping[str, str]) -> None:
    office.bill()
    before = office.audit(), office.moves()
    for form in FORMS:
        answer = office.send(form, {**PAGE, **headers}, **ALL)
        assert answer.status_code == 403, form
        assert "not sent by a page of this service" in answer.text
    assert (office.audit(), office.moves()) == before


@pytest.mark.parametrize(
    "headers",
    [{"Origin": "http://localhost"}, {"Sec-Fetch-Site": "same-origin"}, {"Sec-Fetch-Site": "none", "Origin": "http://localhost"}],
)
def test_a_browser_says_in_either_way_that_a_form_is_ours(office: Office, headers: Mapping[str, str]) -> None:
    assert office.send("2026-10/stop", {**PAGE, **headers}).status_code == 303


def test_behind_a_proxy_our_address_is_the_one_that_people_type(make: Make) -> None:
    office = make(login_header="X-Auth-Request-Email")
    there = {**PAGE, "Host": "control.example.com", "Origin": "https://control.example.com", "X-Auth-Request-Email": "ana@example.com"}
    assert office.send("2026-10/stop", there).status_code == 303
    assert office.send("2026-10/stop", {**there, "Origin": "http://localhost"}).status_code == 403


def test_without_a_login_a_name_that_leads_here_from_elsewhere_is_not_ours(office: Office) -> None:
    there = {**PAGE, "Host": "evil.example:8080", "Origin": "http://evil.example:8080"}
    assert office.send("2026-10/stop", there).status_code == 403
    assert office.send("2026-10/stop", {**PAGE, "Host": "127.0.0.1:8080", "Origin": "http://127.0.0.1:8080"}).status_code == 303


def test_behind_a_login_forms_are_for_who_logged_in_and_the_log_names_them(make: Make) -> None:
    office = make(login_header="X-Auth-Request-Email")
    for form in FORMS:
        assert office.send(form, **ALL).status_code == 403
        assert office.send(form, {**OURS, "X-Auth-Request-Email": ""}, **ALL).status_code == 403
    assert office.audit() == []
    office.wait(office.send("2026-10/bill", {**OURS, "X-Auth-Request-Email": "ana@example.com"}, period="2026-10"))
    assert office.audit() == [("ana@example.com", "run, dry_run=none", "2026-10", "looked at it")]
    assert office.invoicing.runs.history.all()[0].by == "ana@example.com"


@pytest.mark.parametrize("reason", ["", " \t", "x" * 501])
def test_nothing_is_done_without_a_reason_or_with_an_essay(office: Office, reason: str) -> None:
    office.bill()
    before = office.audit(), office.moves()
    asked: dict[str, Any] = ALL | {"reason": reason}
    for form in FORMS:
        if not form.endswith("/check"):
            assert office.send(form, **asked).status_code == 400, form
    assert (office.audit(), office.moves()) == before


def test_the_api_takes_no_login_and_needs_no_origin(make: Make) -> None:
    office = make(login_header="X-Auth-Request-Email")
    body = {"reason": "looked at it"}
    assert office.client.post("/invoicing/stop", json=body, headers={"X-Auth-Request-Email": "ana@example.com", **OURS}).status_code == 401
    assert office.client.post("/invoicing/stop", json=body, headers={"Authorization": "Bearer bookkeepers-key"}).status_code == 200


def test_what_was_typed_is_on_the_page_that_refuses_with_the_way_back(office: Office) -> None:
    answer = office.send("2026-10/bill", period="2026-11", reason="all of <October>")
    assert answer.status_code == 400
    assert "You typed &#39;2026-11&#39;, and this is 2026-10: nothing was billed." in answer.text
    assert "all of &lt;October&gt;" in answer.text
    assert 'href="/invoices/2026-10"' in answer.text
    answer = office.send(f"of/{ACME}/void")
    assert answer.status_code == 404


# Runs.


def test_a_month_is_billed_and_each_customer_told(office: Office) -> None:
    text = office.bill()
    assert "Run of October 2026" in text
    assert "Held 1 0.50 USD Invoiced 1 1.23 USD" in text
    assert f"Umbra {UMBRA} 0.50 partner-missing Odoo has no partner" in text
    assert f"Acme {ACME} 1.23 sent as INV/" in text
    assert office.moves() == [(ACME, "out_invoice", "posted")]
    assert office.odoo.mails_sent() == [(1, "billing@acme.example")]
    assert office.audit() == [("local", "run, dry_run=none", "2026-10", "looked at it")]


def test_a_month_is_billed_once_however_often_it_is_asked_for(office: Office) -> None:
    office.bill()
    assert "Invoiced before 1 1.23 USD" in office.bill()
    assert len(office.moves()) == 1


@pytest.mark.parametrize("typed", ["", "2026-09", "october", "2026-1", " "])
def test_nothing_is_billed_where_the_period_is_not_typed(office: Office, typed: str) -> None:
    text = office.refused("2026-10/bill", 400, period=typed)
    assert "2026-10" in text
    assert office.moves() == []
    assert office.audit() == []


@pytest.mark.parametrize("form", ["bill", "resume"])
def test_what_may_not_be_billed_is_refused_whatever_is_sent(make: Make, monkeypatch: pytest.MonkeyPatch, form: str) -> None:
    office = make(invoice_from="2026-10")
    this = month_text(month_of(office.planning.book.clock()))
    assert "can be billed from" in office.refused(f"{this}/{form}", 409, period=this)
    assert "the first month that is ever billed" in office.refused(f"2026-09/{form}", 409, period="2026-09")
    assert "is no month" in office.refused(f"2999-10/{form}", 404, period="2999-10")
    monkeypatch.setattr(orders, "DAY", 100_000 * DAY)
    assert "can be billed from" in office.refused(f"2026-10/{form}", 409, period="2026-10")
    assert office.audit() == []
    assert office.moves() == []


def test_while_a_run_works_on_a_period_no_other_does(office: Office) -> None:
    gate = office.odoo_waits()
    first = office.send("2026-10/bill", period="2026-10")
    for form in ("bill", "resume", "approve"):
        assert "another run works on this period" in office.refused(f"2026-10/{form}", 409, period="2026-10")
    gate.set()
    office.wait(first)
    assert len(office.moves()) == 1


def test_a_check_asks_odoo_and_makes_nothing(office: Office) -> None:
    text = office.sent("2026-10/check", reason="")
    assert "Check of October 2026" in text
    assert "Odoo was only read: nothing was made, posted or sent." in text
    assert "Would be invoiced 1 1.23 USD" in text
    assert "partner-missing" in text
    assert office.moves() == []
    assert office.hold_codes() == set()
    assert office.audit() == [("local", "run, dry_run=validate", "2026-10", "asked for on the page")]


def test_a_check_while_odoo_is_away_says_so(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    office.odoo_is_away(monkeypatch)
    text = office.sent("2026-10/check")
    assert "It did not come to its end" in text
    assert "cannot connect" in text


def test_a_check_that_is_forgotten_is_not_found(office: Office) -> None:
    answer = office.send("2026-10/check")
    office.wait(answer)
    for _ in range(25):
        office.sent("2026-10/check")
    assert "forgotten after a while" in office.page(str(answer.location), 404)


def test_who_was_held_is_billed_when_resumed(office: Office) -> None:
    office.bill()
    office.odoo.add_partner("Umbra", ref="umbra")
    assert "Invoiced 1 0.50 USD Invoiced before 1 1.23 USD" in office.sent("2026-10/resume")
    assert [ref for ref, _, _ in office.moves()] == [ACME, UMBRA]
    assert office.audit()[-1] == ("local", "resume", "2026-10", "looked at it")


# Holds.


def test_a_hold_is_released_and_the_invoice_goes_out(make: Make) -> None:
    office = make(brake_invoice=Decimal(1))
    office.bill()
    assert office.moves() == []
    said = "1.23 USD is more than the largest invoice, 1 USD"
    assert f"brake-invoice {said} look at the usage" in office.page()
    text = office.sent("2026-10/release", code="brake-invoice", customer_id="acme", message=said)
    assert "The hold is released." in text
    assert "Released by a person; the next run lets it go." in text
    assert "looked at again, and 1.23 USD that nothing holds are billed" in text
    assert office.audit()[-1] == ("local", "release hold", f"2026-10 acme brake-invoice: {said}", "looked at it")
    office.sent("2026-10/resume")
    assert office.moves() == [(ACME, "out_invoice", "posted")]
    assert f"2026-10 acme brake-invoice: {said}" in office.page(f"/invoices/of/{ACME}")


def test_a_hold_on_everybody_is_told_and_released_once(make: Make) -> None:
    office = make(brake_run=Decimal(1))
    office.odoo.add_partner("Umbra", ref="umbra")
    office.bill()
    assert office.page().count("brake-run 2026-10 comes to more than the largest run") == 1
    (message,) = {row[0] for row in office.books.db.connection.execute("SELECT message FROM invoice_holds")}
    office.sent("2026-10/release", code="brake-run", message=message)
    office.sent("2026-10/resume")
    assert len(office.moves()) == 2


def test_a_hold_that_says_more_than_was_seen_is_not_released(make: Make) -> None:
    office = make(brake_invoice=Decimal(1))
    office.bill()
    text = office.refused("2026-10/release", 409, code="brake-invoice", customer_id="acme", message="1.00 USD is more")
    assert "says something else now, or more: 1.23 USD is more than the largest invoice" in text
    assert office.refused("2026-10/release", 409, code="brake-invoice", customer_id="acme")
    assert [act for act in office.audit() if act[1] == "release hold"] == []


@pytest.mark.parametrize(
    ("asked", "status", "told"),
    [
        ({"code": "partner-missing", "customer_id": "umbra"}, 409, "cannot be released, only resolved"),
        ({"code": "brake-change", "customer_id": "acme"}, 409, "nothing is held for brake-change"),
        ({"code": "brake-run"}, 409, "nothing is held for brake-run"),
        ({"code": "brake-run", "customer_id": "x"}, 409, "the gateway has no customer 'x'"),
        ({"code": "brake-run", "customer_id": ""}, 409, "the gateway has no customer ''"),
        ({"code": "", "customer_id": "acme"}, 400, "Which hold is meant?"),
    ],
)
def test_what_cannot_be_released_is_refused(office: Office, asked: Mapping[str, str], status: int, told: str) -> None:
    office.bill()
    seen = [row[0] for row in office.books.db.connection.execute("SELECT message FROM invoice_holds")]
    assert told in office.refused("2026-10/release", status, message=seen, **asked)
    assert len(office.audit()) == 1


def test_a_customers_partner_is_chosen_and_billed(office: Office) -> None:
    office.bill()
    assert "Choose the partner" in office.page()
    partner = office.odoo.add_partner("Shadow Ltd")
    text = office.sent("2026-10/partner", customer_id="umbra", partner_id=f" {partner} ")
    assert "From the next run on the customer is billed as this partner." in text
    assert office.audit()[-1] == ("local", "choose partner", f"umbra: {partner}", "looked at it")
    office.sent("2026-10/resume")
    assert office.odoo.moves()[-1]["partner_id"][0] == partner


@pytest.mark.parametrize("typed", ["", "x", "0", "-1", "1.5", "\u0661", "9" * 20])
def test_what_is_no_partners_id_is_refused(office: Office, typed: str) -> None:
    assert "number" in office.refused("2026-10/partner", 400, customer_id="umbra", partner_id=typed)
    assert "the gateway has no customer" in office.refused("2026-10/partner", 409, customer_id="x", partner_id="1")


# Drafts.


@pytest.fixture
def drafts(make: Make) -> Office:
    """Both customers' invoices wait as drafts."""
    office = make(automatic="draft", invoice_from="2026-10")
    office.odoo.add_partner("Umbra", ref="umbra")
    office.bill()
    return office


def test_all_drafts_are_approved_and_go_out_by_themselves(drafts: Office) -> None:
    assert "Approve 2 drafts, 1.73 USD" in drafts.page()
    assert "a draft in Odoo, which waits for approval" in drafts.page()
    text = drafts.sent("2026-10/approve")
    assert "a draft in Odoo, about to be posted" in text
    assert "Approve 2" not in text
    drafts.invoicing.automation.advance()
    assert {state for _, _, state in drafts.moves()} == {"posted"}
    who, what, subject, why = drafts.audit()[-1]
    assert (who, what, why) == ("local", "approve invoices", "looked at it")
    assert set(subject.removeprefix("2026-10: ").split(", ")) == {ACME, UMBRA}
    assert "no draft of 2026-10 waits for approval" in drafts.refused("2026-10/approve", 409)


def test_one_draft_is_approved(drafts: Office) -> None:
    assert "Approve: post and send" in drafts.page(f"/invoices/of/{ACME}")
    text = drafts.sent(f"of/{ACME}/approve")
    assert "Approved: posted and sent in the next minutes." in text
    assert "Approve: post and send" not in text
    assert "approve invoices" in text
    assert drafts.entry(ACME).target == "sent"
    assert drafts.entry(UMBRA).target == "created"
    assert "no draft waits for approval" in drafts.refused(f"of/{ACME}/approve", 409)


def test_a_draft_that_is_voided_is_cancelled(drafts: Office) -> None:
    assert "The draft is cancelled; the customer sees nothing of it." in drafts.page(f"/invoices/of/{ACME}")
    assert "is being voided" in drafts.sent(f"of/{ACME}/void")
    drafts.invoicing.automation.advance()
    assert (ACME, "out_invoice", "cancel") in drafts.moves()
    assert "State voided" in drafts.page(f"/invoices/of/{ACME}")


# Taking back.


@pytest.fixture
def billed(office: Office) -> Office:
    office.bill()
    return office


def test_a_posted_invoice_that_is_voided_gets_a_credit_note_and_can_be_billed_again(billed: Office) -> None:
    number = billed.entry().number
    text = billed.sent(f"of/{ACME}/void", rebill="on")
    assert f"sent as {number}; is being voided" in text
    billed.invoicing.automation.advance()
    credit = f"{ACME}-credit-1"
    assert billed.moves() == [(ACME, "out_invoice", "posted"), (credit, "out_refund", "posted")]
    assert ("local", "void and bill again", ACME, "looked at it") in billed.audit()
    text = billed.page()
    assert "Billed 1.23 Credit notes -1.23 Total 0.00 USD" in text
    assert f"Acme {credit} -1.23" in text
    text = billed.page(f"/invoices/of/{credit}")
    assert f"Credit note {billed.entry(credit).number} of Acme" in text
    assert f"Takes back {number}" in text
    assert "What can be done" not in text
    billed.books.ledger.follow_moves()
    billed.sent("2026-10/resume")
    assert billed.entry("embedded/acme/2026-10-2").state == "sent"


def test_without_the_tick_the_period_is_not_billed_again(billed: Office) -> None:
    billed.sent(f"of/{ACME}/void")
    assert not billed.entry().rebill
    assert billed.audit()[-1][1] == "void"


def test_a_part_of_an_invoice_is_credited(billed: Office) -> None:
    text = billed.sent(f"of/{ACME}/credit", amount="0.23", reason="an outage")
    assert "The credit note is made and sent in the next minutes." in text
    billed.invoicing.automation.advance()
    text = billed.page(f"/invoices/of/{ACME}")
    assert "-0.23 sent as RINV/" in text
    assert "Left of the invoice 1.00" in text
    assert ("local", "credit", f"{ACME}-credit-1: 23 minor units", "an outage") in billed.audit()
    assert "an outage — — — 0.23 0.23" in billed.page(f"/invoices/of/{ACME}-credit-1")
    assert billed.odoo.moves()[-1]["amount_untaxed"] == 0.23


@pytest.mark.parametrize(
    ("amount", "status", "told"),
    [
        ("", 400, "Type an amount"),
        ("a lot", 400, "is no amount"),
        ("NaN", 400, "is no amount"),
        ("Infinity", 400, "is no amount"),
        ("0", 409, "is not between 0 and 1.23 USD"),
        ("-1", 409, "is not between 0 and 1.23 USD"),
        ("1.24", 409, "is not between 0 and 1.23 USD"),
        ("0.001", 409, "come to nothing after rounding"),
    ],
)
def test_what_cannot_be_credited_is_refused(billed: Office, amount: str, status: int, told: str) -> None:
    assert told in billed.refused(f"of/{ACME}/credit", status, amount=amount)
    assert len(billed.moves()) == len(billed.audit()) == 1


def test_what_is_void_is_taken_back_no_more(billed: Office) -> None:
    billed.sent(f"of/{ACME}/void")
    billed.invoicing.automation.advance()
    assert "only an invoice can be voided" in billed.refused(f"of/{ACME}/void", 409)
    assert "only a posted invoice can be credited" in billed.refused(f"of/{ACME}/credit", 409, amount="0.01")
    assert "is a credit note" in billed.refused(f"of/{ACME}-credit-1/void", 409)


def test_an_unknown_invoice_is_not_found(billed: Office) -> None:
    for form in OF_AN_INVOICE:
        assert "there is no invoice" in billed.refused(f"of/{UMBRA}/{form}", 404, **ALL)


# E-mails.


def test_an_e_mail_that_failed_is_sent_again(office: Office) -> None:
    office.odoo.failing.add("billing@acme.example")
    office.bill()
    text = office.page(f"/invoices/of/{ACME}")
    assert "mail-failed" in text
    assert "Send the e-mail again" in text
    office.odoo.failing.clear()
    office.sent(f"of/{ACME}/resend")
    office.invoicing.automation.advance()
    assert office.odoo.mails_sent() == [(1, "billing@acme.example")]
    assert office.entry().state == "sent"
    assert ("local", "resend", ACME, "looked at it") in office.audit()


def test_all_e_mails_that_failed_are_sent_again_in_one_act(office: Office) -> None:
    office.odoo.mail_server.is_away = True
    office.bill()
    assert "Send all e-mails again that failed" in office.page()
    office.odoo.mail_server.is_away = False
    assert "All that failed are sent again in the next minutes." in office.sent("2026-10/resend")
    office.invoicing.automation.advance()
    assert office.odoo.mails_sent() == [(1, "billing@acme.example")]
    assert "Send all e-mails again that failed" not in office.page()
    assert "no e-mail of 2026-10 has failed" in office.refused("2026-10/resend", 409)


def test_a_customers_order_number_is_named_on_its_invoices_and_taken_off_again(office: Office) -> None:
    assert "invoices name it from the next run on" in office.sent("2026-10/order-number", customer_id="acme", order_number="PO-1")
    assert "Acme: PO-1" in office.page().replace(" :", ":")
    office.bill()
    assert office.odoo.moves()[0]["lines"][0]["name"].startswith("Your order: PO-1. ")
    office.sent("2026-10/order-number", customer_id="acme", order_number=" ")
    assert "PO-1" not in office.page().split("What persons decided")[0]
    assert "Which customer is meant?" in office.refused("2026-10/order-number", 400, order_number="PO-1")
    assert "the gateway has no customer 'nobody'" in office.refused("2026-10/order-number", 409, customer_id="nobody")


def test_a_customers_currency_is_chosen_and_its_invoice_shows_both(office: Office) -> None:
    assert "the customer is billed in this currency" in office.sent("2026-10/currency", customer_id="acme", currency="ron")
    assert "is no currency" in office.refused("2026-10/currency", 409, customer_id="acme", currency="lei!")
    office.odoo.change("res.currency", 3, date=day_text(NOW // DAY))
    with office.books.db.transaction() as db:
        keep_rate(db, "RON", Rate("USD", Decimal("4.5"), "BNR", NOW // DAY), is_given=False)
    office.bill()
    text = office.page(f"/invoices/of/{ACME}")
    # 1.234651 x 4.5 = 5.5559295
    assert "Total, without tax 5.56 RON In USD 1.23 Exact, USD 1.234651" in text
    assert f"1 USD = 4.5 RON, BNR, {day_text(NOW // DAY)}" in text
    assert "1.23 5.56 RON 1.234651" in office.page()
    assert "5.56 RON are left" in text
    assert "Acme: RON" in office.page().replace(" :", ":")


def test_an_e_mail_that_arrived_is_not_sent_again(billed: Office) -> None:
    assert "Send the e-mail again" not in billed.page(f"/invoices/of/{ACME}")
    assert "only one that is posted and not sent can be sent again" in billed.refused(f"of/{ACME}/resend", 409)
    assert len(billed.odoo.mails_sent()) == 1


def test_while_odoo_is_away_nothing_is_sent_again(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    office.odoo.failing.add("billing@acme.example")
    office.bill()
    office.odoo_is_away(monkeypatch)
    assert "cannot connect" in office.refused(f"of/{ACME}/resend", 503)
    assert len(office.audit()) == 1


# The stop.


def test_invoicing_is_stopped_and_let_go_on(office: Office) -> None:
    text = office.sent("2026-10/stop", reason="the price is wrong")
    assert "Invoicing is stopped." in text
    assert "invoicing was stopped by local: the price is wrong" in text
    for button in ("Bill October", "Check with Odoo", "Stop all invoicing"):
        assert button not in text
    assert "invoicing was stopped by local" in office.refused("2026-10/bill", 409, period="2026-10")
    assert "invoicing was stopped by local" in office.page("/invoices/2026-10/bill")
    assert office.moves() == []
    assert "Invoicing goes on." in office.sent("2026-10/continue", reason="it was right")
    assert "invoicing is not stopped" in office.refused("2026-10/continue", 409)
    assert [act[1] for act in office.audit()] == ["stop invoicing", "run, dry_run=none", "let invoicing go on"]
    office.bill()
    assert len(office.moves()) == 1


def test_what_is_under_way_stops_before_its_next_step(office: Office) -> None:
    def stop(model: str, method: str, _number: int) -> None:
        if (model, method) == ("account.move", "action_post"):
            office.planning.book.db.connection.execute("INSERT OR REPLACE INTO halt VALUES (1, 0, 'local', 'stop')")

    office.odoo.fault = stop
    assert "It did not come to its end invoicing was stopped by local" in office.bill()
    assert office.odoo.mails_sent() == []
