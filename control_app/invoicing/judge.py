"""Whether an invoice may go out: the ledger's holds, the brakes, the partner. What holds one customer stops no other."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal

from control_app.database import Db
from control_app.holds import Holds
from control_app.invoicing.accounting import Problem
from control_app.invoicing.currency import decimals_of, minor_text, rounded, units
from control_app.invoicing.findings import ALL, Finding, may_be_released, of_hold
from control_app.invoicing.invoice import Invoice
from control_app.spans import month_range, month_text


@dataclass(frozen=True)
class Brakes:
    """In units of the currency: the largest invoice and the largest month of all customers; `change`: a ratio to a customer's last invoice.

    None: no such brake.
    """

    invoice: Decimal | None = None
    run: Decimal | None = None
    change: Decimal | None = None


@dataclass(frozen=True)
class Judge:
    """Of a *month*, as *db* had it when the judge was made.

    `everybody`, `own`: what holds all customers, or one; `settings`: what is wrong with Odoo's. `released`: by customer (None:
    everybody), code and message. `last`: minor units of the last invoice before.
    """

    month: int
    currency: str
    brakes: Brakes
    now: int
    everybody: Sequence[Finding]
    settings: Sequence[Finding]
    own: Mapping[int, Sequence[Finding]]
    last: Mapping[int, int]
    released: frozenset[tuple[int | None, str, str]]
    since: Mapping[tuple[int, str, str], int] = field(repr=False)

    def findings(self, invoice: Invoice, partner: Sequence[Finding] = ()) -> list[Finding]:
        """Why *invoice* may not go out; *partner*: what is wrong with its partner. Empty: it may."""
        customer = invoice.customer
        found = [*self.everybody, *self.own.get(customer, ())]
        if invoice.total:
            found += [*self.settings, *partner, *self._brakes(invoice)]
        found = [finding for finding in found if not self._is_released(customer, finding)]
        codes = {finding.code for finding in found}
        if invoice.unrated and "unrated" not in codes:
            found.append(self._finding("unrated", f"{invoice.unrated} requests have no price"))
        if not invoice.adds_up:
            found.append(self._finding("lines-differ", "the lines are not what the rows add up to"))
        return [replace(finding, since=self.since.get((customer, finding.code, finding.message), finding.since)) for finding in found]

    def _brakes(self, invoice: Invoice) -> Iterator[Finding]:
        decimals = decimals_of(self.currency)
        total = f"{minor_text(invoice.total, decimals)} {self.currency}"
        if self.brakes.invoice is not None and units(invoice.total, decimals) > self.brakes.invoice:
            yield self._finding("brake-invoice", f"{total} is more than the largest invoice, {self.brakes.invoice:f} {self.currency}")
        last = self.last.get(invoice.customer)
        # A customer's first invoice has only the absolute caps.
        if self.brakes.change is not None and last and invoice.total > last * self.brakes.change:
            before = f"{minor_text(last, decimals)} {self.currency}"
            yield self._finding("brake-change", f"{total} is more than {self.brakes.change:f} times the last invoice, {before}")

    def _is_released(self, customer: int, finding: Finding) -> bool:
        """By the words of the hold: if more is missing than a person saw, it is held again."""
        return any((who, finding.code, finding.message) in self.released for who in (customer, None))

    def _finding(self, code: str, message: str) -> Finding:
        return Finding(code, message, self.now, ALL[code])


def judge(  # noqa: PLR0913 (what a month is judged by)
    db: Db, month: int, *, currency: str, brakes: Brakes, exact: Mapping[int, int], problems: Sequence[Problem], now: int
) -> Judge:
    """The judge of a *month* with the *exact* totals (pico-units) of its customers; *problems*: what is wrong with Odoo's settings."""
    settings = [Finding(problem.code, problem.message, now, problem.remedy, everybody=True) for problem in problems]
    everybody: list[Finding] = []
    own: defaultdict[int, list[Finding]] = defaultdict(list)
    for hold in Holds(db).within(month_range(month)):
        finding = of_hold(hold)
        (everybody if hold.customer is None else own[hold.customer]).append(finding)
    everybody += _run_brake(currency, brakes, exact, month, now)
    query = "SELECT customer, code, message, since FROM invoice_holds WHERE month = ? AND ref = ''"
    since = {(customer, code, message): at for customer, code, message, at in db.connection.execute(query, [month])}
    return Judge(month, currency, brakes, now, everybody, settings, own, _last(db, month), _released(db, month), since)


def _run_brake(currency: str, brakes: Brakes, exact: Mapping[int, int], month: int, now: int) -> Iterator[Finding]:
    decimals = decimals_of(currency)
    total = sum(rounded(amount, decimals) for amount in exact.values())
    if brakes.run is None or units(total, decimals) <= brakes.run:
        return
    # In whole units, so that late usage does not undo a release.
    message = f"{month_text(month)} comes to more than the largest run, {brakes.run:f} {currency}: {total // 10**decimals:,} {currency}"
    yield Finding("brake-run", message, now, ALL["brake-run"], everybody=True)


def _released(db: Db, month: int) -> frozenset[tuple[int | None, str, str]]:
    rows = db.connection.execute("SELECT customer, code, message FROM releases WHERE month = ?", [month])
    return frozenset((customer, code, message) for customer, code, message in rows if may_be_released(code))


def _last(db: Db, month: int) -> dict[int, int]:
    """The last invoice before *month* of each customer that had one, in minor units."""
    query = """SELECT customer, total, max(month) FROM invoices
      WHERE month < ? AND credit = 0 AND state NOT IN ('void', 'skipped') GROUP BY customer"""
    return {customer: total for customer, total, _ in db.connection.execute(query, [month])}
