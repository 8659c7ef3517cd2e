"""The pages for people."""

from __future__ import annotations

from decimal import Decimal

from flask import Blueprint, Response, current_app, render_template

from control_app.prices import plain
from control_app.web.context import services

blueprint = Blueprint("pages", __name__)
MILLION = Decimal(1_000_000)
# Price kind, heading, and what holds where the annotation leaves it out.
COLUMNS = (
    ("prompt", "Prompt", "—"),
    ("input_cache_read", "Cache read", "as prompt"),
    ("input_cache_write", "Cache write", "as prompt"),
    ("completion", "Completion", "—"),
    ("internal_reasoning", "Reasoning", "as completion"),
)


@blueprint.get("/")
def models() -> str:
    """Models and their prices, with what is wrong with any of them."""
    snapshot = services().catalog.current()
    return render_template("models.html", columns=COLUMNS, snapshot=snapshot, location=services().settings.location)


@blueprint.get("/favicon.ico")
def icon() -> Response:
    """The icon that browsers ask for beside JSON, where no page names it."""
    return current_app.send_static_file("icon.svg")


@blueprint.app_template_filter()
def per_million(price: Decimal) -> str:
    """USD for a million units, exact: `8.00`, `0.125`."""
    amount = price * MILLION
    return plain(amount) if amount != amount.quantize(Decimal("0.01")) else f"{amount:.2f}"


@blueprint.app_template_filter()
def exact(price: Decimal) -> str:
    """USD for one unit, without an exponent."""
    return plain(price)
