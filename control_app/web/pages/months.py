"""The months as pages: what was used and what it costs, whether all of it is in the ledger, and what holds it."""

from __future__ import annotations

from decimal import Decimal

from flask import Blueprint, abort, redirect, render_template, url_for
from werkzeug.wrappers import Response

from control_app.core.numbers import Month, Pico
from control_app.core.periods import time_text
from control_app.core.time import SECOND, Range, microseconds, month_of, month_range, month_text, next_month, parse_month, previous_month
from control_app.ledger.cancels import METHOD, cancels
from control_app.ledger.completeness import Completeness, told_of
from control_app.ledger.holds import Holds
from control_app.ledger.names import NOBODY, customer_names
from control_app.ledger.overview import Lines, overview
from control_app.ledger.progress import complete_through
from control_app.ledger.reader import UsageReader
from control_app.ledger.unrated import WHY, causes
from control_app.storage.database import Db
from control_app.web.context import services
from control_app.web.pages.filters import month_name

blueprint = Blueprint("months", __name__)
BAR, HIGH = 24, 120
"""Width of a day in the plot, and height of the costliest day."""


@blueprint.get("/months")
def current() -> Response:
    """Lead to the month that runs."""
    return redirect(url_for("pages.months.month", month=month_text(_running())))


@blueprint.get("/months/<month>")
def month(month: str) -> str:
    """The page of a month, `2026-10`; 404 for one that has not begun."""
    number, running = parse_month(month), _running()
    if number is None or number > running:
        abort(404, f"{month[:40]!r} is no month from 1970-01 to {month_text(running)}")
    db, within = services().db, month_range(number)
    through = complete_through(db)
    seen = overview(db, within)
    told = told_of(number, _now(), through)
    verdict = Completeness(db).verdict(told) if told else None
    holds = Holds(db, services().settings.invoicing.cancel_brake).of(verdict) if verdict else []
    return render_template(
        "month.html",
        number=number,
        name=month_name(number),
        before=previous_month(number) if within.start else None,
        after=next_month(number) if number < running else None,
        seen=seen,
        bars=_bars(seen.days),
        through=None if through is None else time_text(through - through % SECOND),
        told=told,
        verdict=verdict,
        holds=[hold for hold in holds if hold.code not in WHY],
        # Each is many customers' hold.
        unrated=causes(db, within) if seen.total.unrated else [],
        cancelled=_cancelled(db, within) if seen.total.cancelled else None,
        customers=customer_names(db),
        keys=dict(db.connection.execute("SELECT id, name FROM keys").fetchall()),
        nobody=NOBODY,
        bar=BAR,
        high=HIGH,
    )


def _cancelled(db: Db, within: Range) -> tuple[Pico, str]:
    """What was cancelled before there were tokens comes to about so much, by which method."""
    used = UsageReader(db).by(("customer", "model"), within)
    return Pico(sum(one.amount for one in cancels(used).values())), METHOD


def _now() -> int:
    return microseconds(services().clock())


def _running() -> Month:
    return month_of(_now())


def _bars(days: Lines) -> list[tuple[str, int, Decimal]]:
    """Each day with its amount and the height of its bar."""
    most = max(used.amount for _, used in days)
    return [(day, used.amount, Decimal(used.amount * HIGH) / most if most else Decimal(0)) for day, used in days]
