"""What a person decides about invoices over HTTP: each with a reason, by an admin key with the scope `invoices`."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any, TypeVar

from flask import Blueprint, Response
from pydantic import BaseModel
from werkzeug.exceptions import Conflict

from control_app.invoicing.actions import ActionError, Decision
from control_app.invoicing.automation import TARGETS
from control_app.invoicing.orders import Order, TooOldError
from control_app.invoicing.results import RunAnswer, RunProgress
from control_app.web.api import invoice_shapes as invoice_answers
from control_app.web.api import shapes as answers
from control_app.web.api.acts import Done, asked_body, done_answer
from control_app.web.api.openapi import JSON, Answer, Operation, describe
from control_app.web.api.runs import REFUSALS, admin_name, invoices_scope_only, period_or_400, run_answer
from control_app.web.context import services
from control_app.web.errors import BadParametersError

blueprint = Blueprint("decisions", __name__, url_prefix="/invoicing")


View = TypeVar("View", bound=Callable[..., Any])


def _decision(summary: str, body: type[BaseModel]) -> Callable[[View], View]:
    """How a view is described by which an admin decides something."""
    problems = {**REFUSALS, 409: "it cannot be, and why; or a run works on the period", 503: "Odoo does not answer, or refuses"}
    done = {200: Answer("It is done, or begun.", {JSON: Done})}
    return describe(Operation(summary, done, problems, {400: answers.BadRequest}, needs_key=True, body=body))


@blueprint.post("/resume")
@describe(
    Operation(
        summary="Bill again who was held",
        answers={
            200: Answer("What became of each customer.", {JSON: RunAnswer}),
            202: Answer("It goes on; `Location` is where to look.", {JSON: RunProgress}),
        },
        problems={**REFUSALS, 409: "a run works on the period, invoicing is stopped, or it is too early", 503: "Odoo does not answer"},
        shapes={400: answers.BadRequest},
        needs_key=True,
        body=invoice_answers.ForPeriod,
    )
)
@invoices_scope_only
def resume() -> Response:
    """A run over a period: those who have their invoice keep it, the others are looked at anew."""
    asked = asked_body(invoice_answers.ForPeriod)
    month = period_or_400(asked.period)
    if isinstance(services().invoicing.runs.barred(month), TooOldError):
        raise BadParametersError({"period": "before the first month that is billed"})
    _carry_out(lambda decision: services().invoicing.actions.note(decision, "resume", month), asked.reason)
    return run_answer(services().desk.order(Order(month, "none", "manual", admin_name()), TARGETS[services().settings.invoicing.automatic]))


@blueprint.post("/release")
@_decision("Let a hold go", invoice_answers.Release)
@invoices_scope_only
def release() -> Response:
    """Lets invoices go out in spite of a hold, as it says now; if it says something else later, it holds again."""
    asked = asked_body(invoice_answers.Release)
    actions = services().invoicing.actions
    said = _carry_out(lambda decision: actions.release(decision, period_or_400(asked.period), asked.code, asked.customer_id), asked.reason)
    return done_answer("released; resume bills who was held by nothing else", said)


@blueprint.post("/approve")
@_decision("Post and send drafts", invoice_answers.Approve)
@invoices_scope_only
def approve() -> Response:
    """Drafts of the period are posted and sent, by and by."""
    asked = asked_body(invoice_answers.Approve)
    refs = None if asked.refs is None else frozenset(asked.refs)
    actions = services().invoicing.actions
    chosen = _carry_out(lambda decision: actions.approve(decision, period_or_400(asked.period), refs), asked.reason)
    return done_answer(f"approved {len(chosen)}", *chosen)


@blueprint.post("/void")
@_decision("Void an invoice", invoice_answers.Void)
@invoices_scope_only
def void() -> Response:
    """A draft is cancelled; a posted invoice gets a credit note over all of it, which is sent."""
    asked = asked_body(invoice_answers.Void)
    _carry_out(lambda decision: services().invoicing.actions.void(decision, asked.ref, rebill=asked.rebill), asked.reason)
    return done_answer("is being voided", asked.ref)


@blueprint.post("/credit")
@_decision("Credit a part of an invoice", invoice_answers.Credit)
@invoices_scope_only
def credit() -> Response:
    """A credit note over an amount, with the reason on it, which is sent."""
    asked = asked_body(invoice_answers.Credit)
    ref = _carry_out(lambda decision: services().invoicing.actions.credit(decision, asked.ref, Decimal(asked.amount)), asked.reason)
    return done_answer("a credit note is being made", ref)


@blueprint.post("/resend")
@_decision("Send an e-mail again that failed", invoice_answers.ForInvoice)
@invoices_scope_only
def resend() -> Response:
    """Only where every e-mail of the invoice failed: no customer gets two."""
    asked = asked_body(invoice_answers.ForInvoice)
    _carry_out(lambda decision: services().invoicing.actions.resend(decision, asked.ref), asked.reason)
    return done_answer("is being sent again", asked.ref)


@blueprint.post("/resend-failed")
@_decision("Send all e-mails of a period again that failed", invoice_answers.ForPeriod)
@invoices_scope_only
def resend_failed() -> Response:
    """As when Odoo's mail server was away: each only where every e-mail of the invoice failed."""
    asked = asked_body(invoice_answers.ForPeriod)
    actions = services().invoicing.actions
    sent = _carry_out(lambda decision: actions.resend_failed(decision, period_or_400(asked.period)), asked.reason)
    return done_answer(f"{len(sent)} are being sent again", *sent)


@blueprint.post("/order-number")
@_decision("Name a customer's order number on its invoices", invoice_answers.OrderNumber)
@invoices_scope_only
def order_number() -> Response:
    """From the next run on the customer's invoices name its own order number."""
    asked = asked_body(invoice_answers.OrderNumber)
    actions = services().invoicing.actions
    _carry_out(lambda decision: actions.choose_order_number(decision, asked.customer_id, asked.order_number), asked.reason)
    return done_answer(f"invoices name {asked.order_number or 'no order number'} from now on", asked.customer_id)


@blueprint.post("/currency")
@_decision("Choose a customer's currency", invoice_answers.ChooseCurrency)
@invoices_scope_only
def currency() -> Response:
    """From the next run on the customer is billed in it, at the newest rate of the day."""
    asked = asked_body(invoice_answers.ChooseCurrency)
    actions = services().invoicing.actions
    _carry_out(lambda decision: actions.choose_currency(decision, asked.customer_id, asked.currency), asked.reason)
    return done_answer(f"billed in {asked.currency or 'the currency of the prices'} from now on", asked.customer_id)


@blueprint.post("/rate")
@_decision("Give a rate of exchange", invoice_answers.GiveRate)
@invoices_scope_only
def rate() -> Response:
    """It wins over a rate that is read for the same day."""
    asked = asked_body(invoice_answers.GiveRate)
    try:
        day = date.fromisoformat(asked.date)
    except ValueError as error:
        raise BadParametersError({"date": str(error)}) from None
    actions = services().invoicing.actions
    _carry_out(lambda decision: actions.give_rate(decision, asked.currency, day, Decimal(asked.rate)), asked.reason)
    return done_answer(f"the rate of {asked.date} is {asked.rate}", asked.currency)


@blueprint.post("/partner")
@_decision("Choose a customer's partner", invoice_answers.ChoosePartner)
@invoices_scope_only
def partner() -> Response:
    """From the next run on the customer is billed as this partner of Odoo."""
    asked = asked_body(invoice_answers.ChoosePartner)
    actions = services().invoicing.actions
    _carry_out(lambda decision: actions.choose_partner(decision, asked.customer_id, asked.partner_id), asked.reason)
    return done_answer(f"billed as partner {asked.partner_id} from now on", asked.customer_id)


@blueprint.post("/stop")
@_decision("Stop all invoicing", invoice_answers.Because)
@invoices_scope_only
def stop() -> Response:
    """Nothing is made, posted or sent until it is let go on; what is under way stops before its next step."""
    _carry_out(services().invoicing.actions.halt, asked_body(invoice_answers.Because).reason)
    return done_answer("invoicing is stopped")


@blueprint.post("/continue")
@_decision("Let invoicing go on", invoice_answers.Because)
@invoices_scope_only
def go_on() -> Response:
    """After a stop, invoices are made, posted and sent again."""
    _carry_out(services().invoicing.actions.go_on, asked_body(invoice_answers.Because).reason)
    return done_answer("invoicing goes on")


Result = TypeVar("Result")


def _carry_out(decided: Callable[[Decision], Result], reason: str) -> Result:
    try:
        return decided(Decision(admin_name(), reason))
    except ActionError as error:
        raise Conflict(str(error)) from error
    except ValueError as error:
        raise BadParametersError({"reason": str(error)}) from error
