"""The pages of the person who bills: a period, one invoice, and how a run went. What is sent from them is in invoice_forms.py."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from flask import Blueprint, abort, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from control_app.accounting.watch import WARNED_DAYS, accounting_state
from control_app.core.numbers import Month
from control_app.core.periods import day_text
from control_app.core.time import DAY, month_of, month_range, month_text, next_month, parse_month, previous_month
from control_app.invoicing import results
from control_app.invoicing.credits import left_of, standing
from control_app.invoicing.currencies import currencies
from control_app.invoicing.document import read_body
from control_app.invoicing.entry import WITHOUT_INVOICE, Entry
from control_app.invoicing.order_numbers import order_numbers
from control_app.invoicing.payments import Reading, payment_text, reading_of, told
from control_app.invoicing.refs import credited
from control_app.ledger.names import customer_names
from control_app.web.api.runs import month_file
from control_app.web.context import services
from control_app.web.pages.billing_month import amount_of, billing_month, holds_of
from control_app.web.pages.decisions import lines_of_invoice, lines_of_month
from control_app.web.pages.invoice_lines import lines_of
from control_app.web.pages.run import STATUSES, groups, run_page

blueprint = Blueprint("invoices", __name__, url_prefix="/invoices")
AGAIN_SEC = 2
"""Seconds after which the page of a run that is under way is loaded again."""
DONE_TEXTS = {
    "released": "The hold is released. Resume, and the invoice goes out if nothing else holds it.",
    "approved": "Approved: posted and sent in the next minutes.",
    "stopped": "Invoicing is stopped.",
    "continued": "Invoicing goes on.",
    "partner": "From the next run on the customer is billed as this partner.",
    "voided": "It is voided in the next minutes.",
    "credited": "The credit note is made and sent in the next minutes.",
    "resent": "The e-mail is sent again in the next minutes.",
    "all-resent": "All that failed are sent again in the next minutes.",
    "currency": "From the next run on the customer is billed in this currency.",
    "order-number": "The customer's invoices name it from the next run on.",
}
"""What a page says that was done, by a code in its address: so no link can have it say anything else."""


@blueprint.after_request
def _finish(response: Response) -> Response:
    # With `no-referrer` browsers send our own forms with `Origin: null`, as if by somebody who hides.
    response.headers["Referrer-Policy"] = "same-origin"
    response.headers["Cache-Control"] = "private, no-cache"
    return response


@blueprint.get("")
def newest() -> Response:
    """The newest period that is over."""
    return redirect(url_for("pages.invoices.month", month=month_text(previous_month(running_month()))))


@blueprint.get("/<month>")
def month(month: str) -> str:
    """The page of a period, `2026-10`; 404 for one that has not begun."""
    period, parts = period_or_404(month), services()
    invoicing, odoo = parts.invoicing, accounting_state(parts.db)
    runs = invoicing.runs.history.of_month(period)
    seen, names = billing_month(invoicing, period), customer_names(parts.db)
    return render_template(
        "invoices.html",
        period=period,
        before=previous_month(period) if month_range(period).start else None,
        after=next_month(period) if period < running_month() else None,
        seen=seen,
        runs=[(run, results.statuses(parts.db, run.id)) for run in runs],
        statuses=STATUSES,
        barred=why_not_billed(period),
        halted=invoicing.book.halted(),
        odoo=odoo,
        has_odoo=invoicing.planning.accounting is not None,
        days_left=odoo.days_left(invoicing.book.clock()) if odoo else None,
        warned_days=WARNED_DAYS[0],
        currencies=[(names[customer], code) for customer, code in currencies(parts.db).items()],
        order_numbers=[(names[customer], number) for customer, number in order_numbers(parts.db).items()],
        audit_lines=lines_of_month(parts.db, period, [one.entry.ref for one in seen.billed]),
        done_text=DONE_TEXTS.get(request.args.get("done", "")),
    )


@blueprint.get("/<month>/accountant.csv")
def accountant(month: str) -> Response:
    """The period for the accountant: every line with its exact and its rounded amount."""
    return month_file(period_or_404(month))


@blueprint.get("/<month>/bill")
def bill(month: str) -> str:
    """What billing a period would come to, and the form that does it."""
    period, parts = period_or_404(month), services()
    invoicing = parts.invoicing
    return render_template(
        "bill.html",
        period=period,
        seen=billing_month(invoicing, period),
        barred=why_not_billed(period) or invoicing.book.halted(),
        automatic=parts.settings.invoicing.automatic,
    )


@blueprint.get("/of/<path:ref>")
def invoice(ref: str) -> str:
    """One invoice or credit note, by its name."""
    parts, entry = services(), entry_or_404(ref)
    invoicing, body = parts.invoicing, read_body(entry.body)
    against = [] if entry.credit else invoicing.book.credits(entry)
    holds = holds_of(invoicing, entry)
    is_alive = not entry.credit and entry.target != "void"
    paid = reading_of(parts.db, entry)
    return render_template(
        "invoice.html",
        entry=entry,
        body=body,
        name=customer_names(parts.db)[entry.customer],
        lines=list(lines_of(body)),
        amount=amount_of(entry),
        payment=payment_text(entry, paid),
        paid_at=paid.at if paid else None,
        with_tax=[(label, told(amount, entry)) for label, amount in _with_tax(paid)],
        original=invoicing.book.by_ref(credited(entry.ref)) if entry.credit else None,
        credits=[(credit, amount_of(credit)) for credit in against],
        left=left_of(entry, standing(against)),
        holds=holds,
        dates=[day_text(day) for day in (entry.invoice_day, month_range(entry.month).end // DAY - 1, entry.due_day)],
        may_approve=entry.waits_for_approval,
        may_void=is_alive and entry.state not in WITHOUT_INVOICE,
        may_credit=is_alive and entry.state in ("posted", "sent"),
        may_resend=entry.state == "posted" and entry.target != "void" and any(hold.code == "mail-failed" for hold in holds),
        audit_lines=lines_of_invoice(parts.db, entry, body.customer_id),
        done_text=DONE_TEXTS.get(request.args.get("done", "")),
    )


def _with_tax(paid: Reading | None) -> Iterator[tuple[str, Decimal]]:
    """What Odoo makes of an invoice; nothing before it was read."""
    if paid and (payment := paid.payment):
        yield from (("Tax", payment.tax), ("Total, with tax", payment.total), ("Unpaid", payment.unpaid))


@blueprint.get("/runs/<id>")
def run(id: str) -> Response:
    """How a run or a dry run goes, again and again until it ended; then what became of each customer."""
    runs = services().invoicing.runs
    page = run_page(runs, services().desk.find(id), id)
    if page is None:
        abort(404, f"there is no run {id[:40]!r}; what only checks is forgotten after a while")
    refs = {entry.ref for entry in runs.book.entries(page.order.month)}
    is_still = "still" in request.args
    answer = make_response(render_template("run.html", page=page, groups=groups(runs, page), refs=refs, is_still=is_still))
    if page.is_running and not is_still:
        # A header, since nobody could stop an element of the page.
        answer.headers["Refresh"] = str(AGAIN_SEC)
    return answer


def period_or_404(text: str) -> Month:
    """The number of a month that has begun; 404 for any other."""
    found = parse_month(text)
    if found is None or found > running_month():
        abort(404, f"{text[:40]!r} is no month from 1970-01 to {month_text(running_month())}")
    return found


def running_month() -> Month:
    """The number of the month that runs, by the service's clock."""
    return month_of(services().invoicing.book.clock())


def entry_or_404(ref: str) -> Entry:
    """The invoice of that name; 404 where there is none."""
    entry = services().invoicing.book.by_ref(ref)
    if entry is None:
        abort(404, f"there is no invoice {ref[:120]!r}")
    return entry


def why_not_billed(month: Month) -> str | None:
    """Why a period is not billed, whatever is in it; None where it may be."""
    reason = services().invoicing.runs.barred(month)
    return str(reason) if reason else None
