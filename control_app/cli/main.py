"""`control`: serve, and what people ask and decide in a shell."""

from __future__ import annotations

import logging
import logging.config
import sys

import click

from control_app.cli import books, invoices, odoo, prices, replica, serve
from control_app.cli.invocation import Invocation
from control_app.core import logs
from control_app.core.clock import utc
from control_app.service.settings import PREFIX, VARIABLES, Settings, SettingsError


def _describe(name: str) -> str:
    field = VARIABLES[name]
    default = "none" if field.default in ("", None) or "**" in str(field.default) else field.default
    return f"  {PREFIX}{name.upper():<18} {field.description} (default: {default or 'none'})"


# The address first, which people look for.
SETTINGS = "\n".join(_describe(name) for name in sorted(VARIABLES, key=lambda name: name != "bind"))


@click.group(invoke_without_command=True, epilog="\b\nSettings are environment variables:\n" + SETTINGS)
@click.pass_context
def control(context: click.Context) -> None:
    """Prices, usage and completeness of a location; without a command it serves them."""
    try:
        context.obj = Invocation(Settings.from_environment(), context.obj or utc)
    except SettingsError as error:
        click.echo(f"control_app: {error}", err=True)
        sys.exit(2)
    if context.invoked_subcommand is None:
        serve.serve(context.obj)
    logs.configure()
    logging.config.dictConfig(logs.logging_config())
    if context.invoked_subcommand != "jobs":
        # Who reads tables wants to hear of trouble only.
        logging.getLogger().setLevel(logging.WARNING)


_OF_BOOKS = (books.usage, prices.prices, invoices.invoices, books.sync, books.doctor, books.seed_demo)
for command in (serve.jobs, *_OF_BOOKS, odoo.odoo, replica.replica):
    control.add_command(command)
