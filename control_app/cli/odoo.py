"""`control odoo`: whether invoices can be made there, and a new key before the old one ends."""

from __future__ import annotations

import sys
from datetime import UTC, datetime

import click

from control_app.assembly import assemble
from control_app.cli.tables import Cell, moment, show
from control_app.invoicing.accounting import AccountingError
from control_app.odoo.keys import DAYS, rotate
from control_app.settings import Settings


@click.group()
def odoo() -> None:
    """Odoo: its settings, and our key to it."""


@odoo.command()
@click.pass_obj
def check(settings: Settings) -> None:
    """Whether invoices can be made, in Odoo's words; writes nothing. Ends with 1 where something is wrong."""
    state = assemble(settings).invoicing.watch.look()
    if state is None:
        raise click.ClickException("this location has no Odoo; CONTROL_ODOO says where it is")
    if state.error:
        raise click.ClickException(state.error)
    problems: list[dict[str, Cell]] = [
        {"code": problem.code, "problem": problem.message, "remedy": problem.remedy} for problem in state.problems
    ]
    show(problems, f"Problems of Odoo {state.version}", as_json=False)
    click.echo(f"The key ends {moment(state.key_expires)}." if state.key_expires else "When the key ends is not told.")
    sys.exit(bool(problems))


@odoo.command("rotate-key")
@click.option("--days", type=click.IntRange(1, 90), default=DAYS, show_default=True, help="For how long; Odoo allows three months.")
@click.pass_obj
def rotate_key(settings: Settings, days: int) -> None:
    """Print a new key for terraform.tfvars. The old one lives on until the new one was seen in use; then the service revokes it."""
    client = assemble(settings).invoicing.client
    if client is None:
        raise click.ClickException("this location has no Odoo; CONTROL_ODOO says where it is")
    now = datetime.now(UTC)
    try:
        key = rotate(client, f"control {settings.location} {now:%Y-%m-%d}", days, now=now)
        # It works: else that would be found out when the old one has ended.
        client.with_key(key).read("res.users", "context_get")
    except AccountingError as error:
        raise click.ClickException(str(error)) from None
    click.echo("# terraform.tfvars, then deploy. Remove odoo_previous_key when `control odoo check` has run with the new one.", err=True)
    click.echo(f'odoo_key          = "{key}"\nodoo_previous_key = "{client.key}"')
