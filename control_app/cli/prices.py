"""`control prices`: what holds, what waits, and what a person decides about it."""

from __future__ import annotations

import getpass
from collections.abc import Callable
from typing import TypeVar

import click

from control_app.assembly import Parts, assemble
from control_app.catalog import SourceError
from control_app.cli.tables import Cell, as_json_option, show
from control_app.prices import plain
from control_app.settings import Settings
from control_app.standing import PriceBookError

Result = TypeVar("Result")
because = click.option("--reason", required=True, help="Why; it stands in the audit log.")


@click.group(invoke_without_command=True)
@as_json_option
@click.pass_context
def prices(context: click.Context, *, as_json: bool) -> None:
    """The prices in force, and what waits, is broken or is gone."""
    if context.invoked_subcommand:
        return
    parts = assemble(context.obj)
    try:
        current = parts.catalog.current()
    except SourceError as error:
        raise click.ClickException(str(error)) from None
    lines: list[dict[str, Cell]] = [
        {"model": model, **{kind: plain(rate) for kind, rate in rates.decimals().items()}} for model, rates in sorted(current.rates.items())
    ]
    show(lines, f"In force, {context.obj.currency} a token or request", as_json=as_json)
    if not as_json:
        changes: list[dict[str, Cell]] = [
            {"model": change.model, "state": change.state, "why": change.reason} for change in current.changes
        ]
        show(changes, "Not as annotated", as_json=False)


@prices.command()
@click.argument("model")
@because
@click.option("--yes", is_flag=True, help="Do not ask whether the shown change is meant.")
@click.pass_obj
def accept(settings: Settings, model: str, reason: str, *, yes: bool) -> None:
    """Show the price that waits for a person, and put it in force."""
    change = _decide(lambda parts: parts.catalog.pending(model), settings)
    for kind, (old, new) in change.prices.items():
        if old != new:
            click.echo(f"{model} {kind}: {old if old is None else plain(old)} -> {new if new is None else plain(new)}")
    if not yes:
        click.confirm("Put this in force?", abort=True)
    _decide(lambda parts: parts.catalog.accept(change, getpass.getuser(), reason), settings)


@prices.command()
@click.argument("model")
@because
@click.pass_obj
def withdraw(settings: Settings, model: str, reason: str) -> None:
    """End the price of a model that is gone: the gateway gets explicit zeros, and later usage has no price."""
    _decide(lambda parts: parts.catalog.withdraw(model, getpass.getuser(), reason), settings)
    click.echo(f"{model} has no price any more")


def _decide(act: Callable[[Parts], Result], settings: Settings) -> Result:
    try:
        return act(assemble(settings))
    except (PriceBookError, SourceError, ValueError) as error:
        raise click.ClickException(str(error)) from None
