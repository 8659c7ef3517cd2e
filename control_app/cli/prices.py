"""`control prices`: what holds, what waits, and what a person decides about it."""

from __future__ import annotations

import getpass
from collections.abc import Callable
from typing import TypeVar

import click

from control_app.cli.invocation import Invocation
from control_app.cli.tables import Cell, as_json_option, show
from control_app.pricing.book import PriceBookError
from control_app.pricing.port import SourceError
from control_app.pricing.prices import plain
from control_app.service.assembly import Parts

Result = TypeVar("Result")
because = click.option("--reason", required=True, help="Why; it stands in the audit log.")


@click.group(invoke_without_command=True)
@as_json_option
@click.pass_context
def prices(context: click.Context, *, as_json: bool) -> None:
    """The prices in force, and what waits, is broken or is gone."""
    if context.invoked_subcommand:
        return
    invocation: Invocation = context.obj
    parts = invocation.parts()
    try:
        current = parts.catalog.current()
    except SourceError as error:
        raise click.ClickException(str(error)) from None
    lines: list[dict[str, Cell]] = [
        {"model": model, **{kind: plain(rate) for kind, rate in rates.decimals().items()}} for model, rates in sorted(current.rates.items())
    ]
    show(lines, f"In force, {parts.settings.invoicing.currency} a token or request", as_json=as_json)
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
def accept(invocation: Invocation, model: str, reason: str, *, yes: bool) -> None:
    """Show the price that waits for a person, and put it in force."""
    change = _decide(lambda parts: parts.catalog.pending(model), invocation)
    for kind, (old, new) in change.prices.items():
        if old != new:
            click.echo(f"{model} {kind}: {old if old is None else plain(old)} -> {new if new is None else plain(new)}")
    if not yes:
        click.confirm("Put this in force?", abort=True)
    _decide(lambda parts: parts.catalog.accept(change, getpass.getuser(), reason), invocation)


@prices.command()
@click.argument("model")
@because
@click.pass_obj
def withdraw(invocation: Invocation, model: str, reason: str) -> None:
    """End a model's sale, whatever its annotation says: it leaves the list, and later usage has no price."""
    _decide(lambda parts: parts.catalog.withdraw(model, getpass.getuser(), reason), invocation)
    click.echo(f"{model} has no price any more")


def _decide(act: Callable[[Parts], Result], invocation: Invocation) -> Result:
    try:
        return act(invocation.parts())
    except (PriceBookError, SourceError, ValueError) as error:
        raise click.ClickException(str(error)) from None
