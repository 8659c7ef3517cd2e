"""`control replica`: the database's replica, which Litestream keeps, and its nightly copy."""

from __future__ import annotations

import getpass
import sqlite3
from datetime import UTC, datetime

import click

from control_app import litestream
from control_app import replica as replicas
from control_app.assembly import database_of, utc
from control_app.litestream import ReplicaError
from control_app.nightly_copy import CopyError, NightlyCopy
from control_app.settings import PREFIX, Settings


@click.group()
def replica() -> None:
    """Keep the database: Litestream's configuration, the way back, and a consistent copy."""


@replica.command("config")
@click.pass_obj
def show_config(settings: Settings) -> None:
    """Print the configuration for `litestream replicate -no-expand-env -config <file>`."""
    _need_replica(settings)
    click.echo(litestream.config(settings), nl=False)


@replica.command()
@click.option("--replace", is_flag=True, help="Put the database that is there aside, and restore the newest.")
@click.option("--accept-older", is_flag=True, help="Go on with a database that is older than its replica.")
@click.option("--reason", default="", help="Why it is accepted; it stands in the audit log.")
@click.pass_obj
def restore(settings: Settings, reason: str, *, replace: bool, accept_older: bool) -> None:
    """Before the service and Litestream start: restore the newest state where there is no database, and refuse an older one."""
    _need_replica(settings)
    if replace and accept_older:
        raise click.UsageError("--replace and --accept-older are two ways; choose one")
    if accept_older and not reason.strip():
        raise click.UsageError("--accept-older needs a --reason")
    now = datetime.now(UTC)
    try:
        if replace:
            done = replicas.replace(settings, now)
        elif accept_older:
            done = replicas.accept_older(settings, now, getpass.getuser(), reason)
        else:
            done = replicas.restore(settings, now)
    except (ReplicaError, sqlite3.Error, OSError) as error:
        raise click.ClickException(str(error)) from None
    click.echo(done)


@replica.command()
@click.pass_obj
def copy(settings: Settings) -> None:
    """Make the nightly copy now."""
    try:
        path = NightlyCopy(database_of(settings), utc).make()
    except (CopyError, sqlite3.Error, OSError) as error:
        raise click.ClickException(str(error)) from None
    click.echo(f"{path}: {path.stat().st_size:,} bytes")


def _need_replica(settings: Settings) -> None:
    if not settings.replica:
        raise click.UsageError(f"{PREFIX}REPLICA says nowhere to replicate to")
