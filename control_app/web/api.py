"""The JSON API: price list, price sheet, health. All of it is public."""

from __future__ import annotations

import sqlite3

from flask import Blueprint, Response, request

from control_app import openrouter
from control_app.catalog import MAX_AGE, SourceError
from control_app.documents import Document
from control_app.web import answers
from control_app.web.context import services
from control_app.web.errors import RETRY_MODELS_SEC, BadParametersError, problem
from control_app.web.openapi import JSON, Answer, Operation, Parameter, describe

blueprint = Blueprint("api", __name__)
CACHE = f"public, max-age={MAX_AGE.seconds}"
_HEADERS = {"ETag": "A strong tag of these bytes", "Cache-Control": f"`{CACHE}`"}
_UNCHANGED = Answer("The bytes are those that `If-None-Match` names.", headers=_HEADERS)
_IF_NONE_MATCH = Parameter("If-None-Match", "The `ETag` of the last answer.", {"type": "string"}, where="header")
_NOT_READ = {503: "the models were not read yet"}


@blueprint.get("/openrouter/models")
@describe(
    Operation(
        summary="The price list",
        answers={200: Answer("The models for sale.", {JSON: answers.PriceList}, headers=_HEADERS), 304: _UNCHANGED},
        problems={400: "there is no such `schema_version`", **_NOT_READ},
        shapes={400: answers.BadRequest},
        parameters=(
            Parameter("schema_version", "Documents of OpenRouter's schema instead.", {"const": openrouter.SCHEMA_VERSION}),
            _IF_NONE_MATCH,
        ),
    )
)
def openrouter_models() -> Response:
    """`{"data": […]}`: the annotations as operators wrote them, or documents of OpenRouter's schema 2.4.

    `?schema_version=2.4` chooses the documents; any other value is refused.
    """
    version = request.args.get("schema_version")
    if version not in (None, openrouter.SCHEMA_VERSION):
        wanted = f"{version[:40]!r} is not known; leave it out for the flat format, or ask for {openrouter.SCHEMA_VERSION}"
        raise BadParametersError({"schema_version": wanted})
    documents = services().catalog.current().documents
    return _published(documents.current if version else documents.flat)


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
    return _published(services().catalog.current().documents.sheet)


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
    except sqlite3.Error as error:
        problems.append(f"the database {services().settings.database} cannot be written: {error}")
    try:
        services().catalog.current()
    except SourceError as error:
        problems.append(str(error))
    if problems:
        answer = problem(503, "not ready", problems=problems)
        answer.headers["Retry-After"] = str(RETRY_MODELS_SEC)
        return answer
    return _json('{"status": "ready"}')


def _published(document: Document) -> Response:
    """The document's bytes, or 304 for who has them."""
    headers = {"ETag": f'"{document.tag}"', "Cache-Control": CACHE}
    asked = request.environ.get("HTTP_IF_NONE_MATCH")
    # Who polls sends back the one tag that it got: no need to take lists apart.
    if asked and (asked == headers["ETag"] or request.if_none_match.contains_weak(document.tag)):
        return Response(status=304, headers=headers)
    return Response(document.body, headers=headers, mimetype=JSON)


def _json(text: str) -> Response:
    return Response(text + "\n", mimetype=JSON)
