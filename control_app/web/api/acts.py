"""What every act of a person over HTTP shares: its body, and the answer that says what was done."""

from __future__ import annotations

from typing import TypeVar

import msgspec
from flask import Response, request
from pydantic import BaseModel, ValidationError

from control_app.web.api.openapi import JSON
from control_app.web.errors import BadParametersError

Shape = TypeVar("Shape", bound=BaseModel)


class Done(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What was done, in words, and to what."""

    done: str
    subjects: list[str] = []


def asked_body(shape: type[Shape]) -> Shape:
    """The request's body; 400 with all that is wrong with it."""
    try:
        return shape.model_validate_json(request.get_data(), strict=True)
    except ValidationError as error:
        details = error.errors(include_url=False, include_input=False)
        raise BadParametersError({".".join(map(str, detail["loc"])) or "body": detail["msg"] for detail in details}) from None


def done_answer(what: str, *subjects: str) -> Response:
    """200, and *what* was done to which *subjects*."""
    return Response(msgspec.json.encode(Done(what, list(subjects))) + b"\n", headers={"Cache-Control": "no-store"}, mimetype=JSON)
