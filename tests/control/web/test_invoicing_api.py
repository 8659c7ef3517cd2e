"""`/invoicing` over HTTP: who may, what is refused, and what is answered."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from control_app.accounting.odoo.double.faults import Fault
from control_app.accounting.odoo.double.odoo import FakeOdoo
from control_app.core.time import month_of
from control_app.invoicing import results
from control_app.invoicing.actions import Decision
from control_app.invoicing.orders import Order
from control_app.web.api import runs as invoicing
from tests.control.support.billing_service import GENERATE, LATER, Billing
from tests.control.support.odoos import always
from tests.control.support.recomputation import at
from tests.control.support.usage_service import BOOKKEEPER, OPERATOR, Service, used

REF = "embedded/acme/2026-10-1"
OCTOBER = month_of(at("2026-10-01T00:00"))


@pytest.fixture
def billing(tmp_path: Path) -> Iterator[Billing]:
    billing = Billing(tmp_path)
    yield billing
    billing.service.books.db.close()


PATHS = [
    *[("GET", path) for path in (GENERATE, "/invoicing/runs/x", "/invoicing/months/2026-10.csv", "/invoicing/proforma")],
    *[("POST", f"/invoicing/{act}") for act in ("generate", "resume", "release", "approve", "void", "credit", "resend")],
    *[("POST", f"/invoicing/{act}") for act in ("resend-failed", "order-number", "currency", "rate", "partner", "stop", "continue")],
]


@pytest.mark.parametrize(("method", "path"), PATHS)
@pytest.mark.parametrize(("key", "status"), [(None, 401), ("wrong", 401), ("sk-one", 403), (OPERATOR, 403)])
def test_only_an_admin_key_with_the_scope_of_invoices_may(billing: Billing, method: str, path: str, key: str | None, status: int) -> None:
    assert billing.ask(path, key, method).status_code == status
    assert (billing.odoo.moves(), billing.audit()) == ([], [])


def test_a_dry_run_tells_everybody_and_does_nothing(billing: Billing) -> None:
    answer = billing.ask(dry_run="all")
    assert (answer.status_code, answer.headers["Cache-Control"]) == (200, "no-store")
    body = answer.get_json()
    assert body["summary"] == {
        "total_detected": 2,
        "created": 0,
        "duplicates": 0,
        "held": 0,
        "skipped": 0,
        "errors": 0,
        "total_cost": "4.00",
        "currency": "USD",
    }
    assert {detail["sync_result"]["status"] for detail in body["details"]} == {"dry_run_skipped"}
    assert {detail["sync_result"]["status"] for detail in billing.ask(dry_run="validate").get_json()["details"]} == {
        "dry_run_validated_missing"
    }
    assert billing.odoo.moves() == []
    assert billing.audit() == [("bookkeeper", "run, dry_run=all"), ("bookkeeper", "run, dry_run=validate")]


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_run_bills_everybody_once(billing: Billing, method: str) -> None:
    first = billing.ask(method=method).get_json()
    assert (first["trigger"], first["dry_run"], first["summary"]["created"]) == ("manual", "none", 2)
    assert billing.ask(method=method).get_json()["summary"]["duplicates"] == 2
    assert len(billing.odoo.mails_sent()) == 2
    assert billing.ask(f"/invoicing/runs/{first['run_id']}").get_json() == first


@pytest.mark.parametrize(
    ("query", "parameter", "why"),
    [
        ({"date": "soon"}, "date", "is not a time"),
        ({"date": "2999-01-01"}, "date", "is in the future"),
        ({"dry_run": "maybe"}, "dry_run", "is none of all, validate, none"),
        ({"dryrun": "all"}, "dryrun", "no such parameter"),
    ],
)
def test_what_is_malformed_is_refused_with_the_reason(billing: Billing, query: dict[str, str], parameter: str, why: str) -> None:
    answer = billing.ask(**query)
    assert answer.status_code == 400
    (error,) = answer.get_json()["errors"]
    assert error["parameter"] == parameter
    assert why in error["detail"]
    assert billing.odoo.moves() == []


def test_all_that_is_malformed_is_named_at_once(billing: Billing) -> None:
    answer = billing.ask(date="soon", dry_run="maybe")
    assert [error["parameter"] for error in answer.get_json()["errors"]] == ["dry_run", "date"]


def test_a_period_before_the_first_month_is_refused(tmp_path: Path) -> None:
    billing = Billing(tmp_path, invoice_from="2026-11")
    answer = billing.ask(dry_run="all")
    assert (answer.status_code, "before 2026-11, the first month that is ever billed" in answer.text) == (400, True)


def test_a_period_that_is_not_over_for_a_day_is_refused_but_for_dry_runs(billing: Billing) -> None:
    now = datetime(2026, 11, 1, 12, tzinfo=UTC)
    object.__setattr__(billing.parts.book, "clock", lambda: int(now.timestamp()) * 1_000_000)
    answer = billing.ask(date="2026-11-01")
    assert (answer.status_code, "can be billed from" in answer.text) == (409, True)
    assert billing.ask(date="2026-11-01", dry_run="all").status_code == 200


def test_a_run_beside_another_is_refused(billing: Billing) -> None:
    billing.parts.runs.lease(OCTOBER)
    answer = billing.ask()
    assert (answer.status_code, "another run works on this period" in answer.text) == (409, True)


def test_nothing_runs_while_a_person_stopped_it(billing: Billing) -> None:
    assert billing.post("stop", {"reason": "wrong prices"}).status_code == 200
    answer = billing.ask()
    assert (answer.status_code, "invoicing was stopped by bookkeeper: wrong prices" in answer.text) == (409, True)
    assert billing.post("continue", {"reason": "prices are right"}).status_code == 200
    assert billing.ask().status_code == 200


def test_an_odoo_that_is_away_is_503_and_nothing_was_done(billing: Billing, monkeypatch: pytest.MonkeyPatch) -> None:
    assert billing.parts.client
    slept: list[float] = []
    monkeypatch.setattr(billing.parts.client, "_sleep", slept.append)
    billing.odoo.fault = always(Fault.CANNOT_CONNECT)
    for kind in ("none", "validate"):
        answer = billing.ask(dry_run=kind)
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "60")
    billing.odoo.fault = None
    assert billing.odoo.moves() == []
    assert billing.ask(dry_run="all").status_code == 200


def test_a_location_without_odoo_can_still_look_at_what_it_would_bill(tmp_path: Path) -> None:
    service = Service(tmp_path, used(), odoo="none")
    headers = {"Authorization": BOOKKEEPER}
    assert service.client.get(f"{GENERATE}?date=2026-11-03&dry_run=all", headers=headers).status_code == 200
    answer = service.client.get(f"{GENERATE}?date=2026-11-03", headers=headers)
    assert (answer.status_code, "has no Odoo" in answer.text) == (503, True)


class Slow:
    """An Odoo whose first answer comes when it is told to."""

    def __init__(self, odoo: FakeOdoo) -> None:
        self.go_on, self._odoo = threading.Event(), odoo
        odoo.fault = self.wait

    def wait(self, *_: object) -> None:
        assert self.go_on.wait(30)


@pytest.mark.parametrize("by", ["patience", "header"])
def test_a_run_that_takes_long_is_202_with_where_to_look_and_goes_on(billing: Billing, monkeypatch: pytest.MonkeyPatch, by: str) -> None:
    slow = Slow(billing.odoo)
    headers = {"Authorization": BOOKKEEPER}
    if by == "patience":
        monkeypatch.setattr(invoicing, "PATIENCE_SEC", 0.01)
    else:
        headers["Prefer"] = "respond-async, wait=1"
    answer = billing.service.client.get(f"{GENERATE}?date={LATER}", headers=headers)
    assert answer.status_code == 202
    body = answer.get_json()
    assert (answer.headers["Location"], body["state"]) == (f"/invoicing/runs/{body['run_id']}", "running")
    assert billing.ask(answer.headers["Location"]).status_code == 202
    slow.go_on.set()
    ticket = billing.service.app.extensions["services"].desk.find(body["run_id"])
    assert ticket.done.wait(30)
    ended = billing.ask(answer.headers["Location"])
    assert (ended.status_code, ended.get_json()["summary"]["created"]) == (200, 2)


def test_a_run_of_another_process_that_was_cut_off_is_told_as_such(billing: Billing) -> None:
    run, lease = billing.parts.runs.start(Order(OCTOBER, "none", "automatic", "automatic"), "sent")
    answer = billing.ask(f"/invoicing/runs/{run.id}")
    assert (answer.status_code, answer.get_json()["state"]) == (202, "running")
    with billing.service.books.db.transaction() as db:
        lease.give_back(db)
    assert billing.ask(f"/invoicing/runs/{run.id}").get_json()["state"] == "waiting"


def test_a_run_that_is_stopped_midway_says_where_to_look_for_what_it_did(billing: Billing) -> None:
    def stop(model: str, method: str, _: int) -> None:
        if (model, method) == ("account.move", "action_post"):
            billing.parts.actions.halt(Decision("ana", "wrong prices"))

    billing.odoo.fault = stop
    answer = billing.ask()
    billing.odoo.fault = None
    assert answer.status_code == 409
    path = answer.get_json()["detail"].rpartition(" ")[2]
    found = billing.ask(path).get_json()
    assert (found["error"], found["summary"]["total_detected"]) == ("invoicing was stopped by ana: wrong prices", 0)


def test_a_head_bills_nobody(billing: Billing) -> None:
    answer = billing.ask(method="HEAD")
    assert (answer.status_code, answer.headers["Allow"]) == (405, "GET, POST")
    assert (billing.odoo.moves(), billing.audit()) == ([], [])


def test_a_run_that_there_is_not_is_404(billing: Billing) -> None:
    assert billing.ask("/invoicing/runs/none").status_code == 404


def test_who_was_held_is_billed_by_resume(billing: Billing) -> None:
    partner = next(partner for partner in billing.odoo.partners if partner["ref"] == "acme" and partner["active"])
    billing.odoo.change("res.partner", partner["id"], email=False)
    assert billing.ask().get_json()["summary"]["held"] == 1
    billing.odoo.change("res.partner", partner["id"], email="billing@acme.example")
    body = billing.post("resume", {"period": "2026-10", "reason": "has an address now"}).get_json()
    assert (body["summary"]["created"], body["summary"]["duplicates"]) == (1, 1)
    assert billing.audit()[-1] == ("bookkeeper", "resume")


def test_decisions_are_made_over_http(billing: Billing) -> None:
    billing.ask()
    assert billing.post("credit", {"ref": REF, "amount": "0.25", "reason": "outage"}).get_json()["subjects"] == [f"{REF}-credit-1"]
    assert billing.post("void", {"ref": REF, "rebill": True, "reason": "wrong customer"}).status_code == 200
    assert billing.post("partner", {"customer_id": "acme", "partner_id": 1, "reason": "same company"}).status_code == 200
    assert billing.post("order-number", {"customer_id": "acme", "order_number": "PO-1", "reason": "asked for"}).status_code == 200
    assert billing.post("currency", {"customer_id": "acme", "currency": "EUR", "reason": "asked for"}).status_code == 200
    assert billing.post("rate", {"currency": "EUR", "date": "2026-10-30", "rate": "0.91", "reason": "from the bank"}).status_code == 200
    assert billing.post("approve", {"period": "2026-10", "reason": "looked at"}).get_json() == {"done": "approved 0", "subjects": []}
    for path, body in (
        ("resend", {"ref": REF, "reason": "x"}),
        ("resend-failed", {"period": "2026-10", "reason": "x"}),
        ("order-number", {"customer_id": "acme", "order_number": "two\nlines", "reason": "x"}),
        ("rate", {"currency": "EUR", "date": "2999-01-01", "rate": "0.91", "reason": "x"}),
        ("release", {"period": "2026-10", "code": "brake-run", "reason": "x"}),
        ("void", {"ref": "none", "reason": "x"}),
        ("continue", {"reason": "x"}),
    ):
        assert billing.post(path, body).status_code == 409
    assert [what for _, what in billing.audit()] == [
        *("run, dry_run=none", "credit", "void and bill again"),
        *("choose partner", "choose order number", "choose currency", "give rate", "approve invoices"),
    ]


@pytest.mark.parametrize(
    ("path", "body", "parameters"),
    [
        ("void", {}, ["ref", "reason"]),
        ("void", {"ref": REF, "reason": "  "}, ["reason"]),
        ("void", {"ref": REF, "reason": "x", "rebil": True}, ["rebil"]),
        ("void", {"ref": REF, "reason": "x", "rebill": "yes"}, ["rebill"]),
        ("credit", {"ref": REF, "reason": "x", "amount": 1.5}, ["amount"]),
        ("credit", {"ref": REF, "reason": "x", "amount": "1e3"}, ["amount"]),
        ("approve", {"period": "October", "reason": "x"}, ["period"]),
        ("approve", {"period": "2026-10", "reason": "x", "refs": []}, ["refs"]),
        ("partner", {"customer_id": "acme", "partner_id": 0, "reason": "x"}, ["partner_id"]),
        ("order-number", {"customer_id": "acme", "reason": "x"}, ["order_number"]),
        ("currency", {"customer_id": "acme", "currency": "lei", "reason": "x"}, ["currency"]),
        ("rate", {"currency": "RON", "date": "2026-02-30", "rate": "4.5", "reason": "x"}, ["date"]),
        ("rate", {"currency": "RON", "date": "2026-11-02", "rate": "4,5", "reason": "x"}, ["rate"]),
        ("order-number", {"customer_id": "acme", "order_number": "x" * 65, "reason": "x"}, ["order_number"]),
        ("stop", [], ["body"]),
        ("resume", {"period": "1969-12", "reason": "x"}, ["period"]),
    ],
)
def test_a_body_that_is_wrong_is_refused_with_every_field_at_fault(billing: Billing, path: str, body: Any, parameters: list[str]) -> None:
    answer = billing.post(path, body)
    assert answer.status_code == 400
    assert [error["parameter"] for error in answer.get_json()["errors"]] == parameters
    assert billing.audit() == []


def test_the_month_is_a_file_for_the_accountant(billing: Billing) -> None:
    billing.ask()
    answer = billing.ask("/invoicing/months/2026-10.csv")
    assert answer.headers["Content-Disposition"] == 'attachment; filename="invoices_embedded_2026-10.csv"'
    assert answer.text.startswith("period,invoice_ref,kind,state,customer_id")
    assert {line.split(",")[1] for line in answer.text.splitlines()[1:]} == {move["ref"] for move in billing.odoo.moves()}
    assert billing.ask("/invoicing/months/2026-13.csv").status_code == 404


def test_a_pro_forma_tells_the_running_month_as_the_invoice_will(billing: Billing) -> None:
    now = at("2026-10-20T00:00")
    book = billing.parts.book
    object.__setattr__(book, "clock", lambda: now)
    body = billing.ask("/invoicing/proforma", customer_id="acme").get_json()
    assert (body["pro_forma"], body["invoice_id"], body["total_cost"], body["period"]["start"]) == (
        *(True, "pro-forma", "1.00"),
        "2026-10-01T00:00:00Z",
    )
    object.__setattr__(book, "clock", lambda: at("2026-12-20T00:00"))
    assert billing.ask("/invoicing/proforma", customer_id="acme").get_json()["models"] == []
    assert billing.ask("/invoicing/proforma", customer_id="none").status_code == 404
    assert billing.ask("/invoicing/proforma").status_code == 400


def test_an_answer_that_is_large_is_kept_in_a_file_and_is_the_same(billing: Billing, monkeypatch: pytest.MonkeyPatch) -> None:
    small = billing.ask(dry_run="all").get_json()
    monkeypatch.setattr(results, "SPOOL", 100)
    large = billing.ask(dry_run="all").get_json()
    assert large["details"][0]["invoice"]["models"] == small["details"][0]["invoice"]["models"]
    assert large["summary"] == small["summary"]
    ticket = billing.service.app.extensions["services"].desk.find(large["run_id"])
    reading = ticket.read()
    assert next(reading)
    ticket.forget()
    assert list(reading) == [], "who reads it already may end"


def test_old_answers_are_forgotten(billing: Billing) -> None:
    first = billing.ask(dry_run="all").get_json()["run_id"]
    assert billing.ask(f"/invoicing/runs/{first}").status_code == 200
    for _ in range(25):
        billing.ask(dry_run="all")
    assert billing.ask(f"/invoicing/runs/{first}").status_code == 404


def test_metrics_tell_of_invoices(billing: Billing) -> None:
    billing.ask()
    billing.parts.watch.look()
    text = billing.service.app.extensions["services"].metrics.registry
    found = {(sample.name, *sample.labels.values()): sample.value for family in text.collect() for sample in family.samples}
    assert found["control_invoices", "sent"] == 2
    now = billing.service.now
    assert found["control_odoo_key_expires_timestamp_seconds",] == (now + timedelta(days=90)).timestamp()
    assert found["control_run_last_success_timestamp_seconds",] == now.timestamp()
