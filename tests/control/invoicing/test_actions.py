"""What a person decides: done with a reason that stays, or refused with what can be done."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest

from control_app.invoicing.actions import ActionError, Actions, Decision
from control_app.invoicing.lease import BusyError
from tests.control.invoicing.test_period_rules import big
from tests.control.support.world import BECAUSE, OCTOBER, World

REF = "stalpeni/acme/2026-10-1"
Act = Callable[[Actions], object]


def audit(company: World) -> list[tuple[str, str, str, str]]:
    found: list[tuple[str, str, str, str]] = company.db.connection.execute("SELECT who, what, subject, reason FROM audit").fetchall()
    return found


ACTS: list[tuple[Act, tuple[str, str]]] = [
    (lambda actions: actions.choose_partner(BECAUSE, "acme", 1), ("choose partner", "acme: 1")),
    (lambda actions: actions.halt(BECAUSE), ("stop invoicing", "all")),
    (lambda actions: actions.void(BECAUSE, REF, rebill=False), ("void", REF)),
    (lambda actions: actions.void(BECAUSE, REF, rebill=True), ("void and bill again", REF)),
    (lambda actions: actions.credit(BECAUSE, REF, Decimal("0.50")), ("credit", f"{REF}-credit-1: 50 minor units")),
    (lambda actions: actions.approve(BECAUSE, OCTOBER), ("approve invoices", "2026-10: ")),
    (lambda actions: actions.note(BECAUSE, "resume", OCTOBER), ("resume", "2026-10")),
]


@pytest.mark.parametrize(("act", "line"), ACTS)
def test_every_decision_leaves_a_line_with_who_and_why(company: World, act: Act, line: tuple[str, str]) -> None:
    company.run()
    act(company.actions)
    assert audit(company) == [("ana@example.com", *line, "looked at it")]


def test_the_audit_log_cannot_be_changed(company: World) -> None:
    company.actions.halt(BECAUSE)
    for statement in ("UPDATE audit SET reason = 'other'", "DELETE FROM audit"):
        with pytest.raises(sqlite3.IntegrityError, match="appended, never edited"):
            company.db.connection.execute(statement)


@pytest.mark.parametrize("decision", [Decision("", "why"), Decision("ana", " ")])
def test_a_decision_without_a_name_or_a_reason_is_refused_and_changes_nothing(company: World, decision: Decision) -> None:
    company.run()
    for act in (
        lambda: company.actions.halt(decision),
        lambda: company.actions.void(decision, REF, rebill=False),
        lambda: company.actions.credit(decision, REF, Decimal("0.50")),
        lambda: company.actions.choose_partner(decision, "acme", 7),
    ):
        with pytest.raises(ValueError, match="who does it, and why"):
            act()
    company.tick()
    assert (len(company.moves()), audit(company), company.planning.book.halted()) == (1, [], None)
    assert company.db.connection.execute("SELECT count(*) FROM partners").fetchone() == (0,)


REFUSED: list[tuple[Act, str]] = [
    (lambda actions: actions.void(BECAUSE, "stalpeni/acme/2026-09-1", rebill=False), "there is no invoice"),
    (lambda actions: actions.resend(BECAUSE, "x"), "there is no invoice"),
    (lambda actions: actions.choose_partner(BECAUSE, "nobody", 1), "the gateway has no customer"),
    (lambda actions: actions.release(BECAUSE, OCTOBER, "brake-run", None), "nothing is held for brake-run in 2026-10"),
    (
        lambda actions: actions.release(BECAUSE, OCTOBER, "brake-invoice", "acme"),
        "nothing is held for brake-invoice in 2026-10 of acme",
    ),
    (lambda actions: actions.release(BECAUSE, OCTOBER, "brake-run", "nobody"), "the gateway has no customer"),
    (lambda actions: actions.approve(BECAUSE, OCTOBER, frozenset({"x"})), "no draft waits for approval under x"),
    (lambda actions: actions.go_on(BECAUSE), "is not stopped"),
    (lambda actions: actions.credit(BECAUSE, REF, Decimal("1.01")), "not between 0 and 1.00 USD"),
    (lambda actions: actions.credit(BECAUSE, REF, Decimal(0)), "not between 0 and 1.00 USD"),
    (lambda actions: actions.credit(BECAUSE, REF, Decimal(-1)), "not between 0 and 1.00 USD"),
    (lambda actions: actions.credit(BECAUSE, REF, Decimal("0.001")), "come to nothing after rounding"),
]


@pytest.mark.parametrize(("act", "why"), REFUSED)
def test_what_cannot_be_is_refused_with_the_reason(company: World, act: Act, why: str) -> None:
    company.run()
    with pytest.raises(ActionError, match=why):
        act(company.actions)
    assert audit(company) == []


def test_a_draft_cannot_be_credited_and_a_credit_note_not_be_voided(company: World) -> None:
    company.run(target="created")
    with pytest.raises(ActionError, match="only a posted invoice can be credited"):
        company.actions.credit(BECAUSE, REF, Decimal("0.50"))
    company.actions.approve(BECAUSE, OCTOBER)
    company.tick()
    note = company.actions.credit(BECAUSE, REF, Decimal("0.50"))
    company.tick()
    with pytest.raises(ActionError, match="only an invoice can be voided"):
        company.actions.void(BECAUSE, note, rebill=False)


def test_what_is_void_is_not_voided_again(company: World) -> None:
    company.run()
    company.actions.void(BECAUSE, REF, rebill=False)
    company.tick()
    with pytest.raises(ActionError, match="is void"):
        company.actions.void(BECAUSE, REF, rebill=True)
    with pytest.raises(ActionError, match="only a posted invoice"):
        company.actions.credit(BECAUSE, REF, Decimal("0.50"))


def test_no_more_than_the_invoice_can_be_credited_in_parts(company: World) -> None:
    company.run()
    company.actions.credit(BECAUSE, REF, Decimal("0.60"))
    with pytest.raises(ActionError, match=r"between 0 and 0\.40 USD"):
        company.actions.credit(BECAUSE, REF, Decimal("0.41"))
    company.actions.credit(BECAUSE, REF, Decimal("0.40"))
    company.tick()
    assert company.untaxed() == 0


def test_nothing_is_decided_about_a_period_that_a_run_works_on(company: World) -> None:
    company.run()
    company.runs.lease(OCTOBER)
    for act in (
        lambda: company.actions.void(BECAUSE, REF, rebill=False),
        lambda: company.actions.credit(BECAUSE, REF, Decimal("0.50")),
        lambda: company.actions.approve(BECAUSE, OCTOBER),
    ):
        with pytest.raises(BusyError):
            act()


def test_some_drafts_can_be_approved_and_others_left(tmp_path: Path) -> None:
    company = World(tmp_path, ["acme", "umbra"])
    company.use(big(), big(key="k-umbra"))
    company.run(target="created")
    assert company.actions.approve(BECAUSE, OCTOBER, frozenset({REF})) == [REF]
    company.tick()
    assert [(move["ref"], move["state"]) for move in company.moves()] == [(REF, "posted"), ("stalpeni/umbra/2026-10-1", "draft")]
