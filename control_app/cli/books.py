"""What people ask of the books in a shell, and what they decide."""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import click
from rich.progress import Progress

from control_app.assembly import Parts, assemble, count
from control_app.catalog import SourceError
from control_app.cli.tables import Cell, as_json_option, moment, show
from control_app.directory import customer_number
from control_app.gateway import GatewayError
from control_app.holds import Holds
from control_app.invoicing.odoo_watch import WARNED_DAYS
from control_app.money import plain_amount
from control_app.periods import PeriodError, day_text, parse_period
from control_app.publication import sheet_state
from control_app.settings import Settings
from control_app.spans import microseconds, month_of, month_range, month_text
from control_app.sync import Sync, complete_through
from control_app.usage import Usage, UsageReader, total


def _tomorrow() -> str:
    return f"{datetime.now(UTC) + timedelta(days=1):%Y-%m-%d}"


def _this_month() -> str:
    return f"{datetime.now(UTC):%Y-%m-01}"


@click.command()
@click.option("--from", "start", default=_this_month, show_default="the first of this month", help="ISO 8601 date or time, UTC.")
@click.option("--to", "end", default=_tomorrow, show_default="tomorrow", help="The end, exclusive.")
@click.option("--by", type=click.Choice(["model", "day", "key", "customer"]), default="model", show_default=True)
@click.option("--customer", help="Only this customer, by the gateway's id.")
@as_json_option
@click.pass_obj
def usage(settings: Settings, start: str, end: str, by: str, customer: str | None, *, as_json: bool) -> None:  # noqa: PLR0913 (options)
    """What was used, and what it costs."""
    parts = assemble(settings)
    try:
        within = parse_period(start, end)
    except PeriodError as error:
        raise click.UsageError(str(error)) from None
    number = None
    if customer:
        number = customer_number(parts.db, customer)
        if number is None:
            raise click.UsageError(f"no customer {customer!r}; control usage --by customer --json tells their ids")
    # By key as well: sums over all customers are added here, where they cannot overflow.
    parted = UsageReader(parts.db).by((by, "key"), within, customer=number)  # type: ignore[arg-type] # one of the choices
    names = _names(parts, by)
    used: dict[int, Usage] = {}
    for (one, _), part in parted.items():
        used[one] = used.get(one, Usage()) + part
    rows = [_line(by, names(one), part) for one, part in sorted(used.items(), key=lambda item: item[0] if by == "day" else -item[1].amount)]
    if not as_json and rows:
        rows.append(_line(by, "total", total(used.values())))
    show(rows, f"Usage from {moment(within.start)} to {moment(within.end)}, {settings.currency}", as_json=as_json)
    if not as_json:
        click.echo(f"Complete through {moment(complete_through(parts.db))}.")


def _line(by: str, name: str, used: Usage) -> dict[str, Cell]:
    return {
        by: name,
        "requests": used.requests,
        "prompt": used.prompt,
        "cached": used.cached_read,
        "completion": used.completion,
        "reasoning": used.reasoning,
        "without_price": used.unrated,
        "cost": plain_amount(used.amount),
    }


def _names(parts: Parts, by: str) -> Callable[[int], str]:
    if by == "day":
        return day_text
    queries = {
        "model": "SELECT id, name FROM models",
        "key": "SELECT id, name FROM keys",
        "customer": "SELECT id, name || ' (' || gateway_id || ')' FROM customers",
    }
    names: dict[int, str] = dict(parts.db.connection.execute(queries[by]).fetchall())
    return lambda number: names.get(number, "nobody")


@click.command()
@click.pass_obj
def sync(settings: Settings) -> None:
    """Read the gateway now, with progress; what was read before is not read again, but for an hour."""
    _pass(assemble(settings))


@click.command("seed-demo")
@click.pass_obj
def seed_demo(settings: Settings) -> None:
    """Take in last month and this one of a sample gateway, to look at without one."""
    if settings.gateway != "double":
        raise click.UsageError(f"CONTROL_GATEWAY is {settings.gateway}: invented usage does not go beside real usage")
    _pass(assemble(settings))


def _pass(parts: Parts) -> None:
    """One pass; the sample, if there is one, is made up to now first, and the prices are read."""
    try:
        parts.catalog.current()
        if parts.sample:
            parts.sample.go_on()
        # Before the rows: see jobs_of.
        count(parts)
        with Progress(transient=True) as shown:
            task = shown.add_task("reading the gateway", total=None)
            done = Sync(parts.gateway, parts.db).run(
                lambda rows, until: shown.update(task, description=f"{rows:,} rows, to {moment(until)}")
            )
    except (GatewayError, SourceError, sqlite3.Error) as error:
        raise click.ClickException(str(error)) from None
    click.echo(f"{done.read:,} rows read, {done.new:,} new, {done.corrected:,} corrected, {done.differences:,} read differently")


@click.command()
@as_json_option
@click.pass_obj
def doctor(settings: Settings, *, as_json: bool) -> None:
    """Ask everything that the service depends on, and say what is wrong; ends with 1 where something is."""
    parts = assemble(settings)
    checks: dict[str, Callable[[], str]] = {
        "database": lambda: _database(parts),
        "models": lambda: f"{len(parts.catalog.current().offers)} for sale, {len(parts.catalog.current().problems)} with problems",
        "gateway": lambda: f"{len(parts.gateway.directory().keys)} keys",
        "rows": lambda: _oldest(parts),
        "counters": lambda: f"{len(parts.api.metrics().splitlines())} lines, {parts.api.dropped()} rows dropped",
        "sheet": lambda: _sheet(parts),
        "ledger": lambda: f"complete through {moment(complete_through(parts.db))}",
        "holds": lambda: _holds(parts),
        "odoo": lambda: _odoo(parts),
        "invoicing": lambda: _invoicing(parts),
    }
    rows: list[dict[str, Cell]] = []
    for name, check in checks.items():
        try:
            rows.append({"check": name, "state": "ok", "detail": check()})
        except Exception as error:  # noqa: BLE001 # each is to be named, and the next to be tried
            rows.append({"check": name, "state": "problem", "detail": f"{error}"})
    show(rows, f"Doctor at {settings.location}", as_json=as_json)
    sys.exit(any(row["state"] == "problem" for row in rows))


class _FoundError(Exception):
    """Something is wrong."""


def _database(parts: Parts) -> str:
    parts.prices.check()
    return str(parts.settings.database)


def _oldest(parts: Parts) -> str:
    if parts.sample:
        parts.sample.go_on()
    return f"oldest of {moment(parts.gateway.first())}"


def _sheet(parts: Parts) -> str:
    state = sheet_state(parts.db)
    if state is None:
        return "not looked at yet"
    if not state.in_sync:
        since = f"since {state.out_since:%Y-%m-%d %H:%M}Z" if state.out_since else "since the first look"
        raise _FoundError(f"the gateway's prices differ {since}: {state.error or state.differences}")
    return f"the gateway has our prices, as of {state.checked_at:%Y-%m-%d %H:%M}Z"


def _odoo(parts: Parts) -> str:
    state = parts.invoicing.watch.look()
    if state is None:
        return "this location has none"
    if state.error or state.problems:
        raise _FoundError(state.error or "; ".join(f"{problem.message}: {problem.remedy}" for problem in state.problems))
    left = state.days_left(parts.invoicing.planning.clock())
    if left is not None and left <= WARNED_DAYS[0]:
        raise _FoundError(f"the key to Odoo ends in {left} days; make a new one: control odoo rotate-key")
    return f"Odoo {state.version}, invoices can be made; the key ends {moment(state.key_expires)}"


def _invoicing(parts: Parts) -> str:
    if halted := parts.invoicing.planning.book.halted():
        raise _FoundError(f"{halted}; control invoices continue lets it go on")
    runs = parts.invoicing.runs.all()
    if cut_off := [run for run in runs if run.finished_at is None]:
        raise _FoundError("; ".join(f"the run {run.id} of {month_text(run.month)} is not through: {run.error}" for run in cut_off))
    return f"the last run was of {month_text(runs[0].month)}" if runs else "nothing was billed yet"


def _holds(parts: Parts) -> str:
    """Of last month, which is the next to be billed."""
    before = month_of(microseconds(datetime.now(UTC))) - 1
    if found := Holds(parts.db).within(month_range(before)):
        raise _FoundError("; ".join(f"{hold.code}: {hold.message} ({hold.remedy})" for hold in found))
    return f"none for {month_text(before)}"
