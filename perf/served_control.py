"""The control service over a month's ledger, and a bare Flask view beside it, each for a server of its own."""

from __future__ import annotations

import os
from pathlib import Path

from flask import Flask

from control_app import create_app
from control_app.settings import Settings


def service() -> Flask:
    """Every virtual key's secret is its name here: what the gateway takes to answer is not measured."""
    settings = Settings(database=Path(os.environ["PERF_DATABASE"]), usage_per_minute=1_000_000, jobs="elsewhere")
    return create_app(settings, key_name=lambda secret: secret.replace("_", " "))


def bare() -> Flask:
    """What Flask itself takes."""
    app = Flask("bare")
    app.add_url_rule("/", view_func=lambda: "{}")
    return app
