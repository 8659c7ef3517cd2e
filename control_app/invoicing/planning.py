"""What is known of a month before anything is done: who is to be billed, by which partner, and what holds whom."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from control_app.accounting.port import Accounting, Preflight, Problem, UnavailableError
from control_app.core.numbers import NOBODY_NO, CustomerNo, Month, Pico
from control_app.invoicing import partner_table, partners
from control_app.invoicing.bills import Bills
from control_app.invoicing.book import InvoiceBook
from control_app.invoicing.checks import Brakes, Judge
from control_app.invoicing.currencies import currencies
from control_app.invoicing.demands import Demands
from control_app.invoicing.document import Who, Writer
from control_app.invoicing.evidence import judge
from control_app.invoicing.invoice import Invoice
from control_app.invoicing.order_numbers import order_numbers
from control_app.invoicing.partners import Found
from control_app.invoicing.refs import invoice_ref
from control_app.invoicing.tendering import Asked, Tendering, Tenders, stale
from control_app.ledger.hold import Hold
from control_app.ledger.names import NOBODY

NOT_ASKED = Found({}, {})


@dataclass(frozen=True)
class Plan:
    """A *month*, by our numbers of the customers.

    `exact`: what is billed to whom, pico-units; `closed`: who has an invoice; `refs`: of the next invoice of each; `preflight`:
    None where Odoo was not asked; `problems`: with Odoo's settings and rates; `tenders`: in what customers pay; `writer`: with the
    models' names as they were.
    """

    month: Month
    exact: Mapping[CustomerNo, Pico]
    closed: frozenset[CustomerNo]
    who: Mapping[CustomerNo, Who]
    refs: Mapping[CustomerNo, str]
    preflight: Preflight | None
    problems: Sequence[Problem]
    found: Found
    tenders: Tenders
    judge: Judge
    writer: Writer

    @property
    def new(self) -> list[CustomerNo]:
        """Customers who have no invoice yet."""
        return _without_invoice(self.exact, self.closed)

    def holds(self, invoice: Invoice) -> list[Hold]:
        """Why *invoice* may not go out."""
        customer = invoice.customer
        return self.judge.holds(invoice, [*self.found.holds.get(customer, ()), *self.tenders.holds.get(customer, ())])


@dataclass(frozen=True)
class Planning:
    """Looks what is known of a month; *accounting*: None where the location has none.

    *smallest*: the smallest invoice, in units of the price book's currency; None: whatever does not round to nothing.
    *needs_vat*: whether partners in other countries of the EU are held without a VAT number.
    """

    book: InvoiceBook
    bills: Bills
    writer: Writer
    accounting: Accounting | None
    brakes: Brakes
    smallest: Decimal | None = None
    needs_vat: bool = True

    def asked(self) -> Accounting:
        """The accounting system, to ask it; raises UnavailableError where the location has none."""
        if self.accounting is None:
            raise UnavailableError("this location has no Odoo; CONTROL_ODOO says where it is")
        return self.accounting

    def unbilled(self, month: Month) -> list[CustomerNo]:
        """Customers who used something that is billed in *month*, and have no invoice."""
        return _without_invoice(self.bills.exact_totals(month), self.book.closed(month))

    def plan(self, month: Month, *, ask: bool) -> Plan:
        """What is known of *month*; with *ask* Odoo is asked for its settings and partners. Raises AccountingError."""
        now = self.book.clock()
        exact, closed, who = self.bills.exact_totals(month), frozenset(self.book.closed(month)), self._customers()
        preflight, found, problems, known = None, NOT_ASKED, list[Problem](), None
        new = {customer: who[customer] for customer in _without_invoice(exact, closed)}
        tendering = Tendering(self.book.db, self.book.currency, currencies(self.book.db), self.book.tenders(month), now)
        if ask:
            preflight = self.asked().preflight()
            problems += preflight.problems
            # Whom it would bill is of no use while nothing can be made.
            if not problems:
                wanted = {tendering.currency_of(customer) for customer in new}
                known = self.asked().currencies(wanted)
                problems += stale(known, wanted - {self.book.currency}, now)
                names = Counter(one.name for number, one in who.items() if number)
                chosen, billed = partner_table.chosen(self.book.db), partner_table.billed(self.book.db)
                demands = Demands(preflight.country, self.needs_vat)
                found = partners.match(new, names, chosen, billed, self.asked(), demands, now)
        tenders = tendering.of(new, Asked(known, found.partners, preflight))
        judging = self._judge(month, exact, problems)
        refs = self._refs(month, who)
        return Plan(month, exact, closed, who, refs, preflight, problems, found, tenders, judging, self.writer.settled())

    def renewed(self, plan: Plan) -> Plan:
        """*plan* by what the ledger has now: rows have come since it was made."""
        exact = self.bills.exact_totals(plan.month)
        return replace(plan, exact=exact, judge=self._judge(plan.month, exact, plan.problems))

    def _judge(self, month: Month, exact: Mapping[CustomerNo, Pico], problems: Sequence[Problem]) -> Judge:
        return judge(
            self.book.db,
            month,
            currency=self.book.currency,
            brakes=self.brakes,
            smallest=self.smallest,
            exact=exact,
            problems=problems,
            now=self.book.clock(),
        )

    def _customers(self) -> dict[CustomerNo, Who]:
        orders = order_numbers(self.book.db)
        rows = self.book.db.connection.execute("SELECT id, gateway_id, name FROM customers")
        return {NOBODY_NO: Who("", NOBODY)} | {number: Who(who, name, orders.get(number)) for number, who, name in rows}

    def _refs(self, month: Month, who: Mapping[CustomerNo, Who]) -> dict[CustomerNo, str]:
        query = "SELECT customer, max(n) FROM invoices WHERE month = ? GROUP BY customer"
        numbers: dict[CustomerNo, int] = dict(self.book.db.connection.execute(query, [month]).fetchall())
        location = self.book.location
        # Nobody gets no invoice.
        return {number: invoice_ref(location, one.id, month, numbers.get(number, 0) + 1) if number else "" for number, one in who.items()}


def _without_invoice(billed: Iterable[CustomerNo], closed: Collection[CustomerNo]) -> list[CustomerNo]:
    """Those of the *billed* for whom the period is not *closed*; nobody gets no invoice."""
    return [customer for customer in billed if customer != NOBODY_NO and customer not in closed]
