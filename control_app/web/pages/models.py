"""The first page: models and their prices."""

from __future__ import annotations

from flask import Blueprint, Response, current_app, render_template, request
from werkzeug.wrappers import Response as Redirect

from control_app.gateway.proofs import Proof, proofs
from control_app.gateway.publication import sheet_state
from control_app.pricing.kinds import KINDS
from control_app.pricing.snapshot import Snapshot
from control_app.web.context import services
from control_app.web.pages.filters import VERBS
from control_app.web.pages.forms import back_to_page, refused_on_a_page, typed_decision, typed_text

DONE_TEXTS = {"ended": "The sale is ended: the model has left the list."}
"""What the page says that was done, by a code in its address."""
blueprint = Blueprint("models", __name__)


@blueprint.get("/")
def models() -> str:
    """Models and their prices, with what waits for a person, what is wrong, and how the gateway's sheet and the jobs stand."""
    snapshot = services().catalog.current()
    waiting = [change for change in snapshot.changes if change.state in VERBS]
    told = {change.model for change in waiting}
    return render_template(
        "models.html",
        kinds=KINDS,
        snapshot=snapshot,
        problems={name: problem for name, problem in snapshot.problems.items() if name not in told},
        waiting=waiting,
        done_text=DONE_TEXTS.get(request.args.get("done", "")),
        sheet=sheet_state(services().db),
        unready=_unready(snapshot),
        jobs=services().jobs.results(),
    )


@blueprint.post("/models/withdraw")
@refused_on_a_page
def withdraw() -> Redirect:
    """End a model's sale, whatever its annotation says."""
    decision = typed_decision()
    services().catalog.withdraw(typed_text("model", "Say which model: its name stands in the table."), decision.who, decision.reason)
    return back_to_page("pages.models.models", "ended")


def _unready(snapshot: Snapshot) -> dict[str, Proof]:
    """The models for sale whose last call at the gateway was not good."""
    tried = proofs(services().db)
    return {offer.model: tried[offer.model] for offer in snapshot.offers if offer.model in tried and tried[offer.model].error}


@blueprint.get("/favicon.ico")
def icon() -> Response:
    """The icon that browsers ask for beside JSON, where no page names it."""
    return current_app.send_static_file("icon.svg")
