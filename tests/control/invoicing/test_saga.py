"""One invoice on its way: what is found at Odoo, what it refuses, what became of its e-mail."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from control_app.accounting.odoo.double.faults import Fault
from control_app.invoicing.actions import ActionError
from control_app.invoicing.book import HaltedError
from tests.control.invoicing.test_period_rules import big
from tests.control.support.odoos import once
from tests.control.support.world import BECAUSE, OCTOBER, World, holds, statuses

REF = "stalpeni/acme/2026-10-1"


def held(company: World) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = company.db.connection.execute("SELECT code, message FROM invoice_holds").fetchall()
    return found


def message(answer: dict[str, Any]) -> str:
    (detail,) = answer["details"]
    return str(detail["sync_result"]["message"])


def denying(company: World, method: str, right: str) -> Callable[[str, str, int], None]:
    """Odoo takes a right away when that is asked."""

    def deny(_model: str, asked: str, _number: int) -> None:
        if asked == method:
            company.odoo.denied.add(("account.move", right))

    return deny


def forget(company: World) -> None:
    """As if the database was of a time before: of it nothing can be deleted."""
    for table in ("invoices", "chain"):
        company.db.connection.execute(f"DROP TRIGGER {table}_delete")
    for table in ("invoices", "chain", "closed", "results", "runs"):
        company.db.connection.execute(f"DELETE FROM {table}")  # noqa: S608


def state(company: World) -> str:
    return company.entries()[0].state


def test_an_invoice_that_odoo_has_and_we_do_not_know_of_is_taken_over(company: World) -> None:
    company.run()
    forget(company)
    assert message(company.dry("validate")).startswith("Odoo has it, and we have no note of it")
    assert statuses(company.run()) == {"acme": "success"}
    assert len(company.moves()) == len(company.odoo.mails_sent()) == 1


def test_one_of_that_name_with_another_amount_is_held(company: World) -> None:
    company.run()
    forget(company)
    company.use(big("2026-10-06T00:00"))
    assert holds(company.run()) == ["odoo-differs"]
    assert len(company.moves()) == 1


def test_two_of_one_name_are_held_for_a_person(company: World) -> None:
    company.run(target="created")
    second = company.odoo.add("account.move", **_plain(company.moves()[0]))
    company.db.connection.execute("UPDATE invoices SET state = 'draft', odoo_id = NULL, checked = 0")
    assert holds(company.run()) == ["odoo-twice"]
    assert str(second) in held(company)[0][1]


def _plain(move: dict[str, object]) -> dict[str, object]:
    return {name: value for name, value in move.items() if name not in ("id", "lines")}


def test_a_draft_that_a_person_cancelled_in_odoo_is_held_and_can_be_voided_and_billed_again(company: World) -> None:
    company.run(target="created")
    company.odoo.change("account.move", 1, state="cancel")
    company.actions.approve(BECAUSE, OCTOBER)
    company.tick()
    assert [code for code, _ in held(company)] == ["odoo-cancelled"]
    company.actions.void(BECAUSE, REF, rebill=True)
    company.tick()
    company.run()
    assert [(entry.ref, entry.state) for entry in company.entries()] == [(REF, "void"), ("stalpeni/acme/2026-10-2", "sent")]


def test_a_draft_that_a_person_posted_in_odoo_is_gone_on_with(company: World) -> None:
    company.run(target="created")
    company.planning.asked().post(1)
    company.actions.approve(BECAUSE, OCTOBER)
    company.tick()
    assert (state(company), len(company.odoo.mails_sent())) == ("sent", 1)


def test_what_odoo_refuses_is_held_in_its_words_and_goes_on_when_a_person_resumes(company: World) -> None:
    company.run(target="created")
    company.odoo.change("account.move", 1, partner_id=False)
    company.actions.approve(BECAUSE, OCTOBER)
    company.tick()
    assert len(held(company)) == 1
    assert state(company) == "created"
    company.odoo.change("account.move", 1, partner_id=[1, "Customer acme"])
    company.tick(2)
    assert state(company) == "created", "what is held does not go on by itself"
    company.run()
    assert (state(company), held(company)) == ("sent", [])


def test_a_draft_that_a_person_posts_while_we_do_is_gone_on_with(company: World) -> None:
    def post(model: str, method: str, _: int) -> None:
        if (model, method) == ("account.move", "action_post"):
            company.odoo.fault = None
            company.planning.asked().post(1)

    company.odoo.fault = post
    assert statuses(company.run()) == {"acme": "success"}
    assert (state(company), len(company.odoo.mails_sent())) == ("sent", 1)


def test_what_odoo_does_not_let_us_read_is_held(company: World) -> None:
    def deny(model: str, method: str, _: int) -> None:
        if (model, method) == ("account.move", "create"):
            company.odoo.denied.add(("ir.attachment", "read"))
            company.odoo.denied.add(("account.move", "read"))

    company.odoo.fault = deny
    assert holds(company.run()) == ["odoo-refused"]


def test_an_odoo_that_is_away_when_it_is_looked_at_is_asked_again(company: World) -> None:
    company.odoo.fault = lambda model, method, _: Fault.CANNOT_CONNECT if (model, method) == ("mail.message", "search_read") else None
    assert statuses(company.run()) == {"acme": "error"}
    company.odoo.fault = None
    company.tick(2)
    assert (state(company), len(company.odoo.mails_sent())) == ("sent", 1)


def test_a_posting_that_odoo_refuses_is_held(company: World) -> None:
    company.run(target="created")
    company.odoo.fault = denying(company, "action_post", "write")
    company.actions.approve(BECAUSE, OCTOBER)
    company.tick()
    assert [code for code, _ in held(company)] == ["odoo-refused"]
    assert state(company) == "created"


def test_what_never_came_to_odoo_is_voided_when_it_cannot_come_any_more(company: World) -> None:
    company.odoo.fault = lambda model, method, _: Fault.TIMEOUT_BEFORE if (model, method) == ("account.move", "create") else None
    company.run()
    company.odoo.fault = None
    company.actions.void(BECAUSE, REF, rebill=False)
    company.tick(3)
    assert (state(company), company.moves()) == ("void", [])


def test_no_answer_to_a_write_is_looked_at_again_when_it_can_no_longer_come_through(company: World) -> None:
    company.odoo.fault = lambda model, method, _: Fault.TIMEOUT_BEFORE if (model, method) == ("account.move", "create") else None
    assert message(company.run()).endswith("goes on at 2026-11-02T00:11:00Z")
    company.odoo.fault = None
    company.tick(pause=timedelta(minutes=10, seconds=59))
    company.tick(pause=timedelta(seconds=1))
    assert company.moves() == []
    company.tick()
    assert state(company) == "sent"


def test_what_came_through_late_is_found_and_not_made_again(company: World) -> None:
    company.odoo.fault = lambda model, method, _: Fault.LATE if (model, method) == ("account.move", "create") else None
    company.run()
    company.odoo.fault = None
    company.odoo.do_late()
    company.tick(2)
    assert (len(company.moves()), state(company)) == (1, "sent")


def test_an_odoo_that_is_away_is_asked_again_after_pauses_that_grow_to_an_hour(tmp_path: Path) -> None:
    company = World(tmp_path, automatic="off")
    company.use(big())
    company.odoo.fault = lambda model, method, _: Fault.CANNOT_CONNECT if (model, method) == ("account.move", "create") else None
    company.run()
    pauses = []
    for _ in range(8):
        (entry,) = company.entries()
        pauses.append((entry.not_before - company.clock()) // 60_000_000)
        company.now += timedelta(microseconds=entry.not_before - company.clock())
        company.tick(pause=timedelta())
    assert pauses == [1, 2, 4, 8, 16, 32, 64, 64]


def test_an_email_on_its_way_is_no_error_and_is_proven_later(company: World) -> None:
    company.odoo.hold_mails()
    answer = company.run()
    assert (statuses(answer), message(answer)[:46]) == ({"acme": "success"}, "posted as INV/2026/00001, the e-mail is on its")
    assert state(company) == "posted"
    company.odoo.deliver_mails()
    company.now += timedelta(minutes=2)
    company.tick()
    assert state(company) == "sent"


def test_an_email_that_waits_for_a_day_is_looked_at_by_a_person(company: World) -> None:
    company.odoo.hold_mails()
    company.run()
    company.tick(2, pause=timedelta(hours=13))
    company.tick()
    assert [code for code, _ in held(company)] == ["mail-waiting"]
    assert len(company.odoo.moves()) == 1


def test_an_email_that_failed_is_held_with_odoos_reason_and_sent_again_when_a_person_says_so(company: World) -> None:
    company.odoo.failing.add("billing@acme.example")
    assert holds(company.run()) == ["mail-failed"]
    company.tick(3)
    company.run()
    assert len(company.odoo.records("mail.notification")) == 1, "no second e-mail without a person"
    company.odoo.failing.clear()
    company.actions.resend(BECAUSE, REF)
    company.tick()
    assert (state(company), len(company.odoo.mails_sent()), held(company)) == ("sent", 1, [])


def test_a_second_failure_of_the_email_is_held_again(company: World) -> None:
    company.odoo.failing.add("billing@acme.example")
    company.run()
    company.actions.resend(BECAUSE, REF)
    company.tick()
    assert [code for code, _ in held(company)] == ["mail-failed"]
    assert len(company.odoo.records("mail.notification")) == 2


@pytest.mark.parametrize("is_sent", [True, False])
def test_a_resend_never_sends_a_second_email(company: World, *, is_sent: bool) -> None:
    if not is_sent:
        company.odoo.hold_mails()
    company.run()
    with pytest.raises(ActionError, match="only one that is posted and not sent" if is_sent else "is on its way"):
        company.actions.resend(BECAUSE, REF)


def test_an_email_that_odoo_skipped_without_a_word_is_held(company: World) -> None:
    company.run(target="created")
    company.odoo.change("res.partner", 1, email=False)
    company.actions.approve(BECAUSE, OCTOBER)
    company.tick()
    assert [code for code, _ in held(company)] == ["mail-skipped"]
    assert company.moves()[0]["is_move_sent"] is True, "which is why that mark proves nothing"
    company.odoo.change("res.partner", 1, email="billing@acme.example")
    company.run()
    assert (state(company), len(company.odoo.mails_sent())) == ("sent", 1)


def test_the_usage_is_attached_to_the_invoice_once(company: World) -> None:
    company.run()
    company.actions.void(BECAUSE, REF, rebill=True)
    company.tick()
    company.run()
    names = [attached["name"] for attached in company.odoo.records("ir.attachment") if attached["mimetype"] == "text/csv"]
    assert names == ["usage-2026-10-1.csv", "usage-2026-10-2.csv"]


def test_a_stop_ends_a_run_before_its_next_step_and_it_goes_on_afterwards(company: World) -> None:
    def stop(model: str, method: str, _: int) -> None:
        if (model, method) == ("account.move", "create"):
            company.actions.halt(BECAUSE)

    company.odoo.fault = stop
    with pytest.raises(HaltedError, match=r"stopped by ana@example.com: looked at it"):
        company.run()
    assert [(entry.state, entry.odoo_id) for entry in company.entries()] == [("created", 1)]
    company.odoo.fault = None
    company.tick(2)
    assert state(company) == "created"
    with pytest.raises(HaltedError):
        company.run()
    company.actions.go_on(BECAUSE)
    company.tick()
    assert state(company) == "sent"


@pytest.mark.parametrize(("model", "method"), [("account.move", "create"), ("account.move.send.wizard", "action_send_and_print")])
def test_a_write_that_stood_in_odoos_queue_for_nine_minutes_is_not_made_again(company: World, model: str, method: str) -> None:
    company.odoo.fault = once(Fault.LATE, model, method)
    company.run()
    company.tick(9, pause=timedelta(minutes=1))
    company.odoo.do_late()
    company.tick(6, pause=timedelta(minutes=1))
    assert (state(company), len(company.moves()), len(company.odoo.mails_sent())) == ("sent", 1, 1)


def test_a_document_that_somebody_else_sends_is_waited_for_and_not_held(company: World) -> None:
    company.run(target="created")
    company.odoo.locked.add(1)
    company.actions.approve(BECAUSE, OCTOBER)
    company.tick(2)
    assert (held(company), state(company)) == ([], "posted")
    company.odoo.locked.clear()
    company.tick(2)
    assert (state(company), len(company.odoo.mails_sent())) == ("sent", 1)


def test_whoever_sent_it_meanwhile_spares_us_the_email(company: World) -> None:
    company.run(target="created")
    company.odoo.locked.add(1)
    company.actions.approve(BECAUSE, OCTOBER)
    company.tick(1)
    company.odoo.locked.clear()
    accounting = company.planning.asked()
    accounting.deliver(accounting.prepare_delivery(1))
    company.tick(3)
    assert (state(company), len(company.odoo.mails_sent())) == ("sent", 1)


def test_one_invoice_is_sent_at_a_time_and_the_others_go_on_meanwhile(tmp_path: Path) -> None:
    names = [f"c{number}" for number in range(6)]
    company = World(tmp_path, names, at_once=4)
    company.use(*(big(key=f"k-{name}") for name in names))
    company.odoo.workers.number, company.odoo.latency, company.odoo.printing = 2, 0.005, 0.03
    assert set(statuses(company.run()).values()) == {"success"}
    assert len(company.odoo.mails_sent()) == len(names)


def test_voiding_a_draft_cancels_it_in_odoo_without_a_credit_note(company: World) -> None:
    company.run(target="created")
    company.actions.void(BECAUSE, REF, rebill=False)
    company.tick()
    assert [(move["move_type"], move["state"]) for move in company.moves()] == [("out_invoice", "cancel")]
    assert state(company) == "void"


def test_voiding_what_never_came_to_odoo_waits_until_it_cannot_come_any_more(company: World) -> None:
    company.odoo.fault = lambda model, method, _: Fault.LATE if (model, method) == ("account.move", "create") else None
    company.run()
    company.odoo.fault = None
    company.actions.void(BECAUSE, REF, rebill=False)
    company.tick()
    assert state(company) == "draft"
    company.odoo.do_late()
    company.tick(2)
    assert (state(company), company.moves()[0]["state"]) == ("void", "cancel")


def test_voiding_an_invoice_of_which_a_part_was_credited_takes_back_the_rest(company: World) -> None:
    company.run()
    company.actions.credit(BECAUSE, REF, Decimal("0.25"))
    company.actions.void(BECAUSE, REF, rebill=False)
    company.tick(2)
    assert [(move["ref"], move["amount_untaxed"]) for move in company.moves()[1:]] == [(f"{REF}-credit-1", 0.25), (f"{REF}-credit-2", 0.75)]
    assert company.untaxed() == 0
