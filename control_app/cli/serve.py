"""`control` and `control jobs`: the processes that stay."""

from __future__ import annotations

import os
import signal
import socket
import sqlite3
import sys
import threading
from typing import NoReturn

import click

from control_app.cli.invocation import Invocation
from control_app.gateway.double.sample import KEYS
from control_app.pricing.book import PriceBookError
from control_app.service.assembly import database_of, jobs_of, price_book_of, replica_of
from control_app.service.settings import PREFIX, Settings, StorageSettings
from control_app.storage.litestream import ReplicaError
from control_app.storage.replica import refuse_older


def serve(invocation: Invocation) -> NoReturn:
    """Replace this process by gunicorn."""
    settings = invocation.settings
    busy = _cannot_listen(settings.access.bind, "BIND") or _cannot_listen(settings.access.metrics_bind, "METRICS_BIND")
    if problem := busy or _is_older(settings.storage) or _cannot_keep(invocation):
        click.echo(f"control_app: {problem}", err=True)
        sys.exit(1)
    click.echo(_addresses(settings), err=True)
    command = [sys.executable, "-m", "gunicorn", "--config", "python:control_app.service.gunicorn_config", "control_app:create_app()"]
    os.execv(sys.executable, command)  # noqa: S606 (our own interpreter)


@click.command()
@click.pass_obj
def jobs(invocation: Invocation) -> None:
    """Read the gateway and keep its price sheet, beside a web with CONTROL_JOBS=elsewhere."""
    if problem := _is_older(invocation.settings.storage):
        click.echo(f"control_app: {problem}", err=True)
        sys.exit(1)
    parts = invocation.parts()
    running = jobs_of(parts)
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: stopping.set())
    parts.catalog.start()
    running.start()
    stopping.wait()
    running.stop()


def _cannot_listen(bind: str, name: str) -> str | None:
    """Why nothing can listen there; gunicorn would try for seconds and then say less."""
    host, _, port = bind.rpartition(":")
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, int(port)))
        except (OSError, OverflowError) as error:
            return f"cannot listen on {bind} ({error}); choose another address with {PREFIX}{name}=127.0.0.1:8081"
    return None


def _is_older(settings: StorageSettings) -> str | None:
    """Why the database may not be gone on with: its replica has more, or does not answer."""
    try:
        if kept := replica_of(settings):
            refuse_older(kept)
    except (ReplicaError, OSError) as error:
        return str(error)
    return None


def _cannot_keep(invocation: Invocation) -> str | None:
    """Why nothing can be kept there; a worker of gunicorn would only fail to boot."""
    try:
        prices = price_book_of(invocation.settings, database_of(invocation.settings.storage), invocation.clock)
        prices.check()
        prices.open()
    except (OSError, sqlite3.Error) as error:
        return f"cannot use the database {invocation.settings.storage.database} ({error}); choose another file with {PREFIX}DATABASE"
    except PriceBookError as error:
        return str(error)
    return None


def _addresses(settings: Settings) -> str:
    pages = {
        "/": "models and prices",
        "/months": "what was used this month, and before",
        "/invoices": "billing a month, every invoice, and what holds it",
        "/openrouter/v2/models": "the price list as OpenRouter wants it, /openrouter/models as the annotations say it",
        "/bifrost/pricingSheet": "the sheet that the gateway reads",
        "/usage": "what a key has used; /docs tells how to ask",
        "/readyz": "whether it can serve",
    }
    lines = [f"  http://{settings.access.bind}{path:<24} {what}" for path, what in pages.items()]
    if settings.gateway.gateway == "double":
        ask = f"curl -H 'Authorization: sk-bf-demo-{KEYS[0].id}' 'http://{settings.access.bind}/usage?start_date=…&end_date=…'"
        lines.append(f"The gateway is a double with sample usage: {ask}")
    return "\n".join(["The control service is at:", *lines, "Ctrl-C stops it."])
