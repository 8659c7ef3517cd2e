"""The JSON API: price list, price sheet, health. All of it is public."""

from __future__ import annotations

import sqlite3

import simplejson
from flask import Blueprint, Response, abort, request

from control_app import openrouter, pricing_sheet
from control_app.catalog import SourceError
from control_app.web.context import services

blueprint = Blueprint("api", __name__)


@blueprint.get("/openrouter/models")
def openrouter_models() -> Response:
    """`{"data": […]}`: the annotations as operators wrote them, or documents of OpenRouter's schema 2.4.

    `?schema_version=2.4` chooses the documents; any other value is refused.
    """
    version = request.args.get("schema_version")
    if version not in (None, openrouter.SCHEMA_VERSION):
        abort(400, f"schema_version is {version!r}; leave it out for the flat format, or ask for {openrouter.SCHEMA_VERSION}")
    offers = services().catalog.current().offers
    documents = [openrouter.document(offer) if version else offer.document for offer in offers]
    return _json(simplejson.dumps({"data": documents}, use_decimal=True))


@blueprint.get("/bifrost/pricingSheet")
def bifrost_pricing_sheet() -> Response:
    """The map that Bifrost reads: `kubeai/<model>` to USD a unit, as JSON numbers."""
    return _json(pricing_sheet.to_json(pricing_sheet.sheet(services().catalog.current().offers)))


@blueprint.get("/healthz")
def healthz() -> Response:
    """200 while the process answers."""
    return _json('{"status": "ok"}')


@blueprint.get("/readyz")
def readyz() -> Response:
    """200 when prices can be served and kept, else 503 with the reasons."""
    problems: list[str] = []
    try:
        services().store.check()
    except sqlite3.Error as error:
        problems.append(f"the database {services().settings.database} cannot be written: {error}")
    try:
        services().catalog.current()
    except SourceError as error:
        problems.append(str(error))
    body = {"status": "not ready", "problems": problems} if problems else {"status": "ready"}
    return _json(simplejson.dumps(body), 503 if problems else 200)


def _json(text: str, status: int = 200) -> Response:
    return Response(text + "\n", status, mimetype="application/json")
