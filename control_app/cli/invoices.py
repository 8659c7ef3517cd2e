"""`control invoices`: bill a month, look at it, and decide about it, for people who live in a shell."""

from __future__ import annotations

import getpass
import sys
from collections import Counter
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import IO, Any, TypeVar

import click
import msgspec
from rich.progress import Progress

from control_app.accounting.port import AccountingError
from control_app.cli.invocation import Invocation
from control_app.cli.tables import Cell, as_json_option, moment, show
from control_app.core.currency import minor_text
from control_app.core.numbers import Month
from control_app.core.periods import PeriodError
from control_app.core.time import month_text, parse_month
from control_app.invoicing.actions import ActionError, Decision
from control_app.invoicing.automation import TARGETS
from control_app.invoicing.document import read_body
from control_app.invoicing.dry_runs import dry_run
from control_app.invoicing.exports import month_csv
from control_app.invoicing.orders import DRY_RUNS, NotNowError, Order, month_before
from control_app.invoicing.outcomes import status_text
from control_app.invoicing.payments import payment_text, readings
from control_app.invoicing.proforma import pro_forma
from control_app.invoicing.results import Detail, RunAnswer
from control_app.ledger.names import customer_number
from control_app.service.invoicing import Invoicing

Result = TypeVar("Result")
because = click.option("--reason", required=True, help="Why; it stands in the audit log.")
SHELL = "asked for in a shell"


class _Month(click.ParamType[Month]):
    """`2026-10`, as the number of the month."""

    name = "month"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Month:
        if isinstance(value, int):
            return Month(value)
        number = parse_month(value)
        if number is None:
            self.fail(f"{value!r} is no month; write it like 2026-10", param, ctx)
        return number


MONTH = _Month()


@click.group()
def invoices() -> None:
    """Invoices: bill a month, look at it, decide about it."""


@invoices.command()
@click.option("--date", help="ISO 8601; the month before it is billed.  [default: now]")
@click.option(
    "--dry-run", type=click.Choice(DRY_RUNS), default="none", show_default=True, help="all: Odoo is not touched, validate: only read."
)
@click.option("--yes", is_flag=True, help="Do not ask before invoices are sent.")
@as_json_option
@click.pass_obj
def generate(invocation: Invocation, date: str | None, dry_run: Any, *, yes: bool, as_json: bool) -> None:
    """Bill the customers of the month before a date; asked again it makes no invoice twice."""
    parts = invocation.parts().invoicing
    try:
        month = month_before(date, parts.book.clock(), invocation.settings.invoicing.first_month)
    except PeriodError as error:
        raise click.UsageError(str(error)) from None
    if dry_run == "none" and not yes:
        click.confirm(f"Make, post and send the invoices of {month_text(month)} at {invocation.settings.cluster.location}?", abort=True)
    order = Order(month, dry_run, "manual", getpass.getuser())
    answer = _tried(lambda: _carry_out(parts, order, "sent", Decision(order.by, SHELL)))
    _show(answer, as_json=as_json)


@invoices.command()
@click.argument("period", type=MONTH)
@because
@click.option("--yes", is_flag=True, help="Do not ask before invoices are sent.")
@as_json_option
@click.pass_obj
def resume(invocation: Invocation, period: Month, reason: str, *, yes: bool, as_json: bool) -> None:
    """Bill again who was held, as far as this location does it by itself: drafts, or sent."""
    parts = invocation.parts().invoicing
    if not yes:
        click.confirm(f"Go on with the invoices of {month_text(period)} at {invocation.settings.cluster.location}?", abort=True)
    order = Order(period, "none", "manual", getpass.getuser())
    _show(
        _tried(lambda: _carry_out(parts, order, TARGETS[invocation.settings.invoicing.automatic], Decision(order.by, reason))),
        as_json=as_json,
    )


@invoices.command("list")
@click.argument("period", type=MONTH)
@as_json_option
@click.pass_obj
def list_(invocation: Invocation, period: Month, *, as_json: bool) -> None:
    """The invoices and credit notes of a period, and what holds whom."""
    book = invocation.parts().invoicing.book
    lines: list[dict[str, Cell]] = []
    paid = readings(book.db, period)
    for entry in book.entries(period):
        body = read_body(entry.body)
        total = f"{minor_text(entry.total, entry.tender.decimals)}{f' {entry.currency}' if entry.rate else ''}"
        state = f"{status_text(entry)}{f'; {entry.error}' if entry.error else ''}"
        payment = payment_text(entry, paid.get(entry.id))
        named: dict[str, Cell] = {"ref": entry.ref, "customer": body.customer_name, "cost": total}
        lines.append({**named, "state": state, "odoo": entry.odoo_id, "payment": payment})
    show(lines, f"Invoices of {month_text(period)}, {invocation.settings.invoicing.currency} without tax", as_json=as_json)
    query = """SELECT coalesce(c.gateway_id, ''), h.code, h.message, h.since FROM invoice_holds h
      LEFT JOIN customers c ON c.id = h.customer WHERE h.month = ? ORDER BY 1, 2"""
    held: list[dict[str, Cell]] = [
        {"customer": customer, "code": code, "held": message, "since": moment(since)}
        for customer, code, message, since in book.db.connection.execute(query, [period])
    ]
    if not as_json:
        show(held, "Held", as_json=False)


@invoices.command()
@click.argument("period", type=MONTH)
@click.argument("code")
@click.option("--customer", help="The gateway's id of the customer; without it everybody's hold of that code.")
@because
@click.pass_obj
def release(invocation: Invocation, period: Month, code: str, customer: str | None, reason: str) -> None:
    """Let invoices go out in spite of a hold, as it is now; resume bills them."""
    said = _decide(invocation, reason, lambda parts, decision: parts.actions.release(decision, period, code, customer))
    click.echo(f"released: {said}")


@invoices.command()
@click.argument("period", type=MONTH)
@click.option("--ref", "refs", multiple=True, help="Only this one; may be given more than once.")
@because
@click.pass_obj
def approve(invocation: Invocation, period: Month, refs: tuple[str, ...], reason: str) -> None:
    """Post and send the drafts of a period."""
    chosen = _decide(invocation, reason, lambda parts, decision: parts.actions.approve(decision, period, frozenset(refs) or None))
    click.echo("\n".join(["approved:", *chosen] if chosen else ["no draft waits for approval"]))
    _go_on(invocation)


@invoices.command()
@click.argument("ref")
@click.option("--rebill", is_flag=True, help="The next run bills the period anew.")
@because
@click.pass_obj
def void(invocation: Invocation, ref: str, reason: str, *, rebill: bool) -> None:
    """Take an invoice back: a draft is cancelled, a posted one gets a credit note."""
    _decide(invocation, reason, lambda parts, decision: parts.actions.void(decision, ref, rebill=rebill))
    _go_on(invocation)


@invoices.command()
@click.argument("ref")
@click.argument("amount")
@because
@click.pass_obj
def credit(invocation: Invocation, ref: str, amount: str, reason: str) -> None:
    """Take AMOUNT (without tax) of a posted invoice back; the reason stands on the credit note."""
    try:
        value = Decimal(amount)
    except InvalidOperation:
        raise click.UsageError(f"{amount!r} is no amount; write it like 12.50") from None
    click.echo(_decide(invocation, reason, lambda parts, decision: parts.actions.credit(decision, ref, value)))
    _go_on(invocation)


@invoices.command()
@click.argument("ref")
@because
@click.pass_obj
def resend(invocation: Invocation, ref: str, reason: str) -> None:
    """Send the e-mail of an invoice again, where every earlier one failed."""
    _decide(invocation, reason, lambda parts, decision: parts.actions.resend(decision, ref))
    _go_on(invocation)


@invoices.command("resend-failed")
@click.argument("period", type=MONTH)
@because
@click.pass_obj
def resend_failed(invocation: Invocation, period: Month, reason: str) -> None:
    """Send all e-mails of a period again that failed, as when Odoo's mail server was away."""
    sent = _decide(invocation, reason, lambda parts, decision: parts.actions.resend_failed(decision, period))
    click.echo("\n".join(["is being sent again:", *sent]))
    _go_on(invocation)


@invoices.command("order-number")
@click.argument("customer")
@click.argument("number", required=False)
@because
@click.pass_obj
def order_number(invocation: Invocation, customer: str, number: str | None, reason: str) -> None:
    """Name NUMBER, CUSTOMER's own (the gateway's id), on its invoices from now on; without NUMBER none."""
    _decide(invocation, reason, lambda parts, decision: parts.actions.choose_order_number(decision, customer, number))


@invoices.command()
@click.argument("customer")
@click.argument("currency", required=False)
@because
@click.pass_obj
def currency(invocation: Invocation, customer: str, currency: str | None, reason: str) -> None:
    """Bill CUSTOMER (the gateway's id) in CURRENCY, like EUR, from the next run on; without it in the price book's."""
    _decide(invocation, reason, lambda parts, decision: parts.actions.choose_currency(decision, customer, currency))


@invoices.command()
@click.argument("currency")
@click.argument("day", type=click.DateTime(["%Y-%m-%d"]))
@click.argument("value")
@because
@click.pass_obj
def rate(invocation: Invocation, currency: str, day: datetime, value: str, reason: str) -> None:
    """Give a rate of exchange: VALUE units of CURRENCY for one of the price book's, published for DAY."""
    try:
        units = Decimal(value)
    except InvalidOperation:
        raise click.UsageError(f"{value!r} is no rate; write it like 4.9765") from None
    _decide(invocation, reason, lambda parts, decision: parts.actions.give_rate(decision, currency, day.date(), units))


@invoices.command()
@click.argument("customer")
@click.argument("partner", type=click.IntRange(1))
@because
@click.pass_obj
def partner(invocation: Invocation, customer: str, partner: int, reason: str) -> None:
    """Bill CUSTOMER (the gateway's id) as PARTNER (Odoo's id)."""
    _decide(invocation, reason, lambda parts, decision: parts.actions.choose_partner(decision, customer, partner))


@invoices.command()
@because
@click.pass_obj
def stop(invocation: Invocation, reason: str) -> None:
    """The kill switch: nothing is made, posted or sent until it is let go on."""
    _decide(invocation, reason, lambda parts, decision: parts.actions.halt(decision))


@invoices.command("continue")
@because
@click.pass_obj
def continue_(invocation: Invocation, reason: str) -> None:
    """Let invoicing go on after a stop."""
    _decide(invocation, reason, lambda parts, decision: parts.actions.go_on(decision))


@invoices.command()
@click.argument("period", type=MONTH)
@click.pass_obj
def export(invocation: Invocation, period: Month) -> None:
    """The period for the accountant, as CSV on standard output."""
    for part in month_csv(invocation.parts().invoicing.book, period):
        click.echo(part, nl=False)


@invoices.command("pro-forma")
@click.argument("customer")
@click.pass_obj
def pro_forma_(invocation: Invocation, customer: str) -> None:
    """What the running month of CUSTOMER (the gateway's id) would come to if it ended now, as JSON."""
    parts = invocation.parts().invoicing
    number = customer_number(parts.book.db, customer)
    if number is None:
        raise click.UsageError(f"the gateway has no customer {customer!r}")
    body = msgspec.json.encode(pro_forma(parts.book, parts.bills, parts.planning.writer, number))
    click.echo(msgspec.json.format(body, indent=2))


def _carry_out(parts: Invoicing, order: Order, target: Any, decision: Decision) -> IO[bytes]:
    """Carry out the order, with progress on a terminal."""
    parts.actions.note(decision, f"run, dry_run={order.dry_run}", order.month)
    with Progress(transient=True) as shown:
        task = shown.add_task(f"invoices of {month_text(order.month)}", total=None)

        def progress(done: int, whole: int) -> None:
            shown.update(task, completed=done, total=whole)

        if order.dry_run != "none":
            return dry_run(parts.planning, order, progress)
        run, lease = parts.runs.start(order, target)
        parts.runs.carry_out(run, lease, progress)
        return parts.runs.answer(run)


def _show(answer: IO[bytes], *, as_json: bool) -> None:
    """A table of who is held or failed, and the sums; all of it as JSON."""
    with answer:
        if as_json:
            while part := answer.read(64 * 1024):
                click.echo(part.decode(), nl=False)
            return
        found = msgspec.json.decode(answer.read(), type=RunAnswer)
    rows = [_line(detail) for detail in found.details]
    show(rows, f"{found.period.start[:7]}, {found.summary.currency} without tax", as_json=False)
    held: list[dict[str, Cell]] = [
        {"customer": _customer(detail), "hold": hold.code, "remedy": hold.remedy}
        for detail in found.details
        for hold in detail.sync_result.holds
    ]
    if held:
        show(held, "What to do about holds", as_json=False)
    counts = Counter(str(row["status"]) for row in rows)
    click.echo(f"{found.summary.total_cost} {found.summary.currency}: " + ", ".join(f"{n} {s}" for s, n in sorted(counts.items())))
    sys.exit(bool(found.summary.errors))


def _line(detail: Detail) -> dict[str, Cell]:
    result = detail.sync_result
    return {
        "customer": _customer(detail),
        "cost": detail.invoice.total_cost,
        "status": result.status,
        "detail": result.message or "",
    }


def _customer(detail: Detail) -> str:
    invoice = detail.invoice
    return f"{invoice.customer_name} ({invoice.customer_id})" if invoice.customer_id else invoice.customer_name


def _decide(invocation: Invocation, reason: str, act: Callable[[Invoicing, Decision], Result]) -> Result:
    parts = invocation.parts().invoicing
    return _tried(lambda: act(parts, Decision(getpass.getuser(), reason)))


def _go_on(invocation: Invocation) -> None:
    """At once, rather than at the service's next turn."""
    automation = invocation.parts().invoicing.automation
    _tried(automation.advance)


def _tried(act: Callable[[], Result]) -> Result:
    try:
        return act()
    except (ActionError, NotNowError, AccountingError, ValueError) as error:
        raise click.ClickException(str(error)) from None
