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

from control_app.assembly import assemble, database_of, jobs_of
from control_app.demo import KEYS
from control_app.litestream import ReplicaError
from control_app.price_book import PriceBook
from control_app.replica import refuse_older
from control_app.settings import PREFIX, Settings


def serve(settings: Settings) -> NoReturn:
    """Replace this process by gunicorn."""
    busy = _cannot_listen(settings.bind, "BIND") or _cannot_listen(settings.metrics_bind, "METRICS_BIND")
    if problem := busy or _is_older(settings) or _cannot_keep(settings):
        click.echo(f"control_app: {problem}", err=True)
        sys.exit(1)
    click.echo(_addresses(settings), err=True)
    command = [sys.executable, "-m", "gunicorn", "--config", "python:control_app.gunicorn_config", "control_app:create_app()"]
    os.execv(sys.executable, command)  # noqa: S606 (our own interpreter)


@click.command()
@click.pass_obj
def jobs(settings: Settings) -> None:
    """Read the gateway and keep its price sheet, beside a web with CONTROL_JOBS=elsewhere."""
    if problem := _is_older(settings):
        click.echo(f"control_app: {problem}", err=True)
        sys.exit(1)
    parts = assemble(settings)
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


def _is_older(settings: Settings) -> str | None:
    """Why the database may not be gone on with: its replica has more, or does not answer."""
    try:
        refuse_older(settings)
    except (ReplicaError, OSError) as error:
        return str(error)
    return None


def _cannot_keep(settings: Settings) -> str | None:
    """Why nothing can be kept there; a worker of gunicorn would only fail to boot."""
    try:
        PriceBook(database_of(settings)).check()
    except (OSError, sqlite3.Error) as error:
        return f"cannot use the database {settings.database} ({error}); choose another file with {PREFIX}DATABASE"
    return None


def _addresses(settings: Settings) -> str:
    pages = {
        "/": "models and prices",
        "/months": "what was used this month, and before",
        "/invoices": "billing a month, every invoice, and what holds it",
        "/openrouter/models": "the price list, ?schema_version=2.4 for OpenRouter's current format",
        "/bifrost/pricingSheet": "the sheet that the gateway reads",
        "/usage": "what a key has used; /docs tells how to ask",
        "/readyz": "whether it can serve",
    }
    lines = [f"  http://{settings.bind}{path:<24} {what}" for path, what in pages.items()]
    if settings.gateway == "double":
        ask = f"curl -H 'Authorization: sk-bf-demo-{KEYS[0].id}' 'http://{settings.bind}/usage?start_date=…&end_date=…'"
        lines.append(f"The gateway is a double with sample usage: {ask}")
    return "\n".join(["The control service is at:", *lines, "Ctrl-C stops it."])
