"""What a person decides about prices over HTTP: with a reason, by an admin key with the scope `prices`."""

from __future__ import annotations

from typing import Annotated

from flask import Blueprint, Response, abort
from pydantic import BaseModel, ConfigDict, Field
from werkzeug.exceptions import Conflict

from control_app.pricing.book import PriceBookError
from control_app.web.api import shapes as answers
from control_app.web.api.acts import Done, asked_body, done_answer
from control_app.web.api.invoice_shapes import Reason
from control_app.web.api.openapi import JSON, Answer, Operation, describe
from control_app.web.context import services

blueprint = Blueprint("price_acts", __name__, url_prefix="/prices")


class EndSale(BaseModel):
    """Which model is sold no more."""

    model_config = ConfigDict(extra="forbid")

    model: Annotated[str, Field(min_length=1, max_length=253, description="The `Model`'s name.")]
    reason: Reason


@blueprint.post("/withdraw")
@describe(
    Operation(
        summary="End a model's sale",
        answers={200: Answer("It is sold no more.", {JSON: Done})},
        problems={
            400: "a member is missing, malformed or unknown",
            401: "the key is missing or unknown",
            403: "the key is no admin key, or has not the scope `prices`",
            409: "it is not sold",
            429: "too many requests this minute",
            503: "the models cannot be read",
        },
        shapes={400: answers.BadRequest},
        needs_key=True,
        body=EndSale,
    )
)
def withdraw() -> Response:
    """Whatever its annotation says, the model leaves the list at once, and usage from now on has no price; a person can begin it again."""
    admin = services().access.caller("prices").admin
    if admin is None:
        abort(403, "prices need an admin key with the scope prices")
    asked = asked_body(EndSale)
    try:
        services().catalog.withdraw(asked.model, admin.name, asked.reason)
    except PriceBookError as error:
        raise Conflict(str(error)) from error
    return done_answer("its sale is ended", asked.model)
