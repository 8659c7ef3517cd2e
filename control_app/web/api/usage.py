"""`/usage`: what a key's holder has used, or for an admin key a customer, or all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import msgspec
from flask import Blueprint, Response, abort

from control_app.core.numbers import CustomerNo
from control_app.core.periods import PeriodError, parse_period
from control_app.core.time import Range
from control_app.ledger.answer import Usage
from control_app.ledger.report import GroupBy, to_csv
from control_app.web.access import Caller
from control_app.web.api import shapes as answers
from control_app.web.api.openapi import CSV, JSON, Answer, Operation, Parameter, describe
from control_app.web.api.parameters import TIME_SCHEMA, customer_or_404, query_parameters
from control_app.web.context import services
from control_app.web.errors import BadParametersError

blueprint = Blueprint("usage", __name__)
CHOICES = {"group_by": ("day", "key"), "format": ("json", "csv")}
_TIME = "an ISO 8601 date, which means its midnight, or date-time; UTC where it names no zone"
PARAMETERS = (
    Parameter("start_date", f"The first moment of the range: {_TIME}.", TIME_SCHEMA, required=True, example="2026-10-01"),
    Parameter("end_date", f"The end, exclusive, at most 366 days later: {_TIME}.", TIME_SCHEMA, required=True, example="2026-11-01"),
    Parameter("group_by", "Add `days`, or with an admin key `keys`.", {"enum": CHOICES["group_by"]}),
    Parameter("format", "`csv`: one row a model (and day, or key), with the same numbers.", {"enum": CHOICES["format"], "default": "json"}),
    Parameter(
        "customer_id", "Only with an admin key: the gateway's id of a customer; without it, all.", {"type": "string", "minLength": 1}
    ),
)
NAMES = tuple(parameter.name for parameter in PARAMETERS)


@dataclass(frozen=True)
class _Asked:
    period: Range
    group_by: GroupBy | None
    as_csv: bool
    customer_id: str | None


@blueprint.get("/usage")
@describe(
    Operation(
        summary="What was used in a range of time",
        answers={
            200: Answer(
                "Usage by model. Failed requests are not in it. Amounts are exact.",
                {JSON: Usage, CSV: {"type": "string"}},
                headers={"Cache-Control": "`private, no-store`"},
            )
        },
        problems={
            400: "a parameter is missing, malformed, repeated or unknown, or the range is empty or too long",
            401: "the key is missing, unknown or inactive",
            403: "the parameter needs an admin key, or the admin key has not the scope `usage`",
            404: "there is no such customer",
            409: "the gateway does not tell which key it is, since the key has no provider there",
            429: "too many requests this minute",
            503: "whose key it is cannot be told now",
        },
        shapes={400: answers.BadRequest},
        parameters=PARAMETERS,
        needs_key=True,
    )
)
def usage() -> Response:
    """Usage of the virtual key that is sent. An admin key with the scope `usage` sees a customer's usage, or everybody's."""
    caller = services().access.caller("usage")
    asked = _asked()
    customer = _customer(caller, asked)
    report = services().reports.report(asked.period, key=caller.key, customer=customer, group_by=asked.group_by)
    if asked.as_csv:
        name = f"usage_{report.period.start[:10]}_{report.period.end[:10]}"
        headers = {"Content-Disposition": f'attachment; filename="{name}.csv"'}
        answer = Response(to_csv(report, asked.group_by), headers=headers, content_type="text/csv; charset=utf-8; header=present")
    else:
        answer = Response(msgspec.json.encode(report) + b"\n", mimetype=JSON)
    answer.headers["Cache-Control"] = "private, no-store"
    return answer


def _asked() -> _Asked:
    values, problems = query_parameters(NAMES, CHOICES)
    if values.get("customer_id") == "":
        problems["customer_id"] = "empty"
    try:
        period = parse_period(values.get("start_date"), values.get("end_date"))
    except PeriodError as error:
        raise BadParametersError({**error.problems, **problems}) from None
    if problems:
        raise BadParametersError(problems)
    group_by = cast("GroupBy | None", values.get("group_by"))
    return _Asked(period, group_by, values.get("format") == "csv", values.get("customer_id"))


def _customer(caller: Caller, asked: _Asked) -> CustomerNo | None:
    if caller.admin is None:
        if asked.customer_id is not None or asked.group_by == "key":
            abort(403, f"{'group_by=key' if asked.customer_id is None else 'customer_id'} needs an admin key")
        return None
    return None if asked.customer_id is None else customer_or_404(asked.customer_id)
