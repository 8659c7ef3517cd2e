"""The pages for people."""

from __future__ import annotations

import shlex
from decimal import Decimal

from flask import Blueprint, Response, current_app, render_template

from control_app.prices import plain
from control_app.publication import sheet_state
from control_app.snapshot import Change
from control_app.web.context import services
from control_app.web.operators import operators_only

blueprint = Blueprint("pages", __name__)
blueprint.before_request(operators_only)
MILLION = Decimal(1_000_000)
# Price kind, heading, and what holds where the annotation leaves it out.
COLUMNS = (
    ("prompt", "Prompt", "—"),
    ("input_cache_read", "Cache read", "as prompt"),
    ("input_cache_write", "Cache write", "as prompt"),
    ("completion", "Completion", "—"),
    ("internal_reasoning", "Reasoning", "as completion"),
)
LABELS = {**{kind: label for kind, label, _ in COLUMNS}, "request": "Request"}
VERBS = {"pending": "accept", "removed": "withdraw"}


@blueprint.get("/")
def models() -> str:
    """Models and their prices, with what waits for a person, what is wrong, and how the gateway's sheet stands."""
    snapshot = services().catalog.current()
    return render_template(
        "models.html",
        columns=COLUMNS,
        labels=LABELS,
        snapshot=snapshot,
        waiting=[change for change in snapshot.changes if change.state in VERBS],
        sheet=sheet_state(services().db),
    )


@blueprint.get("/favicon.ico")
def icon() -> Response:
    """The icon that browsers ask for beside JSON, where no page names it."""
    return current_app.send_static_file("icon.svg")


@blueprint.app_context_processor
def location() -> dict[str, str]:
    """Every page says of which location it tells."""
    return {"location": services().settings.location}


@blueprint.app_template_filter()
def per_million(price: Decimal) -> str:
    """USD for a million units, exact: `8.00`, `0.125`."""
    amount = price * MILLION
    return plain(amount) if amount != amount.quantize(Decimal("0.01")) else f"{amount:.2f}"


@blueprint.app_template_filter()
def exact(price: Decimal) -> str:
    """USD for one unit, without an exponent."""
    return plain(price)


@blueprint.app_template_filter()
def as_shown(price: Decimal | None, kind: str) -> str:
    """A price as the table of prices shows its kind; a dash where there is none."""
    if price is None:
        return "—"
    return plain(price) if kind == "request" else per_million(price)


@blueprint.app_template_filter()
def remedy(change: Change) -> str:
    """The command by which a person decides."""
    return f"control prices {VERBS[change.state]} {shlex.quote(change.model)} --reason …"
