"""What is known of a month before anything is done: who is to be billed, by which partner, and what holds whom."""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from control_app.database import Db
from control_app.invoicing import partners
from control_app.invoicing.accounting import Accounting, Preflight, UnavailableError
from control_app.invoicing.bills import Bills
from control_app.invoicing.bodies import Bodies, Who
from control_app.invoicing.book import InvoiceBook
from control_app.invoicing.findings import Finding
from control_app.invoicing.invoice import Invoice
from control_app.invoicing.judge import Brakes, Judge, judge
from control_app.invoicing.partners import Found
from control_app.invoicing.refs import invoice_ref
from control_app.overview import NOBODY

NOT_ASKED = Found({}, {})
Progress = Callable[[int, int], None]
"""Told how many customers of how many are done."""


def run_id() -> str:
    """A new one."""
    return secrets.token_hex(8)


@dataclass(frozen=True)
class Plan:
    """A *month*, by our numbers of the customers.

    `exact`: what is billed to whom, pico-units; `closed`: who has an invoice; `refs`: of the next invoice of each; `preflight`:
    None where Odoo was not asked; `bodies`: with the models' names as they were.
    """

    month: int
    exact: Mapping[int, int]
    closed: frozenset[int]
    who: Mapping[int, Who]
    refs: Mapping[int, str]
    preflight: Preflight | None
    found: Found
    judge: Judge
    bodies: Bodies

    @property
    def new(self) -> list[int]:
        """Customers who have no invoice yet."""
        return [customer for customer in self.exact if customer and customer not in self.closed]

    def findings(self, invoice: Invoice) -> list[Finding]:
        """Why *invoice* may not go out."""
        return self.judge.findings(invoice, self.found.findings.get(invoice.customer, ()))


@dataclass(frozen=True)
class Planning:
    """The parts of invoicing at a location. *clock*: microseconds since 1970 UTC."""

    db: Db
    book: InvoiceBook
    bills: Bills
    bodies: Bodies
    accounting: Accounting | None
    brakes: Brakes
    clock: Callable[[], int] = field(repr=False)

    @property
    def odoo(self) -> Accounting:
        """The accounting system; raises UnavailableError where the location has none."""
        if self.accounting is None:
            raise UnavailableError("this location has no Odoo; CONTROL_ODOO says where it is")
        return self.accounting

    def plan(self, month: int, *, ask: bool) -> Plan:
        """What is known of *month*; with *ask* Odoo is asked for its settings and partners. Raises AccountingError."""
        now = self.clock()
        exact, closed, who = self.bills.exact_totals(month), frozenset(self.book.closed(month)), self._customers()
        preflight, found = None, NOT_ASKED
        if ask:
            preflight = self.odoo.preflight()
            # Whom it would bill is of no use while nothing can be made.
            if not preflight.problems:
                new = {customer: who[customer] for customer in exact if customer and customer not in closed}
                names = Counter(one.name for number, one in who.items() if number)
                found = partners.match(new, names, partners.chosen(self.db), partners.billed(self.db), self.odoo, now)
        judging = self._judge(month, exact, preflight)
        return Plan(month, exact, closed, who, self._refs(month, who), preflight, found, judging, self.bodies.settled())

    def renewed(self, plan: Plan) -> Plan:
        """*plan* by what the ledger has now: rows have come since it was made."""
        exact = self.bills.exact_totals(plan.month)
        return replace(plan, exact=exact, judge=self._judge(plan.month, exact, plan.preflight))

    def _judge(self, month: int, exact: Mapping[int, int], preflight: Preflight | None) -> Judge:
        problems = preflight.problems if preflight else ()
        currency, brakes = self.book.currency, self.brakes
        return judge(self.db, month, currency=currency, brakes=brakes, exact=exact, problems=problems, now=self.clock())

    def _customers(self) -> dict[int, Who]:
        rows = self.db.connection.execute("SELECT id, gateway_id, name FROM customers")
        return {0: Who("", NOBODY)} | {number: Who(gateway_id, name) for number, gateway_id, name in rows}

    def _refs(self, month: int, who: Mapping[int, Who]) -> dict[int, str]:
        query = "SELECT customer, max(n) FROM invoices WHERE month = ? GROUP BY customer"
        numbers: dict[int, int] = dict(self.db.connection.execute(query, [month]).fetchall())
        location = self.book.location
        # Nobody gets no invoice.
        return {number: invoice_ref(location, one.id, month, numbers.get(number, 0) + 1) if number else "" for number, one in who.items()}
