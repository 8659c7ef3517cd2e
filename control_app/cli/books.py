"""What people ask of the books in a shell, and what they decide."""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Callable
from datetime import timedelta
from functools import partial

import click
from rich.progress import Progress

from control_app.accounting.watch import WARNED_DAYS
from control_app.cli.invocation import Invocation
from control_app.cli.tables import Cell, as_json_option, moment, show
from control_app.core.money import plain_amount
from control_app.core.periods import PeriodError, day_text, parse_period, parse_time
from control_app.core.time import microseconds, month_of, month_range, month_text, previous_month
from control_app.gateway.port import PROVIDER, GatewayError
from control_app.gateway.proofs import proofs
from control_app.gateway.publication import sheet_state
from control_app.ledger.clocks import ApartError, compared
from control_app.ledger.holds import Holds
from control_app.ledger.names import customer_number
from control_app.ledger.progress import complete_through
from control_app.ledger.reader import UsageReader
from control_app.ledger.sync import Sync
from control_app.ledger.unrated import WHY, causes
from control_app.ledger.usage import Usage, total
from control_app.pricing.port import SourceError
from control_app.service.assembly import Parts, jobs_of, read_counters
from control_app.service.job_results import JobResult
from control_app.service.soundness import refuse_unsound

NAMED = 5
"""Models whose problems the doctor tells."""


@click.command()
@click.option("--from", "start", show_default="the first of this month", help="ISO 8601 date or time, UTC.")
@click.option("--to", "end", show_default="tomorrow", help="The end, exclusive.")
@click.option("--by", type=click.Choice(["model", "day", "key", "customer"]), default="model", show_default=True)
@click.option("--customer", help="Only this customer, by the gateway's id.")
@as_json_option
@click.pass_obj
def usage(  # noqa: PLR0913 (options)
    invocation: Invocation, start: str | None, end: str | None, by: str, customer: str | None, *, as_json: bool
) -> None:
    """What was used, and what it costs."""
    parts, now = invocation.parts(), invocation.clock()
    try:
        within = parse_period(start or f"{now:%Y-%m-01}", end or f"{now + timedelta(days=1):%Y-%m-%d}")
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
    show(rows, f"Usage from {moment(within.start)} to {moment(within.end)}, {parts.settings.invoicing.currency}", as_json=as_json)
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
@click.option("--since", help="ISO 8601 date or time, UTC: read again from then on, whatever was read before.")
@click.pass_obj
def sync(invocation: Invocation, since: str | None) -> None:
    """Read the gateway now, with progress; what was read before is not read again, but for what can still be late."""
    try:
        start = None if since is None else parse_time("since", since)
    except PeriodError as error:
        raise click.UsageError(str(error)) from None
    _pass(invocation.parts(), start)


@click.command("seed-demo")
@click.pass_obj
def seed_demo(invocation: Invocation) -> None:
    """Take in last month and this one of a sample gateway, to look at without one."""
    gateway = invocation.settings.gateway.gateway
    if gateway != "double":
        raise click.UsageError(f"CONTROL_GATEWAY is {gateway}: invented usage does not go beside real usage")
    _pass(invocation.parts())


def _pass(parts: Parts, since: int | None = None) -> None:
    """One pass, which reads again *since* then; the sample, if there is one, is made up to now first, and the prices are read."""
    try:
        parts.catalog.current()
        if parts.sample:
            parts.sample.go_on()
        # Before the rows: see jobs_of.
        read_counters(parts)
        with Progress(transient=True) as shown:
            task = shown.add_task("reading the gateway", total=None)
            done = Sync(parts.gateway, parts.db, parts.clocks).run(
                lambda rows, until: shown.update(task, description=f"{rows:,} rows, to {moment(until)}"), since
            )
    except (GatewayError, ApartError, SourceError, sqlite3.Error) as error:
        raise click.ClickException(str(error)) from None
    click.echo(
        f"{done.read:,} rows read, {done.new:,} new, {done.corrected:,} corrected, {done.differences:,} read differently,"
        f" {done.aside:,} set aside"
    )


@click.command()
@as_json_option
@click.pass_obj
def doctor(invocation: Invocation, *, as_json: bool) -> None:
    """Ask everything that the service depends on, and say what is wrong; ends with 1 where something is."""
    parts = invocation.parts()
    checks: dict[str, Callable[[], str]] = {
        "database": lambda: _database(parts),
        "models": lambda: _models(parts),
        "clocks": lambda: _clocks(parts),
        "gateway": lambda: f"{len(parts.gateway.directory().keys)} keys",
        "keys": lambda: _barred(parts),
        "calls": lambda: _calls(parts),
        "rows": lambda: _oldest(parts),
        "counters": lambda: _counters(parts),
        "engines": lambda: _engines(parts),
        "sheet": lambda: _sheet(parts),
        "ledger": lambda: f"complete through {moment(complete_through(parts.db))}",
        "holds": lambda: _holds(parts),
        "odoo": lambda: _odoo(parts),
        "invoicing": lambda: _invoicing(parts),
        **{f"job {result.name}": partial(_job, result) for result in jobs_of(parts).results()},
    }
    rows: list[dict[str, Cell]] = []
    for name, check in checks.items():
        try:
            rows.append({"check": name, "state": "ok", "detail": check()})
        except Exception as error:  # noqa: BLE001 # each is to be named, and the next to be tried
            rows.append({"check": name, "state": "problem", "detail": f"{error}"})
    show(rows, f"Doctor at {parts.settings.cluster.location}", as_json=as_json)
    sys.exit(any(row["state"] == "problem" for row in rows))


class _FoundError(Exception):
    """Something is wrong."""


def _database(parts: Parts) -> str:
    parts.prices.check()
    with parts.db.snapshot() as connection:
        head = refuse_unsound(connection)
    return f"{parts.settings.storage.database} is sound; its chain ends in {head[:16]}"


def _models(parts: Parts) -> str:
    current = parts.catalog.current()
    said = f"{len(current.offers)} for sale, {len(current.problems)} with problems"
    if waits := sum(change.state == "pending" for change in current.changes):
        said += f", {waits} {'waits' if waits == 1 else 'wait'} for a person"
    named = [f"{name}: {problem}" if name else problem for name, problem in current.problems.items()]
    more = [f"and {len(named) - NAMED} more, see control prices"] if len(named) > NAMED else []
    if named:
        raise _FoundError(f"{said}: {'; '.join([*named[:NAMED], *more])}")
    return said


def _barred(parts: Parts) -> str:
    if barred := parts.gateway.barred():
        raise _FoundError(
            f"{len(barred)} can call no model, since no entry of their provider_configs is for {PROVIDER} and names models:"
            f" {', '.join(sorted(barred))}; docs/control-service.md, A new virtual key, says what to give them"
        )
    return "each may call models"


def _calls(parts: Parts) -> str:
    """Calls are made by the job `proofs`: this only reads what became of each."""
    tried = proofs(parts.db)
    found = {offer.model: tried[offer.model] for offer in parts.catalog.current().offers if offer.model in tried}
    if failing := {model: proof.error for model, proof in found.items() if proof.error}:
        raise _FoundError("; ".join(f"{model} cannot be called: {error}" for model, error in failing.items()))
    return f"{len(found)} of {len(parts.catalog.current().offers)} models were called, and all answered"


def _clocks(parts: Parts) -> str:
    parts.clocks.agree()
    odoo = compared(parts.db, "odoo")
    if odoo and odoo.agreed_at is not None:
        return f"the gateway agrees, and Odoo did {moment(odoo.agreed_at)}"
    if parts.invoicing.planning.accounting:
        raise _FoundError("the gateway agrees, and Odoo never told its time: no mark counts until it does")
    return "the gateway agrees"


def _oldest(parts: Parts) -> str:
    if parts.sample:
        parts.sample.go_on()
    return f"oldest of {moment(parts.gateway.first())}"


def _counters(parts: Parts) -> str:
    reading = parts.gateway.counts()
    return f"{len({key for key, *_ in reading.counts})} keys counted, {reading.dropped} rows dropped"


def _engines(parts: Parts) -> str:
    if parts.engines is None:
        return "no third count: CONTROL_ENGINE_METRICS names no engines"
    read = parts.engines.read()
    said = f"{len(read.processes)} of {len(read.processes) + len(read.unread)} engines tell what they answered"
    if read.unread:
        raise _FoundError(f"{said}; {'; '.join(f'{address}: {error}' for address, error in read.unread.items())}")
    return said


def _sheet(parts: Parts) -> str:
    state = sheet_state(parts.db)
    if state is None:
        return "not looked at yet"
    if not state.in_sync:
        since = f"since {state.out_since:%Y-%m-%d %H:%M}Z" if state.out_since else "since the first look"
        raise _FoundError(f"the gateway's prices differ {since}: {state.error or state.differences}")
    return f"the gateway has our prices, but for reasoning and requests in its budgets, as of {state.checked_at:%Y-%m-%d %H:%M}Z"


def _odoo(parts: Parts) -> str:
    state = parts.invoicing.watch.look()
    if state is None:
        return "this location has none"
    if state.error or state.problems:
        raise _FoundError(state.error or "; ".join(f"{problem.message}: {problem.remedy}" for problem in state.problems))
    left = state.days_left(parts.invoicing.book.clock())
    if left is not None and left <= WARNED_DAYS[0]:
        raise _FoundError(f"the key to Odoo ends in {left} days; make a new one: control odoo rotate-key")
    return f"Odoo {state.version}, invoices can be made; the key ends {moment(state.key_expires)}"


def _invoicing(parts: Parts) -> str:
    if halted := parts.invoicing.book.halted():
        raise _FoundError(f"{halted}; control invoices continue lets it go on")
    history = parts.invoicing.runs.history
    if cut_off := history.unfinished():
        raise _FoundError("; ".join(f"the run {run.id} of {month_text(run.month)} is not through: {run.error}" for run in cut_off))
    newest = history.newest()
    return f"the last run was of {month_text(newest.month)}" if newest else "nothing was billed yet"


def _job(result: JobResult) -> str:
    """Jobs run in the service: this only reads what became of each."""
    last = f"succeeded last {moment(result.succeeded_at)}" if result.succeeded_at else "has not succeeded yet"
    if result.failing_since:
        raise _FoundError(f"fails since {moment(result.failing_since)}, {last}: {result.error}")
    return last


def _holds(parts: Parts) -> str:
    """The holds of last month, which is the next to be billed; what is not rated a line a model, whoever used it."""
    before = previous_month(month_of(microseconds(parts.clock())))
    found = Holds(parts.db, parts.settings.invoicing.cancel_brake).within(month_range(before))
    others = [f"{hold.code}: {hold.message} ({hold.remedy})" for hold in found if hold.code not in WHY]
    unrated = [
        f"{cause.code}: {cause.message()}; customers: {len(cause.requests)} ({cause.remedy})"
        for cause in causes(parts.db, month_range(before))
    ]
    if found:
        raise _FoundError("; ".join([*others, *unrated]))
    return f"none for {month_text(before)}"
