"""Several at work at once, or one after another on what an earlier one knew: nothing is done twice, or in spite of a person."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import NoReturn

import pytest

from control_app.accounting.odoo.double.faults import Fault
from control_app.core.numbers import Month
from control_app.core.parallel import each
from control_app.invoicing.actions import ActionError
from control_app.invoicing.checks import Brakes
from control_app.invoicing.lease import LostError
from control_app.invoicing.orders import Order
from tests.control.invoicing.test_period_rules import MILLION, THIRD_OF_DECEMBER, big
from tests.control.support.world import BECAUSE, NOVEMBER, OCTOBER, World, holds, statuses

REF = "stalpeni/acme/2026-10-1"


@pytest.fixture
def company(tmp_path: Path) -> World:
    company = World(tmp_path, at_once=4)
    company.use(big())
    return company


def refs(company: World) -> list[str]:
    return [move["ref"] for move in company.moves()]


def test_a_void_and_the_credit_note_that_waits_beside_it_are_one_customers_work(company: World) -> None:
    company.run()
    company.actions.credit(BECAUSE, REF, Decimal("0.25"))
    company.actions.void(BECAUSE, REF, rebill=False)
    company.odoo.latency = 0.02
    company.tick(2)
    assert refs(company) == [REF, f"{REF}-credit-1", f"{REF}-credit-2"]
    assert (len(company.odoo.mails_sent()), company.untaxed()) == (3, Decimal(0))


def test_a_void_whose_credit_note_got_no_answer_makes_no_second_one(company: World) -> None:
    company.run()
    company.actions.credit(BECAUSE, REF, Decimal("0.25"))
    company.actions.void(BECAUSE, REF, rebill=False)
    company.odoo.fault = lambda model, method, _: Fault.LATE if (model, method) == ("account.move", "create") else None
    company.automation.tick()
    company.odoo.fault = None
    company.odoo.do_late()
    company.tick(4)
    assert refs(company) == [REF, f"{REF}-credit-1", f"{REF}-credit-2"]
    assert company.untaxed() == 0


def during(company: World, month: Month, act: Callable[[], object]) -> None:
    """*act* happens when the automation is about to take a month's lease."""
    lease, is_done = company.runs.lease, False

    def taken(asked: Month) -> object:
        nonlocal is_done
        if asked == month and not is_done:
            is_done = True
            act()
        return lease(asked)

    object.__setattr__(company.runs, "lease", taken)


def test_a_draft_that_is_voided_before_the_lease_is_taken_is_not_posted(company: World) -> None:
    company.run(target="created")
    company.actions.approve(BECAUSE, OCTOBER)
    during(company, OCTOBER, lambda: company.actions.void(BECAUSE, REF, rebill=False))
    company.automation.advance()
    company.tick(2)
    assert (company.moves()[0]["state"], company.odoo.mails_sent()) == ("cancel", [])


def test_what_another_process_did_before_the_lease_was_taken_is_not_done_again(tmp_path: Path) -> None:
    company = World(tmp_path)
    company.use(big(), big("2026-11-05T00:00"))
    company.now = THIRD_OF_DECEMBER
    company.read()
    for month in (OCTOBER, NOVEMBER):
        company.run(month, target="created")
        company.actions.approve(BECAUSE, month)
    other = World(tmp_path, odoo=company.odoo)
    other.now = company.now

    def send_without_an_answer() -> None:
        company.odoo.fault = lambda _, method, __: Fault.TIMEOUT_AFTER if method == "action_send_and_print" else None
        other.automation.advance()
        company.odoo.fault = None

    during(company, NOVEMBER, send_without_an_answer)
    company.automation.advance()
    company.tick(3)
    assert sorted(move for move, _ in company.odoo.mails_sent()) == [1, 2]


def test_two_credits_at_once_take_back_no_more_than_the_invoice(company: World) -> None:
    company.run()
    during(company, OCTOBER, lambda: company.actions.credit(BECAUSE, REF, Decimal("0.80")))
    with pytest.raises(ActionError, match=r"between 0 and 0\.20"):
        company.actions.credit(BECAUSE, REF, Decimal("0.80"))
    company.tick()
    assert company.untaxed() == Decimal("0.20")


def test_a_run_that_lost_its_period_writes_nothing_and_leaves_it_to_who_has_it(company: World) -> None:
    run, lease = company.runs.start(Order(OCTOBER, "none", "manual", "ana"), "sent")
    company.now += timedelta(minutes=6)
    company.tick()
    with pytest.raises(LostError):
        company.runs.carry_out(run, lease)
    found = company.runs.history.find(run.id)
    assert found
    assert found.finished_at is not None
    assert (len(refs(company)), len(company.odoo.mails_sent())) == (1, 1)


def test_rows_that_come_while_a_run_is_under_way_do_not_pass_the_brake_of_the_run(tmp_path: Path) -> None:
    company = World(tmp_path, ["acme", "umbra"], brakes=Brakes(run=Decimal("2.50")))
    company.use(big(), big(key="k-umbra"))
    plan = company.planning.plan

    def later(month: Month, *, ask: bool) -> object:
        found = plan(month, ask=ask)
        company.books.take(big("2026-10-06T00:00", prompt=5 * MILLION))
        return found

    object.__setattr__(company.planning, "plan", later)
    answer = company.run()
    assert statuses(answer)["acme"] == "held"
    assert holds(answer) == ["brake-run"]


def test_threads_stop_at_the_first_failure_and_at_ctrl_c() -> None:
    done: list[int] = []
    left = threading.Event()

    def act(number: int) -> None:
        if number == 3:
            raise KeyboardInterrupt
        done.append(number)

    with pytest.raises(KeyboardInterrupt):
        each(list(range(1000)), act, 2, left.set)
    assert left.is_set()
    assert len(done) < 1000


def test_ctrl_c_ends_what_was_begun_and_begins_nothing_else() -> None:
    done: list[int] = []
    told = threading.Event()

    def interrupt(_number: int, _frame: object) -> NoReturn:
        told.set()
        raise KeyboardInterrupt

    def act(number: int) -> None:
        if number == 0:
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
        assert told.wait(10)
        done.append(number)

    before = signal.signal(signal.SIGINT, interrupt)
    try:
        with pytest.raises(KeyboardInterrupt):
            each(list(range(10**6)), act, 1, lambda: None)
    finally:
        signal.signal(signal.SIGINT, before)
    assert 0 < len(done) < 10**6


def test_a_period_that_another_process_works_on_is_left_to_it(company: World) -> None:
    company.run(target="created")
    company.actions.approve(BECAUSE, OCTOBER)
    company.runs.lease(OCTOBER)
    company.automation.advance()
    assert company.moves()[0]["state"] == "draft"


def test_a_run_that_another_process_finished_before_the_lease_was_taken_is_not_gone_on_with(company: World) -> None:
    _, lease = company.runs.start(Order(OCTOBER, "none", "manual", "ana"), "sent")
    with company.db.transaction() as db:
        lease.give_back(db)
    other = World(company.folder, odoo=company.odoo, automatic="off")
    during(company, OCTOBER, other.automation.tick)
    company.tick()
    assert (len(refs(company)), len(company.odoo.mails_sent())) == (1, 1)
    company.runs.lease(OCTOBER)


def test_nothing_to_do_is_done(company: World) -> None:
    each([], lambda _: pytest.fail("there is nothing"), 4, lambda: pytest.fail("there was nobody"))
    assert company.moves() == []


def test_of_threads_that_fail_at_once_the_first_is_raised_and_the_others_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    together = threading.Barrier(2)

    def fail(number: int) -> None:
        together.wait()
        raise ValueError(f"no {number}")

    with pytest.raises(ValueError, match="no ") as raised:
        each([1, 2], fail, 2, lambda: None)
    (other,) = {"no 1", "no 2"} - {str(raised.value)}
    assert f"ValueError: {other}" in caplog.text
