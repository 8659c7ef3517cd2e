"""The pages for people."""

from __future__ import annotations

from decimal import Decimal

from flask import Blueprint, Response, current_app, render_template

from control_app.prices import plain
from control_app.web.context import services

blueprint = Blueprint("pages", __name__)
MILLION = Decimal(1_000_000)


@blueprint.get("/")
def models() -> str:
    """Models and their prices, with what is wrong with any of them."""
    snapshot = services().catalog.current()
    return render_template("models.html", snapshot=snapshot, location=services().settings.location)


@blueprint.get("/favicon.ico")
def icon() -> Response:
    """The icon that browsers ask for beside JSON, where no page names it."""
    return current_app.send_static_file("icon.svg")


@blueprint.app_template_filter()
def per_million(price: Decimal | None) -> str:
    """USD for a million units, exact: `8.00`, `0.125`; a dash where there is no such price."""
    if price is None:
        return "—"
    amount = price * MILLION
    return plain(amount) if amount != amount.quantize(Decimal("0.01")) else f"{amount:.2f}"


@blueprint.app_template_filter()
def exact(price: Decimal) -> str:
    """USD for one unit, without an exponent."""
    return plain(price)
