"""The pages of the person who bills: a period, one invoice, and how a run went. What is sent from them is in invoice_forms.py."""

from __future__ import annotations

import json
import re

from flask import Blueprint, abort, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from control_app.invoicing import results
from control_app.invoicing.book import Entry
from control_app.invoicing.currency import decimals_of, minor_text
from control_app.invoicing.odoo_watch import WARNED_DAYS, odoo_state
from control_app.invoicing.orders import EarlyError, before_first, billable_from
from control_app.invoicing.refs import credited
from control_app.overview import customer_names
from control_app.periods import day_text
from control_app.spans import DAY, month_of, month_range, month_text, parse_month
from control_app.web.billing_month import amount_of, billing_month, holds_of, state_of
from control_app.web.context import services
from control_app.web.decided import decided
from control_app.web.forms import own_pages_only
from control_app.web.invoice_lines import lines_of
from control_app.web.invoicing import month_file
from control_app.web.months import money
from control_app.web.operators import operators_only
from control_app.web.seen_run import STATUSES, groups, seen_run

blueprint = Blueprint("invoices", __name__, url_prefix="/invoices")
AGAIN_SEC = 2
"""After which a page of what is under way is loaded again."""
DONE = {
    "released": "The hold is released. Resume, and the invoice goes out if nothing else holds it.",
    "approved": "Approved: posted and sent in the next minutes.",
    "stopped": "Invoicing is stopped.",
    "continued": "Invoicing goes on.",
    "partner": "From the next run on the customer is billed as this partner.",
    "voided": "It is voided in the next minutes.",
    "credited": "The credit note is made and sent in the next minutes.",
    "resent": "The e-mail is sent again in the next minutes.",
}
"""What a page tells by a code in its address, so that no link can have it say anything else."""


@blueprint.before_request
def guard() -> None:
    """Of every page here, and of what is sent from it."""
    operators_only()
    own_pages_only()


@blueprint.after_request
def _finish(response: Response) -> Response:
    # With `no-referrer` browsers send our own forms with `Origin: null`, as if by somebody who hides.
    response.headers["Referrer-Policy"] = "same-origin"
    response.headers["Cache-Control"] = "private, no-cache"
    return response


@blueprint.get("")
def newest() -> Response:
    """The newest period that is over."""
    return redirect(url_for("invoices.month", month=month_text(this_month() - 1)))


@blueprint.get("/<month>")
def month(month: str) -> str:
    """A period, `2026-10`; 404 for one that has not begun."""
    period, parts = period_of(month), services()
    invoicing, odoo = parts.invoicing, odoo_state(parts.db)
    runs = [run for run in invoicing.runs.all() if run.month == period]
    return render_template(
        "invoices.html",
        period=period,
        before=period - 1 if month_range(period).start else None,
        after=period + 1 if period < this_month() else None,
        seen=billing_month(invoicing.planning, period),
        runs=[(run, results.statuses(parts.db, run.id)) for run in runs],
        statuses=STATUSES,
        barred=barred(period),
        halted=invoicing.planning.book.halted(),
        odoo=odoo,
        has_odoo=invoicing.planning.accounting is not None,
        days_left=odoo.days_left(invoicing.planning.clock()) if odoo else None,
        warned_days=WARNED_DAYS[0],
        decided=decided(parts.db, rf"(^|/){month_text(period)}\b"),
        done=DONE.get(request.args.get("done", "")),
    )


@blueprint.get("/<month>/accountant.csv")
def accountant(month: str) -> Response:
    """The period for the accountant: every line with its exact and its rounded amount."""
    return month_file(period_of(month))


@blueprint.get("/<month>/bill")
def bill(month: str) -> str:
    """What billing a period would come to, and the form that does it."""
    period, parts = period_of(month), services()
    planning = parts.invoicing.planning
    return render_template(
        "bill.html",
        period=period,
        seen=billing_month(planning, period),
        barred=barred(period) or planning.book.halted(),
        automatic=parts.settings.automatic,
    )


@blueprint.get("/of/<path:ref>")
def invoice(ref: str) -> str:
    """One invoice or credit note, by its name."""
    parts, entry = services(), entry_of(ref)
    planning, body = parts.invoicing.planning, json.loads(entry.body)
    against = [] if entry.credit else planning.book.credits(entry)
    holds = holds_of(planning, entry)
    is_alive = not entry.credit and entry.target != "void"
    return render_template(
        "invoice.html",
        entry=entry,
        body=body,
        name=customer_names(parts.db)[entry.customer],
        lines=list(lines_of(body)),
        amount=amount_of(entry),
        original=planning.book.by_ref(credited(entry.ref)) if entry.credit else None,
        credits=[(credit, amount_of(credit)) for credit in against],
        left=entry.total - sum(credit.total for credit in against),
        holds=holds,
        dates=[day_text(day) for day in (entry.invoice_day, month_range(entry.month).end // DAY - 1, entry.due_day)],
        may_approve=entry.waits_for_approval,
        may_void=is_alive and entry.state != "skipped",
        may_credit=is_alive and entry.state in ("posted", "sent"),
        may_resend=entry.state == "posted" and entry.target != "void" and any(hold.code == "mail-failed" for hold in holds),
        decided=decided(parts.db, _about(entry, body["customer_id"])),
        done=DONE.get(request.args.get("done", "")),
    )


@blueprint.get("/runs/<id>")
def run(id: str) -> Response:
    """How a run or a dry run goes, again and again until it ended; then what became of each customer."""
    runs = services().invoicing.runs
    seen = seen_run(runs, services().desk.find(id), id)
    if seen is None:
        abort(404, f"there is no run {id[:40]!r}; what only checks is forgotten after a while")
    refs = {entry.ref for entry in runs.planning.book.entries(seen.order.month)}
    is_still = "still" in request.args
    answer = make_response(render_template("run.html", seen=seen, groups=groups(runs, seen), refs=refs, is_still=is_still))
    if seen.is_running and not is_still:
        # A header, since nobody could stop an element of the page.
        answer.headers["Refresh"] = str(AGAIN_SEC)
    return answer


blueprint.add_app_template_filter(state_of)


@blueprint.app_template_filter()
def minor(total: int, currency: str) -> str:
    """An amount in minor units: `-12.30`."""
    return minor_text(total, decimals_of(currency))


@blueprint.app_template_filter()
def signed(pico: int) -> str:
    """What was added or taken off, exact: `+0.000104`."""
    return f"+{money(pico)}" if pico > 0 else money(pico)


@blueprint.context_processor
def currency() -> dict[str, str]:
    """Every page knows in what it counts."""
    return {"currency": services().settings.currency}


def period_of(text: str) -> int:
    """The number of a month that has begun; 404 for any other."""
    found = parse_month(text)
    if found is None or found > this_month():
        abort(404, f"{text[:40]!r} is no month from 1970-01 to {month_text(this_month())}")
    return found


def this_month() -> int:
    """The one that runs."""
    return month_of(services().invoicing.planning.clock())


def entry_of(ref: str) -> Entry:
    """The invoice of that name; 404 where there is none."""
    entry = services().invoicing.planning.book.by_ref(ref)
    if entry is None:
        abort(404, f"there is no invoice {ref[:120]!r}")
    return entry


def barred(month: int) -> str | None:
    """Why a period is not billed, whatever is in it; None where it may be."""
    first = services().settings.first_month
    if first is not None and month < first:
        return before_first(month, first)
    return str(EarlyError(month)) if services().invoicing.planning.clock() < billable_from(month) else None


def _about(entry: Entry, customer_id: str) -> str:
    """What the audit log says of an invoice: by its name, or of a hold that was released."""
    return rf"(?<!\S){re.escape(entry.ref)}(?![0-9])|^{month_text(entry.month)} (everybody|{re.escape(customer_id)}) "
