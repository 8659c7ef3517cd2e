"""What the person who bills sends from the pages: each with a reason that stands in the audit log, each answered by a page."""

from __future__ import annotations

from flask import Blueprint, redirect, request, url_for
from werkzeug.wrappers import Response

from control_app.core.numbers import Month
from control_app.core.time import month_text
from control_app.invoicing.actions import ActionError, Actions, Decision
from control_app.invoicing.automation import TARGETS
from control_app.invoicing.orders import DryRun, Order
from control_app.ledger.names import customer_number
from control_app.web.context import services
from control_app.web.pages.forms import (
    FormError,
    acting_person,
    back_to_page,
    refused_on_a_page,
    typed_amount,
    typed_decision,
    typed_number,
    typed_text,
)
from control_app.web.pages.holds import unseen
from control_app.web.pages.invoices import entry_or_404, period_or_404, why_not_billed

blueprint = Blueprint("invoice_forms", __name__, url_prefix="/invoices")


@blueprint.post("/<month>/check")
@refused_on_a_page
def check(month: str) -> Response:
    """Begin a dry run that asks Odoo and changes nothing there."""
    return _run(period_or_404(month), "validate", Decision(acting_person(), "asked for on the page"), "run, dry_run=validate")


@blueprint.post("/<month>/bill")
@refused_on_a_page
def bill(month: str) -> Response:
    """Begin a run, for somebody who typed which period it is."""
    period = period_or_404(month)
    typed = typed_text("period", f"Type {month_text(period)}, the period, to bill it.")
    if typed != month_text(period):
        raise FormError(f"You typed {typed!r}, and this is {month_text(period)}: nothing was billed.")
    return _run(period, "none", typed_decision(), "run, dry_run=none")


@blueprint.post("/<month>/resume")
@refused_on_a_page
def resume(month: str) -> Response:
    """Begin a run, after holds were resolved or released."""
    return _run(period_or_404(month), "none", typed_decision(), "resume")


@blueprint.post("/<month>/approve")
@refused_on_a_page
def approve(month: str) -> Response:
    """Approve all drafts of a period that wait."""
    period = period_or_404(month)
    if not _actions().approve(typed_decision(), period):
        raise ActionError(f"no draft of {month_text(period)} waits for approval")
    return back_to_page("pages.invoices.month", "approved", month=month)


@blueprint.post("/<month>/release")
@refused_on_a_page
def release(month: str) -> Response:
    """Release a hold, as it was seen on the page; without a customer everybody's."""
    period, code, why = period_or_404(month), typed_text("code", "Which hold is meant?"), typed_decision()
    customer_id = request.form.get("customer_id")
    db = services().db
    customer = None if customer_id is None else customer_number(db, customer_id)
    if more := unseen(db, period, code, customer, request.form.getlist("message")):
        raise ActionError(f"{code} says something else now, or more: {'; '.join(more)}. Look at it before you let it go.")
    _actions().release(why, period, code, customer_id)
    return back_to_page("pages.invoices.month", "released", month=month)


@blueprint.post("/<month>/partner")
@refused_on_a_page
def partner(month: str) -> Response:
    """Bill a customer as a partner of Odoo, by its id."""
    period_or_404(month)
    _actions().choose_partner(typed_decision(), typed_text("customer_id", "Which customer is meant?"), typed_number("partner_id"))
    return back_to_page("pages.invoices.month", "partner", month=month)


@blueprint.post("/<month>/resend")
@refused_on_a_page
def resend_failed(month: str) -> Response:
    """Send all e-mails of a period again that failed."""
    _actions().resend_failed(typed_decision(), period_or_404(month))
    return back_to_page("pages.invoices.month", "all-resent", month=month)


@blueprint.post("/<month>/order-number")
@refused_on_a_page
def order_number(month: str) -> Response:
    """Name a customer's own order number on its invoices, or none where nothing was typed."""
    period_or_404(month)
    number = request.form.get("order_number", "").strip()
    _actions().choose_order_number(typed_decision(), typed_text("customer_id", "Which customer is meant?"), number or None)
    return back_to_page("pages.invoices.month", "order-number", month=month)


@blueprint.post("/<month>/currency")
@refused_on_a_page
def currency(month: str) -> Response:
    """Bill a customer in another currency, or in the price book's where nothing was typed."""
    period_or_404(month)
    typed = request.form.get("currency", "").strip().upper()
    _actions().choose_currency(typed_decision(), typed_text("customer_id", "Which customer is meant?"), typed or None)
    return back_to_page("pages.invoices.month", "currency", month=month)


@blueprint.post("/<month>/stop")
@refused_on_a_page
def stop(month: str) -> Response:
    """Stop all invoicing, of every period."""
    period_or_404(month)
    _actions().halt(typed_decision())
    return back_to_page("pages.invoices.month", "stopped", month=month)


@blueprint.post("/<month>/continue")
@refused_on_a_page
def go_on(month: str) -> Response:
    """Let invoicing go on after a stop."""
    period_or_404(month)
    _actions().go_on(typed_decision())
    return back_to_page("pages.invoices.month", "continued", month=month)


@blueprint.post("/of/<path:ref>/approve")
@refused_on_a_page
def approve_one(ref: str) -> Response:
    """Approve one draft, which is posted and sent then."""
    entry = entry_or_404(ref)
    _actions().approve(typed_decision(), entry.month, frozenset({ref}))
    return back_to_page("pages.invoices.invoice", "approved", ref=ref)


@blueprint.post("/of/<path:ref>/void")
@refused_on_a_page
def void(ref: str) -> Response:
    """Take an invoice back; the period is billed anew where that was ticked."""
    entry_or_404(ref)
    _actions().void(typed_decision(), ref, rebill="rebill" in request.form)
    return back_to_page("pages.invoices.invoice", "voided", ref=ref)


@blueprint.post("/of/<path:ref>/credit")
@refused_on_a_page
def credit(ref: str) -> Response:
    """Credit a part of an invoice; the reason stands on the credit note."""
    entry_or_404(ref)
    _actions().credit(typed_decision(), ref, typed_amount("amount"))
    return back_to_page("pages.invoices.invoice", "credited", ref=ref)


@blueprint.post("/of/<path:ref>/resend")
@refused_on_a_page
def resend(ref: str) -> Response:
    """Send the e-mail of an invoice again, all earlier ones of which failed."""
    entry_or_404(ref)
    _actions().resend(typed_decision(), ref)
    return back_to_page("pages.invoices.invoice", "resent", ref=ref)


def _actions() -> Actions:
    return services().invoicing.actions


def _run(period: Month, dry_run: DryRun, why: Decision, what: str) -> Response:
    """Begin a run, with its line in the audit log before it, and go to its page."""
    if dry_run == "none" and (reason := why_not_billed(period)):
        raise ActionError(reason)
    _actions().note(why, what, period)
    ticket = services().desk.order(Order(period, dry_run, "manual", why.who), TARGETS[services().settings.invoicing.automatic])
    return redirect(url_for("pages.invoices.run", id=ticket.id), 303)
