"""What a person decides later: a draft's date, order numbers, and e-mails that failed."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from control_app.accounting.odoo.double.faults import Fault
from control_app.invoicing.actions import ActionError
from control_app.invoicing.partners import is_address
from control_app.invoicing.proforma import pro_forma
from tests.control.invoicing.test_period_rules import big
from tests.control.support.odoos import once
from tests.control.support.world import BECAUSE, OCTOBER, World, holds, statuses

REF = "stalpeni/acme/2026-10-1"


def dates(company: World) -> list[tuple[str, str]]:
    return [(move["invoice_date"], move["invoice_date_due"]) for move in company.moves()]


def test_a_draft_that_is_approved_weeks_later_is_dated_and_due_from_the_day_of_posting(company: World) -> None:
    company.run(target="created")
    assert dates(company) == [("2026-11-02", "2026-11-17")]
    company.now += timedelta(days=24)
    company.actions.approve(BECAUSE, OCTOBER)
    company.tick()
    assert (company.moves()[0]["state"], dates(company)) == ("posted", [("2026-11-26", "2026-12-11")])
    assert company.moves()[0]["delivery_date"] == "2026-10-31"
    (entry,) = company.entries()
    assert entry.due_day - entry.invoice_day == 15
    assert entry.invoice_day == company.clock() // 86_400_000_000


def test_a_draft_that_is_approved_on_its_day_is_not_written_again(company: World) -> None:
    company.run(target="created")
    asked: list[str] = []
    company.odoo.fault = lambda model, method, _: asked.append(f"{model}/{method}")
    company.actions.approve(BECAUSE, OCTOBER)
    company.tick()
    assert "account.move/write" not in asked
    assert dates(company) == [("2026-11-02", "2026-11-17")]


@pytest.mark.parametrize("fault", [Fault.TIMEOUT_BEFORE, Fault.TIMEOUT_AFTER, Fault.CANNOT_CONNECT])
def test_a_date_that_could_not_be_written_is_written_later_and_before_posting(company: World, fault: Fault) -> None:
    company.run(target="created")
    company.now += timedelta(days=24)
    company.actions.approve(BECAUSE, OCTOBER)
    company.odoo.fault = once(fault, "account.move", "write")
    company.tick(4)
    assert (company.moves()[0]["state"], dates(company)) == ("posted", [("2026-11-26", "2026-12-11")])
    assert len(company.odoo.mails_sent()) == 1


def test_a_customers_order_number_stands_in_the_invoices_first_line_and_in_its_note(company: World) -> None:
    company.actions.choose_order_number(BECAUSE, "acme", " PO-4711 & more ")
    answer = company.run()
    (move,) = company.moves()
    assert move["lines"][0]["name"] == "Your order: PO-4711 & more. Llama 3: 1,000,000 prompt tokens at 1 USD a million"
    assert move["narration"] == "Your order: PO-4711 &amp; more"
    assert (move["ref"], answer["details"][0]["invoice"]["order_number"]) == (REF, "PO-4711 & more")
    company.actions.void(BECAUSE, REF, rebill=False)
    company.tick()
    assert company.moves()[1]["narration"] == move["narration"]


def test_without_an_order_number_odoos_own_note_stays(company: World) -> None:
    company.actions.choose_order_number(BECAUSE, "acme", "PO-1")
    company.actions.choose_order_number(BECAUSE, "acme", None)
    company.run()
    assert "narration" not in company.moves()[0]
    assert company.moves()[0]["lines"][0]["name"].startswith("Llama 3")


def test_a_pro_forma_names_the_order_number_too(company: World) -> None:
    company.actions.choose_order_number(BECAUSE, "acme", "PO-1")
    parts = company.planning
    assert pro_forma(parts.book, parts.bills, parts.writer, company.books.customer("acme")).order_number == "PO-1"


@pytest.mark.parametrize("number", ["", "  ", "two\nlines", "x" * 65])
def test_what_is_no_order_number_is_refused(company: World, number: str) -> None:
    with pytest.raises(ActionError, match="is no order number"):
        company.actions.choose_order_number(BECAUSE, "acme", number)


def test_only_a_customer_of_the_gateway_has_an_order_number(company: World) -> None:
    with pytest.raises(ActionError, match="the gateway has no customer 'nobody'"):
        company.actions.choose_order_number(BECAUSE, "nobody", "PO-1")


@pytest.mark.parametrize(
    "address", ["not an address", "acme@", "@acme.example", "acme@localhost", "a@b.example, c", "a b@c.example", "a@b..example"]
)
def test_an_address_that_is_none_is_held_before_anything_is_made(company: World, address: str) -> None:
    company.odoo.change("res.partner", 1, email=address)
    answer = company.run()
    assert holds(answer) == ["partner-no-email"]
    assert f"partner 1 (Customer acme) has {address!r}, which is no e-mail address" in str(answer)
    assert company.moves() == []


@pytest.mark.parametrize("address", ["a@b.example", "Acme <a@b.example>", "a@b.example, c.d+e@f.g.example", "ünï@bücher.example"])
def test_an_address_with_a_name_and_several_are_taken(address: str) -> None:
    assert is_address(address)


def failed(folder: Path) -> World:
    """Three customers whose e-mails did not go out: Odoo's mail server was away."""
    company = World(folder, ["acme", "umbra", "zeta"])
    company.use(big(), big(key="k-umbra"), big(key="k-zeta"))
    company.odoo.mail_server.is_away = True
    answer = company.run()
    assert set(statuses(answer).values()) == {"held"}
    assert holds(answer) == ["mail-failed"]
    assert "INV/2026/00001 failed: Odoo did not reach its outgoing mail server (mail_smtp)" in str(answer)
    return company


def test_that_the_mail_server_is_away_is_told_and_one_act_sends_all_again(tmp_path: Path) -> None:
    company = failed(tmp_path)
    company.odoo.mail_server.is_away = False
    assert company.actions.resend_failed(BECAUSE, OCTOBER) == [f"stalpeni/{name}/2026-10-1" for name in ("acme", "umbra", "zeta")]
    company.tick()
    assert [entry.state for entry in company.entries()] == ["sent"] * 3
    assert len(company.odoo.mails_sent()) == 3
    assert company.db.connection.execute("SELECT what, count(*) FROM audit GROUP BY 1").fetchall() == [("resend", 3)]
    with pytest.raises(ActionError, match="no e-mail of 2026-10 has failed that could be sent again"):
        company.actions.resend_failed(BECAUSE, OCTOBER)


def test_what_was_sent_in_odoo_meanwhile_or_is_being_voided_is_not_sent_again(tmp_path: Path) -> None:
    company = failed(tmp_path)
    company.odoo.change("mail.notification", 1, notification_status="sent", failure_type=False)
    company.actions.void(BECAUSE, "stalpeni/umbra/2026-10-1", rebill=False)
    company.odoo.mail_server.is_away = False
    assert company.actions.resend_failed(BECAUSE, OCTOBER) == ["stalpeni/zeta/2026-10-1"]


def test_with_no_failed_e_mail_there_is_nothing_to_send_again(company: World) -> None:
    company.run()
    with pytest.raises(ActionError, match="no e-mail of 2026-10 has failed"):
        company.actions.resend_failed(BECAUSE, OCTOBER)
