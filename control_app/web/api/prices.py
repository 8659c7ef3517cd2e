"""The JSON API: price list, price sheet, health. All of it is public."""

from __future__ import annotations

import sqlite3

from flask import Blueprint, Response, request

from control_app.pricing import openrouter
from control_app.pricing.catalog import MAX_AGE
from control_app.pricing.documents import Document
from control_app.pricing.port import SourceError
from control_app.pricing.snapshot import Snapshot
from control_app.web.api import shapes as answers
from control_app.web.api.openapi import JSON, Answer, Operation, Parameter, describe
from control_app.web.context import services
from control_app.web.errors import RETRY_MODELS_SEC, BadParametersError, problem

blueprint = Blueprint("api", __name__)
CURRENCY = "Price-Currency"
CACHE = f"public, max-age={MAX_AGE.seconds}"
_HEADERS = {
    "ETag": "A strong tag of these bytes",
    "Cache-Control": f"`{CACHE}`",
    CURRENCY: "`USD`; of a price book in another currency with the rate, and its day",
}
_UNCHANGED = Answer("The bytes are those that `If-None-Match` names.", headers=_HEADERS)
_IF_NONE_MATCH = Parameter("If-None-Match", "The `ETag` of the last answer.", {"type": "string"}, where="header")
_NOT_READ = {503: "the models were not read yet"}
_NO_LIST = {503: "the models were not read yet, or nothing of what was sold can be read: an empty list would take it off the market"}


@blueprint.after_request
def may_be_read_by_any_page(response: Response) -> Response:
    """Prices are public: pages of other sites may show them (CORS)."""
    response.headers["Access-Control-Allow-Origin"] = "*"
    response.headers["Access-Control-Expose-Headers"] = f"ETag, {CURRENCY}"
    if request.method == "OPTIONS":
        response.headers["Access-Control-Allow-Headers"] = "If-None-Match"
    return response


@blueprint.get("/openrouter/models")
@describe(
    Operation(
        summary="The price list",
        answers={200: Answer("The models for sale.", {JSON: answers.PriceList}, headers=_HEADERS), 304: _UNCHANGED},
        problems={400: "there is no such `schema_version`", **_NO_LIST},
        shapes={400: answers.BadRequest},
        parameters=(
            Parameter("schema_version", "Documents of OpenRouter's schema instead.", {"const": openrouter.SCHEMA_VERSION}),
            _IF_NONE_MATCH,
        ),
    )
)
def openrouter_models() -> Response:
    """`{"data": […]}`: the annotations as operators wrote them, or documents of OpenRouter's schema 2.4.

    `?schema_version=2.4` chooses the documents, which also have an address of their own; any other value is refused.
    """
    version = request.args.get("schema_version")
    if version not in (None, openrouter.SCHEMA_VERSION):
        wanted = f"{version[:40]!r} is not known; leave it out for the flat format, or ask for {openrouter.SCHEMA_VERSION}"
        raise BadParametersError({"schema_version": wanted})
    current = _list()
    return _published(current.documents.current if version else current.documents.flat, current.lists_in)


@blueprint.get("/openrouter/v2/models")
@describe(
    Operation(
        summary="The price list in OpenRouter's current format",
        answers={200: Answer("The models for sale.", {JSON: answers.PriceList}, headers=_HEADERS), 304: _UNCHANGED},
        problems=_NO_LIST,
        parameters=(_IF_NONE_MATCH,),
    )
)
def openrouter_models_current() -> Response:
    """`{"data": […]}`: documents of OpenRouter's schema 2.4, which new integrations must have."""
    current = _list()
    return _published(current.documents.current, current.lists_in)


@blueprint.get("/bifrost/pricingSheet")
@describe(
    Operation(
        summary="The gateway's price sheet",
        answers={200: Answer("Prices by the gateway's names.", {JSON: answers.PricingSheet}, headers=_HEADERS), 304: _UNCHANGED},
        problems=_NOT_READ,
        parameters=(_IF_NONE_MATCH,),
    )
)
def bifrost_pricing_sheet() -> Response:
    """The map that Bifrost reads: `kubeai/<model>` to USD a unit, as JSON numbers."""
    current = services().catalog.current()
    return _published(current.documents.sheet, current.lists_in)


@blueprint.get("/healthz")
@describe(Operation("Whether the process lives", {200: Answer("It does.", {JSON: answers.Health})}))
def healthz() -> Response:
    """200 while the process answers."""
    return _json('{"status": "ok"}')


@blueprint.get("/readyz")
@describe(
    Operation(
        summary="Whether it can serve",
        answers={200: Answer("It can.", {JSON: answers.Ready})},
        problems={503: "it cannot, for these reasons"},
        shapes={503: answers.NotReady},
    )
)
def readyz() -> Response:
    """200 when prices can be served and kept, else 503 with the reasons."""
    problems: list[str] = []
    try:
        services().prices.check()
    except (sqlite3.Error, OSError) as error:
        problems.append(f"the database {services().settings.storage.database} cannot be written: {error}")
    try:
        services().catalog.current()
    except SourceError as error:
        problems.append(str(error))
    if problems:
        answer = problem(503, "not ready", problems=problems)
        answer.headers["Retry-After"] = str(RETRY_MODELS_SEC)
        return answer
    return _json('{"status": "ready"}')


def _list() -> Snapshot:
    """What is for sale; raises SourceError, which is answered by 503, where no list can be told."""
    current = services().catalog.current()
    if current.withheld:
        raise SourceError(current.withheld)
    return current


def _published(document: Document, currency: str) -> Response:
    """The document's bytes, or 304 for who has them."""
    headers = {"ETag": f'"{document.tag}"', "Cache-Control": CACHE, CURRENCY: currency}
    asked = request.environ.get("HTTP_IF_NONE_MATCH")
    # Who polls sends back the one tag that it got: no need to take lists apart.
    if asked and (asked == headers["ETag"] or request.if_none_match.contains_weak(document.tag)):
        return Response(status=304, headers=headers)
    return Response(document.body, headers=headers, mimetype=JSON)


def _json(text: str) -> Response:
    return Response(text + "\n", mimetype=JSON)
