"""The control service over a month's ledger, and a bare Flask view beside it, each for a server of its own."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from flask import Flask
from pydantic import SecretStr

from control_app import create_app
from control_app.gateway_double import GatewayDouble
from control_app.settings import Settings

ADMIN_KEY = "perf-admin-key"


def service() -> Flask:
    """Every virtual key's secret is its name here: what the gateway takes to answer is not measured."""
    settings = Settings(database=Path(os.environ["PERF_DATABASE"]), usage_per_minute=1_000_000, jobs="elsewhere")
    return create_app(settings, key_name=lambda secret: secret.replace("_", " "))


def billing() -> Flask:
    """With a gateway in another process, and an admin key that may bill."""
    user, password = GatewayDouble().credentials
    settings = Settings(
        database=Path(os.environ["PERF_DATABASE"]),
        gateway="api",
        gateway_url=os.environ["PERF_GATEWAY"],
        gateway_user=user,
        gateway_password=SecretStr(password),
        odoo="none",
        admin_keys=f"perf:invoices:{hashlib.sha256(ADMIN_KEY.encode()).hexdigest()}",
        jobs="elsewhere",
    )
    return create_app(settings)


def bare() -> Flask:
    """What Flask itself takes."""
    app = Flask("bare")
    app.add_url_rule("/", view_func=lambda: "{}")
    return app
