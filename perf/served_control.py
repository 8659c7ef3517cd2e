"""The control service over a month's ledger, and a bare Flask view beside it, each for a server of its own."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from flask import Flask
from pydantic import SecretStr

from control_app import create_app
from control_app.core.clock import utc
from control_app.gateway.double.gateway import GatewayDouble
from control_app.service.settings import Settings

ADMIN_KEY = "perf-admin-key"
ANYWHERE = "127.0.0.1:0"


def service() -> Flask:
    """Every virtual key's secret is its id here: what the gateway takes to answer is not measured."""
    settings = Settings.of(database=Path(os.environ["PERF_DATABASE"]), usage_per_minute=1_000_000, jobs="elsewhere", metrics_bind=ANYWHERE)
    return create_app(settings, key_of=lambda secret: secret.replace("_", "-"))


def billing() -> Flask:
    """With a gateway in another process, and an admin key that may bill."""
    user, password = GatewayDouble(utc).credentials
    settings = Settings.of(
        database=Path(os.environ["PERF_DATABASE"]),
        gateway="api",
        gateway_url=os.environ["PERF_GATEWAY"],
        gateway_user=user,
        gateway_password=SecretStr(password),
        odoo="none",
        admin_keys=f"perf:invoices:{hashlib.sha256(ADMIN_KEY.encode()).hexdigest()}",
        jobs="elsewhere",
        metrics_bind=ANYWHERE,
    )
    return create_app(settings)


def bare() -> Flask:
    """What Flask itself takes."""
    app = Flask("bare")
    app.add_url_rule("/", view_func=lambda: "{}")
    return app
