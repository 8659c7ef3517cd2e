"""`control odoo`: whether invoices can be made there, what can be set up for them, and a new key before the old one ends."""

from __future__ import annotations

import sys

import click

from control_app.accounting.odoo.client import InCompany
from control_app.accounting.odoo.keys import DAYS, rotate
from control_app.accounting.odoo.provision import Step, missing
from control_app.accounting.port import AccountingError
from control_app.cli.invocation import Invocation
from control_app.cli.tables import Cell, moment, show

NO_ODOO = "this location has no Odoo; CONTROL_ODOO says where it is"


@click.group()
def odoo() -> None:
    """Odoo: its settings, and our key to it."""


@odoo.command()
@click.pass_obj
def check(invocation: Invocation) -> None:
    """Whether invoices can be made, in Odoo's words; writes nothing. Ends with 1 where something is wrong."""
    state = invocation.parts().invoicing.watch.look()
    if state is None:
        raise click.ClickException(NO_ODOO)
    if state.error:
        raise click.ClickException(state.error)
    problems: list[dict[str, Cell]] = [
        {"code": problem.code, "problem": problem.message, "remedy": problem.remedy} for problem in state.problems
    ]
    show(problems, f"Problems of Odoo {state.version}", as_json=False)
    for advice in state.advice:
        click.echo(f"{advice.message}. {advice.remedy}.")
    click.echo(f"The key ends {moment(state.key_expires)}." if state.key_expires else "When the key ends is not told.")
    sys.exit(bool(problems))


@odoo.command()
@click.option("--administrator", is_flag=True, help="Ask for an administrator's API key, which is used once and kept nowhere.")
@click.option("--yes", is_flag=True, help="Make it without asking back.")
@click.pass_obj
def setup(invocation: Invocation, *, administrator: bool, yes: bool) -> None:
    """Make what is missing in Odoo and can be made: the product, and the parameter that lets keys be renewed. Shows it first."""
    parts = invocation.parts()
    client, own = parts.invoicing.client, parts.settings.invoicing
    if client is None:
        raise click.ClickException(NO_ODOO)
    if administrator:
        client = client.with_key(click.prompt("API key of an administrator", hide_input=True))
    try:
        steps = list(missing(InCompany(client, own.odoo_company), own.odoo_product))
        show([_told(step) for step in steps], "Missing in Odoo", as_json=False)
        allowed = [step for step in steps if step.is_allowed]
        if allowed and (yes or click.confirm(f"Make {len(allowed)} of {len(steps)} now?")):
            for step in allowed:
                step.make()
                click.echo(f"Made: {step.what}.")
    except AccountingError as error:
        raise click.ClickException(str(error)) from None


def _told(step: Step) -> dict[str, Cell]:
    return {"missing": step.what, "may be made": "yes" if step.is_allowed else "not by this user", "by hand": step.by_hand}


@odoo.command("rotate-key")
@click.option("--days", type=click.IntRange(1, 90), default=DAYS, show_default=True, help="For how long; Odoo allows three months.")
@click.pass_obj
def rotate_key(invocation: Invocation, days: int) -> None:
    """Print a new key for terraform.tfvars. The old one lives on until the new one was seen in use; then the service revokes it."""
    parts = invocation.parts()
    client, now = parts.invoicing.client, parts.clock()
    if client is None:
        raise click.ClickException(NO_ODOO)
    try:
        key = rotate(client, f"control {parts.settings.cluster.location} {now:%Y-%m-%d}", days, now=now)
        # It works: else that would be found out when the old one has ended.
        client.with_key(key).read("res.users", "context_get")
    except AccountingError as error:
        raise click.ClickException(str(error)) from None
    click.echo("# terraform.tfvars, then deploy. Remove odoo_previous_key when `control odoo check` has run with the new one.", err=True)
    click.echo(f'odoo_key          = "{key}"\nodoo_previous_key = "{client.key}"')
