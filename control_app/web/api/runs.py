"""`/invoicing`: run it, look at a run, and the files of a month. What a person decides is in decisions.py."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any, Literal, TypeVar

import msgspec
from flask import Blueprint, Response, abort, g, request
from werkzeug.exceptions import Conflict, MethodNotAllowed, ServiceUnavailable

from control_app.accounting.port import AccountingError
from control_app.core.numbers import Month
from control_app.core.periods import PeriodError, time_text, written_period
from control_app.core.time import month_range, month_text, parse_month
from control_app.invoicing.actions import Decision
from control_app.invoicing.desk import Ticket
from control_app.invoicing.document import ProForma
from control_app.invoicing.exports import month_csv
from control_app.invoicing.history import Run
from control_app.invoicing.orders import DRY_RUNS, NotNowError, Order, month_before
from control_app.invoicing.proforma import pro_forma
from control_app.invoicing.results import Progress, RunAnswer, RunProgress
from control_app.web.api import shapes as answers
from control_app.web.api.openapi import CSV, JSON, Answer, Operation, Parameter, describe
from control_app.web.api.parameters import TIME_SCHEMA, customer_or_404, query_parameters
from control_app.web.context import services
from control_app.web.errors import BadParametersError

blueprint = Blueprint("invoicing", __name__)
PATIENCE_SEC = 30
"""Seconds for which a caller waits; what takes longer is answered with where to look."""
RETRY_SEC = 2
RETRY_ODOO_SEC = 60
View = TypeVar("View", bound=Callable[..., Any])
_LATER = Answer("It goes on; `Location` is where to look.", {JSON: RunProgress}, headers={"Retry-After": "Seconds"})
REFUSALS = {
    400: "a parameter is missing, malformed or unknown",
    401: "the key is missing or unknown",
    403: "the key is no admin key, or has not the scope `invoices`",
    429: "too many requests this minute",
}


def invoices_scope_only(view: View) -> View:
    """Only for admin keys with the scope `invoices`; what invoicing refuses is told."""

    @wraps(view)
    def checked(*args: Any, **given: Any) -> Any:
        caller = services().access.caller("invoices")
        if caller.admin is None:
            abort(403, "invoices need an admin key with the scope invoices")
        g.admin = caller.admin.name
        try:
            return view(*args, **given)
        except NotNowError as error:
            raise Conflict(f"{error}{_where()}") from error
        except AccountingError as error:
            raise ServiceUnavailable(f"{error}{_where()}", retry_after=RETRY_ODOO_SEC) from error

    return checked  # type: ignore[return-value] # it is the view, behind a check


def _where() -> str:
    """Where to look for what a run did before it was stopped."""
    return f"; what was done is at /invoicing/runs/{g.run}" if "run" in g else ""


@blueprint.route("/invoicing/generate", methods=["GET", "POST"])
@describe(
    Operation(
        summary="Bill a month",
        answers={
            200: Answer("What became of each customer.", {JSON: RunAnswer}, headers={"Cache-Control": "`no-store`"}),
            202: _LATER,
        },
        problems={
            **REFUSALS,
            400: "`date` is malformed, in the future, or its period before the first month that is billed; or `dry_run` is unknown",
            409: "another run works on the period, invoicing is stopped, or the period is not over for a day yet",
            503: "Odoo does not answer, or refuses; nothing was done that was not done before",
        },
        shapes={400: answers.BadRequest},
        parameters=(
            Parameter(
                "date",
                "The time that counts as now: the calendar month before it (UTC) is billed. Default: now.",
                TIME_SCHEMA,
            ),
            Parameter(
                "dry_run",
                "`all`: Odoo is not touched. `validate`: it is only read. `none`: invoices are made, posted and sent.",
                {"enum": list(DRY_RUNS), "default": "none"},
            ),
            Parameter("Prefer", "`respond-async`: do not wait.", {"type": "string"}, where="header"),
        ),
        needs_key=True,
    )
)
@invoices_scope_only
def generate() -> Response:
    """Bills the customers of the month before `date`: an invoice each, or the holds that say why not.

    Asked again it makes none twice. What is not done in 30 seconds, or with `Prefer: respond-async`, is answered with 202 and
    goes on.
    """
    if request.method == "HEAD":
        raise MethodNotAllowed(["GET", "POST"], "a HEAD bills nobody; ask with GET or POST")
    asked, problems = query_parameters(("date", "dry_run"), {"dry_run": DRY_RUNS})
    dry_run = asked.get("dry_run", "none")
    invoicing, month = services().invoicing, Month(0)
    try:
        month = month_before(asked.get("date"), invoicing.book.clock(), services().settings.invoicing.first_month)
    except PeriodError as error:
        problems |= error.problems
    if problems:
        raise BadParametersError(problems)
    invoicing.actions.note(Decision(admin_name(), "asked for over HTTP"), f"run, dry_run={dry_run}", month)
    ticket = services().desk.order(Order(month, dry_run, "manual", admin_name()), "sent")  # type: ignore[arg-type] # one of DRY_RUNS
    return run_answer(ticket)


@blueprint.get("/invoicing/runs/<id>")
@describe(
    Operation(
        summary="A run",
        answers={200: Answer("It ended: what became of each customer.", {JSON: RunAnswer}), 202: _LATER},
        problems={
            **REFUSALS,
            404: "there is no such run; dry runs are forgotten after a while",
            503: "Odoo did not answer, and the run ended",
        },
        parameters=(Parameter("id", "The `run_id`.", {"type": "string"}, required=True, where="path"),),
        needs_key=True,
    )
)
@invoices_scope_only
def run(id: str) -> Response:
    """202 with how far it is while it is under way, then its answer."""
    _asked()
    ticket = services().desk.find(id)
    # What became of a run is in the database: what waited when it was answered may have gone on since.
    if ticket and not (ticket.done.is_set() and ticket.order.dry_run == "none"):
        return _ticket_answer(ticket)
    runs = services().invoicing.runs
    found = runs.history.find(id)
    if found is None:
        abort(404, f"there is no run {id[:40]!r}")
    if found.finished_at is None:
        return _progress(
            found.id, found.order, found.started_at, _progress_of(found), "running" if runs.is_at_work(found.month) else "waiting"
        )
    answer = runs.answer(found)
    return _json(iter(lambda: answer.read(64 * 1024), b""), answer.close)


@blueprint.get("/invoicing/months/<period>.csv")
@describe(
    Operation(
        summary="A month for the accountant",
        answers={200: Answer("A row a line and one a total, of every invoice and credit note.", {CSV: {"type": "string"}})},
        problems={**REFUSALS, 404: "there is no such month"},
        parameters=(Parameter("period", "The billing period.", {"type": "string"}, required=True, where="path", example="2026-10"),),
        needs_key=True,
    )
)
@invoices_scope_only
def month(period: str) -> Response:
    """Invoices, lines, Odoo's ids and numbers, and what rounding changed, as CSV. Amounts of credit notes are negative."""
    _asked()
    number = parse_month(period)
    if number is None:
        abort(404, f"{period[:40]!r} is no month since 1970-01")
    return month_file(number)


@blueprint.get("/invoicing/proforma")
@describe(
    Operation(
        summary="What a customer's running month comes to",
        answers={200: Answer("As if it ended now; no invoice.", {JSON: ProForma})},
        problems={**REFUSALS, 404: "there is no such customer"},
        shapes={400: answers.BadRequest},
        parameters=(Parameter("customer_id", "The gateway's id.", {"type": "string", "minLength": 1}, required=True),),
        needs_key=True,
    )
)
@invoices_scope_only
def proforma() -> Response:
    """A pro-forma of the month that runs: the same lines and the same rounding as the invoice will have."""
    asked = _asked(("customer_id",))
    if not asked.get("customer_id"):
        raise BadParametersError({"customer_id": "missing; it is the gateway's id of the customer"})
    invoicing = services().invoicing
    customer = customer_or_404(asked["customer_id"])
    return _json(
        [
            msgspec.json.encode(pro_forma(invoicing.book, invoicing.bills, invoicing.planning.writer, customer)),
            b"\n",
        ]
    )


def month_file(month: Month) -> Response:
    """A month for the accountant, to be saved."""
    name = f"invoices_{services().settings.cluster.location}_{month_text(month)}.csv"
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    text = "".join(month_csv(services().invoicing.book, month))
    return Response(text, headers=headers, content_type="text/csv; charset=utf-8; header=present")


def period_or_400(text: str) -> Month:
    """The number of a month; 400 where *text* is none."""
    number = parse_month(text)
    if number is None:
        raise BadParametersError({"period": f"{text[:40]!r} is no month; write it like 2026-10"})
    return number


def _asked(names: Sequence[str] = ()) -> dict[str, str]:
    values, problems = query_parameters(names, {})
    if problems:
        raise BadParametersError(problems)
    return values


def admin_name() -> str:
    """The name of the admin key that the request was sent with."""
    name: str = g.admin
    return name


def run_answer(ticket: Ticket) -> Response:
    """A run's answer, or how far it is; waits for it a while, unless the caller would rather not."""
    if "respond-async" not in request.headers.get("Prefer", ""):
        ticket.done.wait(PATIENCE_SEC)
    return _ticket_answer(ticket)


def _ticket_answer(ticket: Ticket) -> Response:
    if not ticket.done.is_set():
        return _progress(ticket.id, ticket.order, ticket.at, ticket.progress, "running")
    if ticket.error:
        if ticket.order.dry_run == "none":
            g.run = ticket.id
        raise ticket.error
    return _json(ticket.read())


def _progress_of(run: Run) -> tuple[int, int]:
    db = services().db
    done: int = db.connection.execute("SELECT count(*) FROM results WHERE run = ?", [run.id]).fetchone()[0]
    return done, max(done, run.customers)


def _progress(id: str, order: Order, at: int, progress: tuple[int, int], state: Literal["running", "waiting"]) -> Response:
    body = RunProgress(
        run_id=id,
        state=state,
        period=written_period(month_range(order.month)),
        dry_run=order.dry_run,
        started_at=time_text(at),
        progress=Progress(*progress),
    )
    answer = _json([msgspec.json.encode(body), b"\n"])
    answer.status_code = 202
    answer.headers["Location"] = f"/invoicing/runs/{id}"
    answer.headers["Retry-After"] = str(RETRY_SEC)
    return answer


def _json(parts: Any, close: Callable[[], None] | None = None) -> Response:
    answer = Response(parts, headers={"Cache-Control": "no-store"}, mimetype=JSON)
    if close:
        answer.call_on_close(close)
    return answer
