"""All addresses of the service: pages behind their guard, and what is outside of it."""

from __future__ import annotations

from flask import Flask

from control_app.web import errors
from control_app.web.api import decisions, openapi, price_acts, prices, runs, usage
from control_app.web.pages import guarded_pages

OUTSIDE = (prices.blueprint, price_acts.blueprint, usage.blueprint, runs.blueprint, decisions.blueprint, openapi.blueprint)
"""What the guard of the pages is not asked about: it is public, or asks for a key itself. So are the files in `static/`."""


def register(app: Flask) -> None:
    """Give *app* all of its addresses, and its answers to what goes wrong."""
    for blueprint in OUTSIDE:
        app.register_blueprint(blueprint)
    app.register_blueprint(guarded_pages())
    errors.register(app)
    openapi.describe_all(app)
