"""What happens by itself: each month once, whatever fails, whoever else runs."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from control_app.accounting.odoo.double.faults import Fault
from control_app.accounting.port import AccountingError, UnavailableError
from control_app.core.failures import words_of
from control_app.invoicing.e_invoices import EInvoices
from control_app.invoicing.history import RunHistory
from control_app.invoicing.lease import BusyError
from control_app.invoicing.orders import Order
from control_app.invoicing.payments import Payments
from control_app.storage.database import Db
from tests.control.invoicing.test_period_rules import THIRD_OF_DECEMBER, big
from tests.control.support.odoos import always
from tests.control.support.world import BECAUSE, OCTOBER, World, holds, statuses


def runs(company: World) -> list[tuple[str, str, bool]]:
    return [(run.trigger, run.by, run.finished_at is not None) for run in company.runs.history.all()]


def test_a_month_is_billed_once_and_not_again_at_the_next_turns(company: World) -> None:
    company.tick(5)
    assert runs(company) == [("automatic", "automatic", True)]
    assert len(company.moves()) == 1


def test_a_month_without_usage_has_its_run_too(tmp_path: Path) -> None:
    company = World(tmp_path)
    company.read()
    company.tick(2)
    assert runs(company) == [("automatic", "automatic", True)]


def test_a_run_is_refused_while_another_works_on_the_period(company: World) -> None:
    company.runs.start(Order(OCTOBER, "none", "manual", "ana"), "sent")
    with pytest.raises(BusyError):
        company.runs.start(Order(OCTOBER, "none", "manual", "bob"), "sent")


def test_a_run_that_was_killed_goes_on_when_its_lease_has_ended(company: World) -> None:
    company.runs.start(Order(OCTOBER, "none", "manual", "ana"), "sent")
    company.tick(pause=timedelta(minutes=4))
    assert company.moves() == []
    company.tick(pause=timedelta(minutes=2))
    company.tick()
    assert [run for run in runs(company) if run[0] == "manual"] == [("manual", "ana", True)]
    assert len(company.moves()) == len(company.odoo.mails_sent()) == 1


def test_an_automatic_run_that_cannot_ask_odoo_goes_on_when_it_can(company: World) -> None:
    company.odoo.fault = always(Fault.CANNOT_CONNECT)
    with pytest.raises(AccountingError):
        company.automation.tick()
    (run,) = company.runs.history.all()
    assert (run.finished_at, company.told) == (None, [])
    assert "connect" in (run.error or "").lower()
    company.odoo.fault = None
    company.now += timedelta(minutes=1)
    company.tick()
    assert runs(company) == [("automatic", "automatic", True)]
    assert company.runs.history.all()[0].error is None


def test_a_run_that_another_process_told_of_meanwhile_is_not_told_again(company: World, monkeypatch: pytest.MonkeyPatch) -> None:
    company.tick()
    told = list(company.told)
    assert len(told) == 1
    monkeypatch.setattr(RunHistory, "untold", RunHistory.all)
    company.tick()
    assert company.told == told


def test_a_manual_run_that_cannot_ask_odoo_ends(company: World) -> None:
    company.odoo.fault = always(Fault.CANNOT_CONNECT)
    with pytest.raises(AccountingError):
        company.run()
    assert runs(company) == [("manual", "ana", True)]


def test_a_missing_setting_of_odoo_holds_everybody_and_is_told_in_odoos_words(company: World) -> None:
    company.odoo.change("res.currency", 1, active=False)
    answer = company.run()
    (detail,) = answer["details"]
    assert statuses(answer) == {"acme": "held"}
    assert [hold["code"] for hold in detail["sync_result"]["holds"]] == ["odoo-currency"]
    assert "Currencies" in detail["sync_result"]["holds"][0]["remedy"]


def test_one_customer_s_broken_data_stops_no_other(tmp_path: Path) -> None:
    company = World(tmp_path, ["acme", "umbra"])
    company.use(big(), big(key="k-umbra"))
    company.db.connection.execute("UPDATE months SET amount = amount + 1 WHERE customer = 1")
    answer = company.run()
    assert statuses(answer) == {"acme": "held", "umbra": "success"}
    assert holds(answer) == ["lines-differ"]
    assert holds(company.dry()) == ["lines-differ"]


def test_nothing_happens_while_invoicing_is_stopped(company: World) -> None:
    company.actions.halt(BECAUSE)
    company.tick(2)
    assert (runs(company), company.moves()) == ([], [])
    company.actions.go_on(BECAUSE)
    company.tick()
    assert len(company.moves()) == 1


def test_an_answer_of_a_run_that_went_on_tells_what_became_of_it_in_the_end(company: World) -> None:
    company.odoo.fault = lambda model, method, _: Fault.TIMEOUT_AFTER if (model, method) == ("account.move", "action_post") else None
    first = company.run()
    assert statuses(first) == {"acme": "error"}
    company.odoo.fault = None
    company.tick(2)
    run = company.runs.history.find(first["run_id"])
    assert run
    with company.runs.answer(run) as answer:
        assert b'"status":"success"' in answer.read()


def test_a_run_is_told_of_again_when_it_could_not_be(company: World) -> None:
    told: list[str] = []

    def tell(run: object) -> None:
        told.append(str(run))
        if len(told) == 1:
            raise ConnectionError("Slack was not reached")

    object.__setattr__(company.automation, "tell", tell)
    company.tick(3)
    assert len(told) == 2


def test_several_services_at_once_bill_each_customer_once(tmp_path: Path) -> None:
    names = [f"c{number}" for number in range(12)]
    company = World(tmp_path, names)
    company.use(*(big(key=f"k-{name}") for name in names))
    others = [World(tmp_path, names, odoo=company.odoo) for _ in range(3)]

    def work(one: World) -> None:
        try:
            one.automation.tick()
        finally:
            db: Db = one.db
            db.close()

    threads = [threading.Thread(target=work, args=[one]) for one in (company, *others)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    company.tick(2)
    refs = [move["ref"] for move in company.moves()]
    assert (len(refs), len(set(refs)), len(company.odoo.mails_sent())) == (12, 12, 12)
    assert len([run for run in company.runs.history.all() if run.trigger == "automatic"]) == 1


def test_the_next_month_is_billed_in_its_turn(company: World) -> None:
    company.tick()
    company.use(big("2026-11-05T00:00"))
    company.tick(3)
    assert len(company.moves()) == 1
    company.now = THIRD_OF_DECEMBER
    company.read()
    company.tick(2)
    assert [move["ref"] for move in company.moves()] == ["stalpeni/acme/2026-10-1", "stalpeni/acme/2026-11-1"]


def test_each_failure_of_a_turn_is_logged_by_its_job_and_all_are_told(
    company: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fails(error: Exception) -> Callable[[object], None]:
        def follow(_: object) -> None:
            raise error

        return follow

    monkeypatch.setattr(EInvoices, "follow", fails(UnavailableError("Odoo is away")))
    monkeypatch.setattr(Payments, "follow", fails(ValueError("no amount")))
    with pytest.raises(ExceptionGroup) as raised:
        company.automation.tick()
    assert words_of(raised.value) == "UnavailableError: Odoo is away; ValueError: no amount"
    assert len(company.moves()) == 1, "what can be done is"
    logged = [record.msg for record in caplog.records if "invoicing failed" in str(record.msg)]
    assert [(line["job"], line["error"]) for line in logged if isinstance(line, dict)] == [
        ("e-invoices", "UnavailableError: Odoo is away"),
        ("payments", "ValueError: no amount"),
    ]
