"""The months as pages: what was used and what it costs, whether all of it is in the ledger, and what holds it."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

from flask import Blueprint, abort, redirect, render_template, url_for
from werkzeug.wrappers import Response

from control_app.completeness import Completeness, told_of
from control_app.holds import Holds
from control_app.money import from_pico, plain_amount
from control_app.overview import NOBODY, Lines, customer_names, overview
from control_app.periods import time_text
from control_app.spans import SECOND, microseconds, month_of, month_range, month_text, parse_month, time_of
from control_app.sync import complete_through
from control_app.web.context import services
from control_app.web.operators import operators_only

blueprint = Blueprint("months", __name__)
blueprint.before_request(operators_only)
blueprint.add_app_template_filter(month_text)
BAR, HIGH = 24, 120
"""Width of a day in the plot, and height of the costliest one."""


@blueprint.get("/months")
def current() -> Response:
    """The month that runs."""
    return redirect(url_for("months.month", month=month_text(_now())))


@blueprint.get("/months/<month>")
def month(month: str) -> str:
    """One month, `2026-10`; 404 for one that has not begun."""
    number, now = parse_month(month), _now()
    if number is None or number > now:
        abort(404, f"{month[:40]!r} is no month from 1970-01 to {month_text(now)}")
    db, within = services().db, month_range(number)
    through = complete_through(db)
    seen = overview(db, within)
    told = told_of(number, microseconds(datetime.now(UTC)), through)
    verdict = Completeness(db).verdict(told) if told else None
    return render_template(
        "month.html",
        number=number,
        name=month_name(number),
        before=number - 1 if within.start else None,
        after=number + 1 if number < now else None,
        seen=seen,
        bars=_bars(seen.days),
        currency=services().settings.currency,
        through=None if through is None else time_text(through - through % SECOND),
        told=told,
        verdict=verdict,
        holds=Holds(db).of(verdict) if verdict else [],
        customers=customer_names(db),
        keys=dict(db.connection.execute("SELECT id, name FROM keys").fetchall()),
        nobody=NOBODY,
        bar=BAR,
        high=HIGH,
    )


def _now() -> int:
    return month_of(microseconds(datetime.now(UTC)))


def _bars(days: Lines) -> list[tuple[str, int, Decimal]]:
    """Each day with its amount and the height of its bar."""
    most = max(used.amount for _, used in days)
    return [(day, used.amount, Decimal(used.amount * HIGH) / most if most else Decimal(0)) for day, used in days]


@blueprint.app_template_filter()
def month_name(number: int) -> str:
    """`October 2026`."""
    return f"{time_of(month_range(number).start):%B %Y}"


@blueprint.app_template_filter()
def money(pico: int) -> str:
    """An exact amount with at least cents: `12.50`, `0.000104`."""
    amount = from_pico(pico)
    return f"{amount:.2f}" if amount == amount.quantize(Decimal("0.01")) else plain_amount(pico)


@blueprint.app_template_filter()
def count(number: int) -> str:
    """With thousands apart: `1,234`."""
    return f"{number:,}"


@blueprint.app_template_filter()
def moment(at: int) -> str:
    """To the minute, UTC."""
    return f"{time_of(at):%Y-%m-%d %H:%M}"
