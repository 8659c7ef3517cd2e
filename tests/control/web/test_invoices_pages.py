"""The pages of the person who bills: what they show of a period, an invoice and a run."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from control_app.core.currency import rounded
from control_app.core.money import plain_amount
from control_app.core.numbers import Pico
from control_app.core.time import DAY, month_of, month_text, previous_month
from control_app.invoicing import orders
from tests.control.support.billing_office import ACME, MONTH, UMBRA, Office
from tests.control.support.ledgers import row
from tests.control.support.models import NAME
from tests.control.support.usage_service import BOOKKEEPER, used


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    office = Office(tmp_path)
    yield office
    office.close()


def test_the_invoices_begin_with_the_newest_period_that_is_over(office: Office) -> None:
    this = month_of(office.planning.book.clock())
    assert office.client.get("/invoices").location == f"/invoices/{month_text(previous_month(this))}"


def test_a_period_that_is_not_billed_shows_every_customer_exact_and_rounded(office: Office) -> None:
    text = office.page()
    assert "Acme 1.23 1.234651 -0.004651 to be billed" in text
    assert "Umbra 0.50 0.50 0.00 to be billed" in text
    assert "To be billed 1.73" in text
    assert "Total 1.73 1.734651 -0.004651" in text


def test_the_sums_are_those_of_the_ledger(office: Office) -> None:
    exact = office.planning.bills.exact_totals(MONTH)
    total = sum(rounded(amount, 2) for amount in exact.values())
    assert f"Total {Decimal(total) / 100} {plain_amount(Pico(sum(exact.values())))}" in office.page()


@pytest.mark.parametrize("path", ["2026-13", "2026-1", "1969-12", "9999-12", "2026-13/bill", "9999-12/accountant.csv"])
def test_what_is_no_month_or_has_not_begun_is_not_found(office: Office, path: str) -> None:
    assert "is no month" in office.page(f"/invoices/{path}", 404)


def test_the_first_month_of_all_has_none_before_it(office: Office) -> None:
    text = office.page("/invoices/1970-01")
    assert "←" not in text
    assert "February 1970 →" in text
    assert "Nothing was used." in text


def test_the_month_that_runs_shows_usage_and_since_when_it_can_be_billed(office: Office) -> None:
    this = month_text(month_of(office.planning.book.clock()))
    office.books.take(row(office.planning.book.clock(), "id-one", key_name="one", prompt=1_000_000, cached_read=0))
    text = office.page(f"/invoices/{this}")
    assert f"{this} can be billed from" in text
    assert "not billed" in text
    assert "Bill " not in text
    assert "Check with Odoo" not in text


def test_a_month_before_the_first_one_shows_usage_and_why_it_is_never_billed(tmp_path: Path) -> None:
    office = Office(tmp_path, invoice_from="2026-11")
    text = office.page()
    assert "2026-10 is before 2026-11, the first month that is ever billed." in text
    assert "Acme 1.23" in text
    assert "Not billed 1.73" in text
    assert "Bill " not in text
    assert "2026-10 is before 2026-11" in office.page("/invoices/2026-10/bill")
    office.close()


def test_a_month_that_is_over_for_less_than_a_day_says_from_when_on_it_is_billed(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(orders, "DAY", 100_000 * DAY)
    assert "2026-10 can be billed from" in office.page()
    assert "Type 2026-10" not in office.page("/invoices/2026-10/bill")


def test_the_page_before_billing_shows_what_it_comes_to_and_that_it_is_sent(office: Office) -> None:
    text = office.page("/invoices/2026-10/bill")
    assert "Invoices to be made 2 Together, without tax 1.73 USD Exact 1.734651 Held, and not billed 0" in text
    assert "Invoices are posted and sent to the customers by e-mail." in text
    assert "Type 2026-10 to bill it" in text


def test_where_drafts_are_made_the_page_says_so(tmp_path: Path) -> None:
    office = Office(tmp_path, automatic="draft", invoice_from="2026-10")
    text = office.page("/invoices/2026-10/bill")
    assert "each waits until somebody approves it" in text
    assert "sent to the customers" not in text
    office.close()


def test_a_billed_period_shows_invoices_holds_with_remedies_and_the_run(office: Office) -> None:
    office.bill()
    text = office.page()
    assert "Billed 1.23 Credit notes 0.00 Total 1.23 USD To be billed 0.00 Customers held 1 Drafts to approve 0" in text
    assert f"Acme {ACME} 1.23 1.234651 -0.004651 sent as INV/" in text
    assert "1 customer held" in text
    assert "Umbra umbra partner-missing Odoo has no partner with the reference 'umbra' or the name 'Umbra'" in text
    assert "map the customer to a partner" in text
    assert "Umbra 0.50 0.50 0.00 held" in text
    assert "local 1 held, 1 invoiced" in text
    assert "local run, dry_run=none 2026-10 looked at it" in text


def test_what_needs_no_person_offers_no_form(office: Office) -> None:
    office.odoo.add_partner("Umbra", ref="umbra")
    office.bill()
    text = office.page()
    assert "Nothing: everybody has an invoice." in text
    for button in ("Bill October", "Check with Odoo", "Resume", "Approve", "Release", "Choose the partner"):
        assert button not in text


def test_a_run_that_odoo_stopped_is_told_with_its_error(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    office.odoo_is_away(monkeypatch)
    assert "It did not come to its end Odoo res.users/context_get: cannot connect" in office.bill()
    assert "cannot connect" in office.page()
    assert office.moves() == []


def test_what_odoo_is_not_set_up_for_holds_everybody_and_is_told_once(office: Office) -> None:
    office.odoo.denied.add(("account.move", "create"))
    office.invoicing.watch.look()
    office.bill()
    text = office.page()
    assert text.count("odoo-rights the API user may not create account.move") == 2, "in the banner, and as one hold"
    assert "everybody odoo-rights" in text
    assert "give the user Accounting: Invoicing" in text
    assert "2 customers held" in text


@pytest.mark.parametrize(("days", "told"), [(22, False), (21, True), (0, True), (-2, True)])
def test_a_key_to_odoo_that_ends_soon_is_told(office: Office, days: int, *, told: bool) -> None:
    office.odoo_said(office.planning.book.clock() + days * DAY + DAY // 2)
    text = office.page()
    assert ("make a new one" in text) is told
    assert ("Our key ended" in text) is (days < 0)


def test_problems_and_silence_of_odoo_are_told(office: Office) -> None:
    office.odoo_said(problems='[{"code": "odoo-tax", "message": "no tax", "remedy": "make one"}]', error="no answer")
    text = office.page()
    assert "It could not be asked at 1970-01-01 00:00 : no answer" in text
    assert "odoo-tax no tax make one" in text


def test_without_odoo_the_page_says_so_and_offers_nothing(tmp_path: Path) -> None:
    office = Office(tmp_path, odoo="none")
    text = office.page()
    assert "This location has no Odoo" in text
    assert "Bill October" not in text
    office.close()


def test_an_invoice_shows_its_lines_exact_and_rounded(office: Office) -> None:
    office.bill()
    text = office.page(f"/invoices/of/{ACME}")
    entry = office.entry()
    assert f"Invoice {entry.number} of Acme" in text
    assert "Total, without tax 1.23 USD Exact 1.234651 Rounding -0.004651 Requests 1 Tokens 1,234,609" in text
    assert "llama Prompt 1,234,567 1.00 a million 1.234567 1.23" in text
    assert "llama Completion 42 2.00 a million 0.000084 0.00" in text
    assert f"sent as {entry.number}" in text
    assert f"id {entry.odoo_id}, partner 1" in text
    assert "delivered until 2026-10-31" in text


def test_an_invoice_shows_its_tax_and_what_of_it_is_paid_as_odoo_said(office: Office) -> None:
    office.bill()
    assert "Payment not known" in office.page(f"/invoices/of/{ACME}")
    office.odoo.pay(1, 0.49)
    office.invoicing.automation.tick()
    text = office.page(f"/invoices/of/{ACME}")
    assert "Tax 0.26 USD Total, with tax 1.49 USD Unpaid 1.00 USD" in text
    assert "Payment partly paid, 1.00 USD open; as Odoo said at 20" in text
    assert "sent as INV/" in office.page()
    assert "partly paid, 1.00 USD open INV/" in office.page()


def test_what_rounds_to_nothing_is_a_line_of_small_amounts_together(tmp_path: Path) -> None:
    office = Office(tmp_path, used(prompt=4_000, cached_read=0, completion=2_000, reasoning=0))
    office.bill()
    assert "Small amounts together — — — 0.00 0.01 Total 0.008 0.01" in office.page(f"/invoices/of/{ACME}")


def test_usage_that_came_late_is_marked(tmp_path: Path) -> None:
    office = Office(tmp_path, used("2026-09-10", prompt=1_000_000), used())
    office.bill("2026-09")
    office.books.take(used("2026-09-11", prompt=2_000_000))
    office.bill()
    assert "llama usage of 2026-09, not billed before Prompt" in office.page(f"/invoices/of/{ACME}")
    office.close()


@pytest.mark.parametrize("path", ["of/embedded/nobody/2026-10-1", "of/x", "runs/0123456789abcdef"])
def test_what_there_is_not_is_not_found(office: Office, path: str) -> None:
    assert "there is no" in office.page(f"/invoices/{path}", 404)


def test_a_run_is_looked_at_again_until_it_ended(office: Office) -> None:
    gate = office.odoo_waits()
    answer = office.send("2026-10/bill", period="2026-10")
    assert answer.location
    running = office.client.get(answer.location)
    assert running.headers["Refresh"] == "2"
    assert "Under way" in running.text
    assert "Refresh" not in office.client.get(f"{answer.location}?still=1").headers
    gate.set()
    office.wait(answer)
    ended = office.client.get(answer.location)
    assert "Refresh" not in ended.headers
    assert "Under way" not in ended.text


def test_a_run_that_another_process_works_on_shows_how_far_it_is(office: Office) -> None:
    statement = "INSERT INTO runs VALUES ('abc', ?, 'automatic', 'sent', 'automatic', 0, 7, NULL, 0, NULL, NULL)"
    office.books.db.connection.execute(statement, [MONTH])
    answer = office.client.get("/invoices/runs/abc")
    assert "0 of 7 customers" in answer.text
    assert "Refresh" in answer.headers
    assert "not at its end yet" in office.page()


def test_the_file_for_the_accountant_is_the_apis(office: Office) -> None:
    office.bill()
    told = office.client.get("/invoices/2026-10/accountant.csv")
    api = office.client.get("/invoicing/months/2026-10.csv", headers={"Authorization": f"Bearer {BOOKKEEPER}"})
    assert told.text == api.text
    assert ACME in told.text
    assert told.headers["Content-Disposition"] == api.headers["Content-Disposition"]


def test_a_page_tells_what_was_done_only_in_its_own_words(office: Office) -> None:
    assert "Invoicing goes on." in office.page("/invoices/2026-10?done=continued")
    assert "pay to" not in office.page("/invoices/2026-10?done=pay+to+this+account")


def test_names_are_shown_as_text(office: Office) -> None:
    office.books.db.connection.execute("UPDATE customers SET name = '<script>x</script>'")
    assert "<script>" not in office.client.get("/invoices/2026-10").text


def test_the_month_and_the_navigation_lead_to_the_invoices(office: Office) -> None:
    text = office.client.get("/months/2026-10").text
    assert 'href="/invoices/2026-10"' in text
    assert 'href="/invoices"' in text


def test_pages_of_forms_let_no_other_place_have_them_and_tell_the_browser_to_say_where_they_are_from(office: Office) -> None:
    answer = office.client.get("/invoices/2026-10")
    assert "form-action 'self'" in answer.headers["Content-Security-Policy"]
    assert answer.headers["Referrer-Policy"] == "same-origin", "else browsers send our forms with Origin: null"
    assert "no-cache" in answer.headers["Cache-Control"]


def test_what_a_person_has_to_look_at_again_is_told_apart_from_what_still_holds(tmp_path: Path) -> None:
    office = Office(tmp_path, brake_invoice=Decimal(1))
    assert "It may be released once a run has held it." in office.page()
    office.bill()
    # Another limit, as after a restart.
    judged = dataclasses.replace(office.planning.brakes, invoice=Decimal(5))
    object.__setattr__(office.planning, "brakes", judged)
    assert "Not found any more; the next run looks again." in office.page()
    office.close()


def test_a_key_of_nobody_is_told_and_cannot_be_released(tmp_path: Path) -> None:
    office = Office(tmp_path, row("2026-10-10", "stray", "llama", prompt=1_000_000))
    office.bill()
    text = office.page()
    assert "(nobody) unmapped-key" in text
    assert "Release" not in text
    assert office.moves() == []
    office.close()


def test_behind_a_login_the_pages_are_for_who_logged_in(tmp_path: Path) -> None:
    office = Office(tmp_path, login_header="X-Auth-Request-Email")
    for path in ("", "/2026-10", "/2026-10/bill", "/2026-10/accountant.csv", f"/of/{UMBRA}", "/runs/x"):
        assert office.client.get(f"/invoices{path}").status_code == 403
    assert office.client.get("/invoices/2026-10", headers={"X-Auth-Request-Email": "ana@example.com"}).status_code == 200
    office.close()


def test_lines_have_a_models_name_last_known_while_models_cannot_be_read(tmp_path: Path) -> None:
    office = Office(tmp_path, used(model=NAME, prompt=1_000_000, cached_read=0, reasoning=0))
    (office.services.settings.cluster.models_dir / "slip.yaml").write_text("{")
    office.bill()
    (move,) = office.odoo.moves()
    assert {line["name"].partition(":")[0] for line in move["lines"]} == {"Qwen2.5-0.5B-Instruct"}
    office.close()
