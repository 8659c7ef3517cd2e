"""What fails or waits stops nobody else, comes back by itself, or tells a person; nothing stays for ever."""

from __future__ import annotations

import contextlib
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import NoReturn

import pytest

from control_app.accounting.odoo.double.faults import Fault
from control_app.gateway.port import Customer, Key
from control_app.invoicing.actions import ActionError
from control_app.invoicing.checks import Brakes
from control_app.invoicing.exports import month_csv
from control_app.invoicing.orders import Order
from tests.control.invoicing.test_period_rules import MILLION, THIRD_OF_DECEMBER, big
from tests.control.invoicing.test_saga import denying, held, state
from tests.control.support.ledgers import row
from tests.control.support.odoos import always
from tests.control.support.world import BECAUSE, NOVEMBER, OCTOBER, World, holds, statuses

REF = "stalpeni/acme/2026-10-1"


def broken(*_: object, **__: object) -> NoReturn:
    """Nobody thought of this."""
    raise ZeroDivisionError


def pair(folder: Path, **settings: object) -> World:
    company = World(folder, ["acme", "umbra"], **settings)  # type: ignore[arg-type] # its own
    company.use(big(), big(key="k-umbra"))
    return company


def test_a_partner_whom_a_person_gave_to_one_customer_is_not_the_others_at_the_next_run(tmp_path: Path) -> None:
    company = pair(tmp_path)
    company.db.connection.execute("UPDATE customers SET name = 'Customer acme'")
    company.odoo.change("res.partner", 1, ref=False)
    company.odoo.change("res.partner", 2, active=False)
    assert statuses(company.run()) == {"acme": "held", "umbra": "held"}
    company.actions.choose_partner(BECAUSE, "acme", 1)
    for _ in range(3):
        assert statuses(company.run())["umbra"] == "held"
    assert [move["ref"] for move in company.moves()] == [REF]


def test_a_partner_who_was_billed_as_one_customer_before_is_not_anothers(tmp_path: Path) -> None:
    company = World(tmp_path, ["acme"])
    company.use(big())
    company.run()
    company.customers = ["umbra"]
    company.use(big("2026-11-05T00:00", key="k-umbra"))
    company.db.connection.execute("UPDATE customers SET name = 'Customer acme'")
    company.odoo.change("res.partner", 1, ref=False)
    company.now = THIRD_OF_DECEMBER
    company.read()
    assert holds(company.run(NOVEMBER), "umbra") == ["partner-not-unique"]


def test_a_partner_whom_a_person_gave_to_another_is_not_taken_by_its_reference_either(tmp_path: Path) -> None:
    company = pair(tmp_path)
    company.actions.choose_partner(BECAUSE, "acme", 2)
    answer = company.run()
    assert statuses(answer) == {"acme": "success", "umbra": "held"}
    assert holds(answer, "umbra") == ["partner-not-unique"]


def test_a_partner_of_the_same_name_with_another_customers_id_is_not_taken(tmp_path: Path) -> None:
    company = World(tmp_path, ["acme"])
    company.customers = ["umbra"]
    company.use(big(key="k-umbra"))
    company.db.connection.execute("UPDATE customers SET name = 'Customer acme'")
    assert holds(company.run(), "umbra") == ["partner-missing"]
    assert company.moves() == []


def test_a_credit_note_that_was_held_goes_on_at_the_next_run(company: World) -> None:
    company.run()
    company.actions.credit(BECAUSE, REF, Decimal("0.25"))
    company.odoo.fault = denying(company, "create", "create")
    company.tick()
    assert [code for code, _ in held(company)] == ["odoo-refused"]
    company.odoo.fault = None
    company.odoo.denied.clear()
    company.tick(2)
    assert len(company.moves()) == 1
    company.run()
    assert (held(company), len(company.moves()), len(company.odoo.mails_sent())) == ([], 2, 2)


def test_a_credit_goes_out_though_the_invoices_email_is_held(company: World) -> None:
    company.odoo.failing.add("billing@acme.example")
    company.run()
    company.odoo.failing.clear()
    company.actions.credit(BECAUSE, REF, Decimal("0.25"))
    company.tick()
    assert [code for code, _ in held(company)] == ["mail-failed"], "the invoice's own hold stays"
    assert [(move["move_type"], move["state"]) for move in company.moves()] == [("out_invoice", "posted"), ("out_refund", "posted")]


def test_a_draft_that_was_deleted_in_odoo_can_be_voided_and_billed_again(company: World) -> None:
    company.run(target="created")
    company.odoo.remove("account.move", 1)
    company.actions.approve(BECAUSE, OCTOBER)
    company.tick()
    assert [code for code, _ in held(company)] == ["odoo-missing"]
    company.actions.void(BECAUSE, REF, rebill=True)
    company.tick()
    company.run()
    assert [(entry.ref, entry.state) for entry in company.entries()] == [(REF, "void"), ("stalpeni/acme/2026-10-2", "sent")]


def break_one(company: World, monkeypatch: pytest.MonkeyPatch, ref: str) -> None:
    """What is read of one customer's invoice breaks in a way that nobody thought of."""
    read = type(company.planning.asked()).read

    def read_on(self: object, id: int) -> object:
        move = read(self, id)  # type: ignore[arg-type]
        if move and move.ref == ref:
            raise ArithmeticError("nobody thought of this")
        return move

    monkeypatch.setattr(type(company.planning.asked()), "read", read_on)


def test_one_invoice_that_breaks_stops_no_other_and_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    company = pair(tmp_path)
    company.run(target="created")
    company.actions.approve(BECAUSE, OCTOBER)
    with monkeypatch.context() as patch:
        break_one(company, patch, REF)
        company.tick()
        assert [entry.state for entry in company.entries()] == ["created", "sent"]
        assert company.told, "and the run is told of"
    company.tick()
    assert [entry.state for entry in company.entries()] == ["sent", "sent"]


def test_a_customer_whose_billing_failed_before_there_was_an_invoice_is_billed_later_by_itself(
    company: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(type(company.planning.bills), "of_customer", broken)
        assert statuses(company.run()) == {"acme": "error"}
        (run,) = company.runs.history.all()
        assert (run.finished_at, run.error) == (None, "1 customers could not be billed")
    company.tick(2)
    assert state(company) == "sent"
    assert all(run.finished_at and not run.error for run in company.runs.history.all())


def test_a_run_that_fails_for_somebody_for_a_day_ends_and_is_told_of(company: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(company.planning.bills), "of_customer", broken)
    company.tick(3, pause=timedelta(hours=13))
    assert [run.error for run in company.told] == ["1 customers could not be billed"]


def test_an_odoo_that_never_does_what_it_is_asked_is_shown_to_a_person(company: World) -> None:
    company.odoo.fault = lambda model, method, _: Fault.SERVER_ERROR if (model, method) == ("account.move", "create") else None
    company.tick(40, pause=timedelta(hours=1))
    assert [code for code, _ in held(company)] == ["odoo-unanswered"]
    company.odoo.fault = None
    company.run()
    assert (state(company), held(company)) == ("sent", [])


def test_a_run_that_breaks_as_a_whole_does_not_keep_others_from_being_told_of(company: World, monkeypatch: pytest.MonkeyPatch) -> None:
    company.run()
    monkeypatch.setattr(type(company.planning), "plan", broken)
    with pytest.raises(ZeroDivisionError):
        company.automation.tick()
    assert [run.trigger for run in company.told] == ["manual"]


def test_a_release_for_everybody_is_of_those_who_are_held_now(tmp_path: Path) -> None:
    company = World(tmp_path, ["acme", "umbra"], brakes=Brakes(invoice=Decimal("0.50")))
    company.use(big())
    company.run()
    company.actions.release(BECAUSE, OCTOBER, "brake-invoice", None)
    company.use(big(key="k-umbra"))
    assert statuses(company.run()) == {"acme": "success", "umbra": "held"}


def test_nothing_to_pay_is_skipped_also_for_who_has_no_partner(tmp_path: Path) -> None:
    company = World(tmp_path, [])
    company.customers = ["nobody-knows"]
    company.use(big(key="k-nobody-knows", prompt=10))
    for kind in ("all", "validate"):
        assert statuses(company.dry(kind)) == {"nobody-knows": "skipped"}
    assert statuses(company.run()) == {"nobody-knows": "skipped"}


def test_a_dry_run_that_validates_names_what_is_wrong_with_odoos_settings(company: World) -> None:
    company.odoo.change("res.users", 2, company_ids=[2])
    found = holds(company.dry("validate"))
    assert found == holds(company.run())
    assert found[0].startswith("odoo-")


def test_the_hold_of_a_key_that_got_its_customer_goes_with_the_next_run(company: World) -> None:
    company.use(row(key="k-lost"))
    company.run()
    assert ("unmapped-key" in {code for code, _ in held(company)}) is True
    keys = [Key(f"k-{name}", f"k-{name}", "acme", is_active=True, updated_at=0) for name in ("acme", "lost")]
    company.books.directory([Customer("acme", "Customer acme")], keys)
    company.run()
    assert held(company) == []


def test_keys_of_nobody_do_not_have_earlier_months_run_again_and_again(company: World) -> None:
    company.use(row(key="k-lost"))
    company.tick(2)
    company.now = THIRD_OF_DECEMBER
    company.read()
    company.tick(2)
    assert [run.month for run in company.runs.history.all()] == [NOVEMBER, OCTOBER]


def test_a_void_does_not_count_as_billed(company: World) -> None:
    first = company.run()
    company.actions.void(BECAUSE, REF, rebill=False)
    second = company.run()
    assert (second["summary"]["created"], statuses(second)) == (0, {"acme": "duplicate"})
    run = company.runs.history.find(first["run_id"])
    assert run
    with company.runs.answer(run) as answer:
        assert b'"status":"success"' in answer.read(), "what a run came to stays"


def test_a_release_is_of_one_customer_where_one_is_named(tmp_path: Path) -> None:
    company = World(tmp_path, ["acme", "umbra"], brakes=Brakes(run=Decimal(1)))
    company.use(big(prompt=MILLION), big(key="k-umbra"))
    company.run()
    company.actions.release(BECAUSE, OCTOBER, "brake-run", "acme")
    assert statuses(company.run()) == {"acme": "success", "umbra": "held"}


def test_a_name_that_two_customers_have_is_nobodys_also_where_only_one_is_billed(tmp_path: Path) -> None:
    company = World(tmp_path, ["acme"])
    company.customers = ["acme", "umbra"]
    company.use(big(key="k-umbra"))
    company.db.connection.execute("UPDATE customers SET name = 'Customer acme'")
    company.odoo.change("res.partner", 1, ref=False)
    assert holds(company.run(), "umbra") == ["partner-not-unique"]
    assert company.moves() == []


@pytest.mark.parametrize("changed", [{"partner_id": [2, "Somebody"]}, {"amount_untaxed": 5.0}])
def test_what_is_not_ours_any_more_is_not_voided_by_a_credit_note(company: World, changed: dict[str, object]) -> None:
    company.odoo.add_partner("Somebody", email="somebody@example.com")
    company.run()
    company.odoo.change("account.move", 1, **changed)
    company.actions.void(BECAUSE, REF, rebill=True)
    company.tick()
    assert [code for code, _ in held(company)] == ["odoo-differs"]
    assert len(company.moves()) == 1


def test_nothing_goes_on_while_odoos_settings_are_wrong(company: World) -> None:
    company.odoo.fault = lambda model, method, _: Fault.TIMEOUT_BEFORE if (model, method) == ("account.move", "create") else None
    company.run()
    company.odoo.fault = None
    company.odoo.change("product.product", 1, taxes_id=[])
    company.tick(3)
    assert company.moves() == []
    assert holds(company.run()) == ["odoo-tax"]
    company.odoo.change("product.product", 1, taxes_id=[1])
    company.tick()
    assert company.moves()[0]["amount_tax"] > 0


def test_a_credit_note_that_did_not_come_to_odoo_is_not_made_when_its_invoice_is_gone(company: World) -> None:
    company.run()
    company.actions.credit(BECAUSE, REF, Decimal("0.40"))
    company.odoo.fault = lambda model, method, _: Fault.TIMEOUT_BEFORE if (model, method) == ("account.move", "create") else None
    company.automation.tick()
    company.odoo.fault = None
    company.odoo.change("account.move", 1, state="cancel")
    company.actions.void(BECAUSE, REF, rebill=False)
    company.tick(4)
    assert [entry.state for entry in company.entries()] == ["void", "void"]
    assert len(company.moves()) == 1


def test_a_credit_note_that_a_person_cancelled_takes_nothing_back(company: World) -> None:
    company.run()
    company.actions.credit(BECAUSE, REF, Decimal("0.40"))
    company.tick()
    company.odoo.change("account.move", 2, state="cancel")
    company.actions.void(BECAUSE, REF, rebill=False)
    company.tick(2)
    assert company.untaxed() == 0


def test_a_credit_note_in_odoo_against_an_invoice_that_is_gone_is_looked_at_by_a_person(company: World) -> None:
    company.run()
    company.actions.credit(BECAUSE, REF, Decimal("0.40"))
    company.tick()
    company.odoo.change("account.move", 1, state="cancel")
    company.actions.void(BECAUSE, REF, rebill=False)
    company.tick()
    assert {code for code, _ in held(company)} == {"odoo-differs"}


def test_the_credit_note_of_a_void_whose_email_failed_is_sent_again_and_the_void_goes_on(company: World) -> None:
    company.run()
    company.odoo.failing.add("billing@acme.example")
    company.actions.void(BECAUSE, REF, rebill=False)
    company.tick(2)
    assert {code for code, _ in held(company)} == {"mail-failed"}
    assert company.planning.book.pending(company.clock()) == []
    with pytest.raises(ActionError, match="only one that is posted and not sent"):
        company.actions.resend(BECAUSE, REF)
    company.odoo.failing.clear()
    company.actions.resend(BECAUSE, f"{REF}-credit-1")
    company.tick()
    assert ([entry.state for entry in company.entries()], held(company)) == (["void", "sent"], [])


def test_a_credit_note_that_waits_is_waited_for(company: World) -> None:
    company.run()
    company.actions.void(BECAUSE, REF, rebill=False)
    company.odoo.fault = lambda model, method, _: Fault.CANNOT_CONNECT if (model, method) == ("account.move", "create") else None
    company.automation.tick()
    company.odoo.fault = None
    before = company.entries()[1].tries
    company.automation.tick()
    company.run()
    assert company.entries()[1].tries == before
    company.tick(2)
    assert state(company) == "void"


def test_what_is_being_voided_is_not_voided_again_in_another_way(company: World) -> None:
    company.run()
    company.actions.void(BECAUSE, REF, rebill=True)
    with pytest.raises(ActionError, match="being voided already, and will be billed again"):
        company.actions.void(BECAUSE, REF, rebill=False)


def test_a_run_that_breaks_for_a_day_ends_and_is_told_of(company: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(company.planning), "plan", broken)
    for _ in range(4):
        with contextlib.suppress(ZeroDivisionError):
            company.automation.tick()
        company.now += timedelta(hours=13)
    assert [run.error for run in company.told] == ["ZeroDivisionError: "]


def test_a_killed_run_of_a_person_is_not_lost_where_odoo_is_away_when_it_goes_on(company: World) -> None:
    _, lease = company.runs.start(Order(OCTOBER, "none", "manual", "ana"), "sent")
    with company.db.transaction() as db:
        lease.give_back(db)
    company.odoo.fault = always(Fault.CANNOT_CONNECT)
    company.tick()
    assert [run.finished_at for run in company.runs.history.all() if run.trigger == "manual"] == [None]
    company.odoo.fault = None
    company.tick(2)
    assert state(company) == "sent"


def test_a_draft_that_was_cancelled_is_not_in_the_month_for_the_accountant(company: World) -> None:
    company.run(target="created")
    company.actions.void(BECAUSE, REF, rebill=True)
    company.tick()
    company.run()
    text = "".join(month_csv(company.planning.book, OCTOBER))
    assert (f"{REF}," in text, "2026-10-2," in text) == (False, True)
