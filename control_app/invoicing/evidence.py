"""What a month is judged by, as the database has it: the ledger's holds, what was released, earlier invoices."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from decimal import Decimal

from control_app.accounting.port import Problem
from control_app.core.numbers import CustomerNo, Month, Pico
from control_app.core.time import month_range
from control_app.invoicing.checks import Brakes, Judge, run_brake
from control_app.ledger.hold import Hold, hold_for, may_be_released
from control_app.ledger.holds import Holds
from control_app.ledger.unrated import late_causes
from control_app.storage.database import Db


def judge(  # noqa: PLR0913 (what a month is judged by)
    db: Db,
    month: Month,
    *,
    currency: str,
    brakes: Brakes,
    smallest: Decimal | None,
    exact: Mapping[CustomerNo, Pico],
    problems: Sequence[Problem],
    now: int,
) -> Judge:
    """The judge of a *month* with the *exact* totals (pico-units) of its customers; *problems*: what is wrong with Odoo's settings."""
    settings = [Hold(problem.code, problem.message, now, None, problem.remedy) for problem in problems]
    everybody: list[Hold] = []
    own: defaultdict[CustomerNo, list[Hold]] = defaultdict(list)
    for hold in Holds(db, brakes.cancelled).within(month_range(month)):
        (everybody if hold.customer is None else own[hold.customer]).append(hold)
    for cause in late_causes(db, month):
        for customer in cause.requests:
            own[customer].append(hold_for(cause.code, cause.message(customer), now, customer))
    everybody += run_brake(currency, brakes, exact, month, now)
    query = "SELECT customer, code, message, since FROM invoice_holds WHERE month = ? AND ref = ''"
    since = {(customer, code, message): at for customer, code, message, at in db.connection.execute(query, [month])}
    return Judge(month, currency, brakes, smallest, now, everybody, settings, own, _last(db, month), released(db, month), since)


def released(db: Db, month: Month) -> frozenset[tuple[CustomerNo | None, str, str]]:
    """What a person let go of a month: customer (None: everybody), code and message of each hold."""
    rows = db.connection.execute("SELECT customer, code, message FROM releases WHERE month = ?", [month])
    return frozenset((customer, code, message) for customer, code, message in rows if may_be_released(code))


def _last(db: Db, month: Month) -> dict[CustomerNo, Pico]:
    """What was owed exactly on the last invoice before *month* of each customer that had one."""
    query = """SELECT customer, exact, max(month) FROM invoices
      WHERE month < ? AND credit = 0 AND state NOT IN ('void', 'skipped', 'carried') GROUP BY customer"""
    return {customer: Pico(int(exact)) for customer, exact, _ in db.connection.execute(query, [month])}
