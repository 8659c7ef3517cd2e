"""What the person who bills sends from the pages: each with a reason that stands in the audit log, each answered by a page."""

from __future__ import annotations

from flask import Blueprint, redirect, request, url_for
from werkzeug.wrappers import Response

from control_app.directory import customer_number
from control_app.invoicing.actions import ActionError, Actions, Decision
from control_app.invoicing.automation import TARGETS
from control_app.invoicing.orders import DryRun, Order
from control_app.spans import month_text
from control_app.web.context import services
from control_app.web.forms import FormError, act, amount, decision, done, field, number, who
from control_app.web.invoices import barred, entry_of, guard, period_of
from control_app.web.seen_holds import unseen

blueprint = Blueprint("invoice_forms", __name__, url_prefix="/invoices")
blueprint.before_request(guard)


@blueprint.post("/<month>/check")
@act
def check(month: str) -> Response:
    """A dry run that asks Odoo and changes nothing there."""
    return _run(period_of(month), "validate", Decision(who(), "asked for on the page"), "run, dry_run=validate")


@blueprint.post("/<month>/bill")
@act
def bill(month: str) -> Response:
    """A run, by somebody who typed which period it is."""
    period = period_of(month)
    typed = field("period", f"Type {month_text(period)}, the period, to bill it.")
    if typed != month_text(period):
        raise FormError(f"You typed {typed!r}, and this is {month_text(period)}: nothing was billed.")
    return _run(period, "none", decision(), "run, dry_run=none")


@blueprint.post("/<month>/resume")
@act
def resume(month: str) -> Response:
    """A run, after holds were resolved or released."""
    return _run(period_of(month), "none", decision(), "resume")


@blueprint.post("/<month>/approve")
@act
def approve(month: str) -> Response:
    """All drafts of a period that wait."""
    period = period_of(month)
    if not _actions().approve(decision(), period):
        raise ActionError(f"no draft of {month_text(period)} waits for approval")
    return done("invoices.month", "approved", month=month)


@blueprint.post("/<month>/release")
@act
def release(month: str) -> Response:
    """A hold, as it was seen on the page; without a customer everybody's."""
    period, code, why = period_of(month), field("code", "Which hold is meant?"), decision()
    customer_id = request.form.get("customer_id")
    planning = services().invoicing.planning
    customer = None if customer_id is None else customer_number(planning.db, customer_id)
    if more := unseen(planning, period, code, customer, request.form.getlist("message")):
        raise ActionError(f"{code} says something else now, or more: {'; '.join(more)}. Look at it before you let it go.")
    _actions().release(why, period, code, customer_id)
    return done("invoices.month", "released", month=month)


@blueprint.post("/<month>/partner")
@act
def partner(month: str) -> Response:
    """Which partner of Odoo a customer is."""
    period_of(month)
    _actions().choose_partner(decision(), field("customer_id", "Which customer is meant?"), number("partner_id"))
    return done("invoices.month", "partner", month=month)


@blueprint.post("/<month>/stop")
@act
def stop(month: str) -> Response:
    """All invoicing, of every period."""
    period_of(month)
    _actions().halt(decision())
    return done("invoices.month", "stopped", month=month)


@blueprint.post("/<month>/continue")
@act
def go_on(month: str) -> Response:
    """After a stop."""
    period_of(month)
    _actions().go_on(decision())
    return done("invoices.month", "continued", month=month)


@blueprint.post("/of/<path:ref>/approve")
@act
def approve_one(ref: str) -> Response:
    """One draft."""
    entry = entry_of(ref)
    _actions().approve(decision(), entry.month, frozenset({ref}))
    return done("invoices.invoice", "approved", ref=ref)


@blueprint.post("/of/<path:ref>/void")
@act
def void(ref: str) -> Response:
    """Take an invoice back; the period is billed anew where that was ticked."""
    entry_of(ref)
    _actions().void(decision(), ref, rebill="rebill" in request.form)
    return done("invoices.invoice", "voided", ref=ref)


@blueprint.post("/of/<path:ref>/credit")
@act
def credit(ref: str) -> Response:
    """A part of an invoice; the reason stands on the credit note."""
    entry_of(ref)
    _actions().credit(decision(), ref, amount("amount"))
    return done("invoices.invoice", "credited", ref=ref)


@blueprint.post("/of/<path:ref>/resend")
@act
def resend(ref: str) -> Response:
    """The e-mail of an invoice, all earlier ones of which failed."""
    entry_of(ref)
    _actions().resend(decision(), ref)
    return done("invoices.invoice", "resent", ref=ref)


def _actions() -> Actions:
    return services().invoicing.actions


def _run(period: int, dry_run: DryRun, why: Decision, what: str) -> Response:
    """Begin it, with its line in the audit log before it, and go to its page."""
    if dry_run == "none" and (reason := barred(period)):
        raise ActionError(reason)
    _actions().note(why, what, period)
    ticket = services().desk.order(Order(period, dry_run, "manual", why.who), TARGETS[services().settings.automatic])
    return redirect(url_for("invoices.run", id=ticket.id), 303)
