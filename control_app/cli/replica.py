"""`control replica`: the database's replica, which Litestream keeps, and its nightly copy."""

from __future__ import annotations

import getpass
import sqlite3

import click

from control_app.cli.invocation import Invocation
from control_app.ledger.recount import RecountError
from control_app.service.assembly import database_of, nightly_copy, replica_of
from control_app.service.settings import PREFIX, Settings
from control_app.storage import litestream
from control_app.storage import replica as replicas
from control_app.storage.chain import BrokenChainError
from control_app.storage.litestream import Replica, ReplicaError
from control_app.storage.nightly_copy import CopyError


@click.group()
def replica() -> None:
    """Keep the database: Litestream's configuration, the way back, and a consistent copy."""


@replica.command("config")
@click.pass_obj
def show_config(invocation: Invocation) -> None:
    """Print the configuration for `litestream replicate -no-expand-env -config <file>`."""
    click.echo(litestream.config(_replica(invocation.settings)), nl=False)


@replica.command()
@click.option("--replace", is_flag=True, help="Put the database that is there aside, and restore the newest.")
@click.option("--accept-older", is_flag=True, help="Go on with a database that is older than its replica.")
@click.option("--reason", default="", help="Why it is accepted; it stands in the audit log.")
@click.pass_obj
def restore(invocation: Invocation, reason: str, *, replace: bool, accept_older: bool) -> None:
    """Before the service and Litestream start: restore the newest state where there is no database, and refuse an older one."""
    kept = _replica(invocation.settings)
    if replace and accept_older:
        raise click.UsageError("--replace and --accept-older are two ways; choose one")
    if accept_older and not reason.strip():
        raise click.UsageError("--accept-older needs a --reason")
    now = invocation.clock()
    try:
        if replace:
            done = replicas.replace(kept, now)
        elif accept_older:
            done = replicas.accept_older(kept, now, getpass.getuser(), reason)
        else:
            done = replicas.restore(kept, now)
    except (ReplicaError, sqlite3.Error, OSError) as error:
        raise click.ClickException(str(error)) from None
    click.echo(done)


@replica.command()
@click.pass_obj
def copy(invocation: Invocation) -> None:
    """Make the nightly copy now."""
    try:
        path = nightly_copy(database_of(invocation.settings.storage), invocation.clock).make()
    except (CopyError, BrokenChainError, RecountError, sqlite3.Error, OSError) as error:
        raise click.ClickException(str(error)) from None
    click.echo(f"{path}: {path.stat().st_size:,} bytes")


def _replica(settings: Settings) -> Replica:
    found = replica_of(settings.storage)
    if found is None:
        raise click.UsageError(f"{PREFIX}REPLICA says nowhere to replicate to")
    return found
