"""What a person decides about invoices over HTTP: each with a reason, by an admin key with the scope `invoices`."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any, TypeVar

from flask import Blueprint, Response, request
from pydantic import BaseModel, ValidationError
from werkzeug.exceptions import Conflict

from control_app.invoicing.actions import ActionError, Decision
from control_app.invoicing.automation import TARGETS
from control_app.invoicing.orders import Order
from control_app.web import answers, invoice_answers
from control_app.web.context import services
from control_app.web.errors import BadParametersError
from control_app.web.invoicing import REFUSALS, answer_of, billing, period_of, who
from control_app.web.openapi import JSON, Answer, Operation, describe

blueprint = Blueprint("decisions", __name__, url_prefix="/invoicing")
Shape = TypeVar("Shape", bound=BaseModel)
View = TypeVar("View", bound=Callable[..., Any])


def _decision(summary: str, body: type[BaseModel]) -> Callable[[View], View]:
    """How such a view is described."""
    problems = {**REFUSALS, 409: "it cannot be, and why; or a run works on the period", 503: "Odoo does not answer, or refuses"}
    done = {200: Answer("It is done, or begun.", {JSON: invoice_answers.Done})}
    return describe(Operation(summary, done, problems, {400: answers.BadRequest}, needs_key=True, body=body))


@blueprint.post("/resume")
@describe(
    Operation(
        summary="Bill again who was held",
        answers={
            200: Answer("What became of each customer.", {JSON: invoice_answers.RunAnswer}),
            202: Answer("It goes on; `Location` is where to look.", {JSON: invoice_answers.RunProgress}),
        },
        problems={**REFUSALS, 409: "a run works on the period, invoicing is stopped, or it is too early", 503: "Odoo does not answer"},
        shapes={400: answers.BadRequest},
        needs_key=True,
        body=invoice_answers.ForPeriod,
    )
)
@billing
def resume() -> Response:
    """A run over a period: those who have their invoice keep it, the others are looked at anew."""
    asked = _read(invoice_answers.ForPeriod)
    month = period_of(asked.period)
    first = services().settings.first_month
    if first is not None and month < first:
        raise BadParametersError({"period": "before the first month that is billed"})
    _act(lambda decision: services().invoicing.actions.note(decision, "resume", month), asked.reason)
    return answer_of(services().desk.order(Order(month, "none", "manual", who()), TARGETS[services().settings.automatic]))


@blueprint.post("/release")
@_decision("Let a hold go", invoice_answers.Release)
@billing
def release() -> Response:
    """Lets invoices go out in spite of a hold, as it says now; if it says something else later, it holds again."""
    asked = _read(invoice_answers.Release)
    actions = services().invoicing.actions
    said = _act(lambda decision: actions.release(decision, period_of(asked.period), asked.code, asked.customer_id), asked.reason)
    return _done("released; resume bills who was held by nothing else", said)


@blueprint.post("/approve")
@_decision("Post and send drafts", invoice_answers.Approve)
@billing
def approve() -> Response:
    """Drafts of the period are posted and sent, by and by."""
    asked = _read(invoice_answers.Approve)
    refs = None if asked.refs is None else frozenset(asked.refs)
    actions = services().invoicing.actions
    chosen = _act(lambda decision: actions.approve(decision, period_of(asked.period), refs), asked.reason)
    return _done(f"approved {len(chosen)}", *chosen)


@blueprint.post("/void")
@_decision("Void an invoice", invoice_answers.Void)
@billing
def void() -> Response:
    """A draft is cancelled; a posted invoice gets a credit note over all of it, which is sent."""
    asked = _read(invoice_answers.Void)
    _act(lambda decision: services().invoicing.actions.void(decision, asked.ref, rebill=asked.rebill), asked.reason)
    return _done("is being voided", asked.ref)


@blueprint.post("/credit")
@_decision("Credit a part of an invoice", invoice_answers.Credit)
@billing
def credit() -> Response:
    """A credit note over an amount, with the reason on it, which is sent."""
    asked = _read(invoice_answers.Credit)
    ref = _act(lambda decision: services().invoicing.actions.credit(decision, asked.ref, Decimal(asked.amount)), asked.reason)
    return _done("a credit note is being made", ref)


@blueprint.post("/resend")
@_decision("Send an e-mail again that failed", invoice_answers.ForInvoice)
@billing
def resend() -> Response:
    """Only where every e-mail of the invoice failed: no customer gets two."""
    asked = _read(invoice_answers.ForInvoice)
    _act(lambda decision: services().invoicing.actions.resend(decision, asked.ref), asked.reason)
    return _done("is being sent again", asked.ref)


@blueprint.post("/partner")
@_decision("Choose a customer's partner", invoice_answers.ChoosePartner)
@billing
def partner() -> Response:
    """From the next run on the customer is billed as this partner of Odoo."""
    asked = _read(invoice_answers.ChoosePartner)
    actions = services().invoicing.actions
    _act(lambda decision: actions.choose_partner(decision, asked.customer_id, asked.partner_id), asked.reason)
    return _done(f"billed as partner {asked.partner_id} from now on", asked.customer_id)


@blueprint.post("/stop")
@_decision("Stop all invoicing", invoice_answers.Because)
@billing
def stop() -> Response:
    """Nothing is made, posted or sent until it is let go on; what is under way stops before its next step."""
    _act(services().invoicing.actions.halt, _read(invoice_answers.Because).reason)
    return _done("invoicing is stopped")


@blueprint.post("/continue")
@_decision("Let invoicing go on", invoice_answers.Because)
@billing
def go_on() -> Response:
    """After a stop."""
    _act(services().invoicing.actions.go_on, _read(invoice_answers.Because).reason)
    return _done("invoicing goes on")


Result = TypeVar("Result")


def _act(act: Callable[[Decision], Result], reason: str) -> Result:
    try:
        return act(Decision(who(), reason))
    except ActionError as error:
        raise Conflict(str(error)) from error
    except ValueError as error:
        raise BadParametersError({"reason": str(error)}) from error


def _read(shape: type[Shape]) -> Shape:
    """The body; 400 with all that is wrong with it."""
    try:
        return shape.model_validate_json(request.get_data(), strict=True)
    except ValidationError as error:
        details = error.errors(include_url=False, include_input=False)
        raise BadParametersError({".".join(map(str, detail["loc"])) or "body": detail["msg"] for detail in details}) from None


def _done(what: str, *subjects: str) -> Response:
    return Response(json.dumps({"done": what, "subjects": subjects}) + "\n", headers={"Cache-Control": "no-store"}, mimetype=JSON)
