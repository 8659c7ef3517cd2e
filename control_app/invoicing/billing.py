"""A run that is under way: one customer after another is billed, or held and told why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import structlog

from control_app.core.failures import words_of
from control_app.core.numbers import CustomerNo, Minor
from control_app.invoicing import results
from control_app.invoicing.book import HaltedError, InvoiceBook
from control_app.invoicing.entry import WITHOUT_INVOICE, Entry, Intent
from control_app.invoicing.history import Run
from control_app.invoicing.invoice import Invoice
from control_app.invoicing.lease import Lease, LostError
from control_app.invoicing.orders import ClockError
from control_app.invoicing.outcomes import advance, duplicate, of_entry, status_text
from control_app.invoicing.planning import Plan, Planning
from control_app.invoicing.refs import number_of
from control_app.invoicing.results import Result
from control_app.invoicing.saga import Saga
from control_app.ledger.hold import Hold

log = structlog.stdlib.get_logger("control_app.invoicing")


@dataclass(frozen=True)
class Billing:
    """Bills the customers of a *run* under its *lease*, by a *plan* of its month."""

    book: InvoiceBook
    planning: Planning
    run: Run
    lease: Lease
    plan: Plan
    saga: Saga

    def bill(self, customer: CustomerNo) -> Result:
        """One customer: what came of it. What fails here stops no other."""
        who = self.plan.who[customer]
        try:
            return self._go_on(customer) if customer in self.plan.closed else self._new(customer)
        except (LostError, HaltedError, ClockError):
            raise
        except Exception as error:
            log.exception("customer not billed", customer=who.id, month=self.run.month)
            nothing = self._body(self._nothing(customer))
            return Result(customer, Minor(0), nothing, "error", words_of(error))

    def _go_on(self, customer: CustomerNo) -> Result:
        """Go on with all that is left to do for a customer who has an invoice."""
        book = self.book
        found: Result | None = None
        unfinished = book.unfinished(customer, self.run.month)
        if unfinished and self.plan.judge.settings:
            first = unfinished[0]
            return results.held(customer, first.booked, first.body.encode(), self.plan.judge.settings, first.odoo_id)
        for entry in unfinished:
            result = advance(self.saga, entry)
            if entry.run != self.run.id and not entry.credit and entry.target != "void":
                # The run that began it tells of it, too.
                results.keep(book.db, self.lease, entry.run, result)
            # A credit note is told of where a person must look.
            if not entry.credit or result.status in ("held", "error"):
                found = result
        if found:
            return found
        newest = book.newest(customer, self.run.month)
        # Of a run that was cut off between the last step and its result.
        is_own = newest.run == self.run.id and newest.state not in ("void", *WITHOUT_INVOICE)
        return of_entry(newest, "success", status_text(newest)) if is_own else duplicate(newest)

    def _new(self, customer: CustomerNo) -> Result:
        book, month = self.book, self.run.month
        invoice, body = self._nothing(customer), b""

        def write() -> Intent | Sequence[Hold]:
            nonlocal invoice, body
            # Anew, and judged anew where that matters: rows may have come since the plan was made, and some change no amount.
            invoice = self.planning.bills.of_customer(month, customer, self.plan.tenders.of) or invoice
            body = self._body(invoice)
            holds = self.plan.holds(invoice)
            if invoice.exact != self.plan.exact[customer] or (invoice.unrated and not holds):
                holds = self.planning.renewed(self.plan).holds(invoice)
            if holds:
                return holds
            ref, opened = self.plan.refs[customer], self.plan.judge.opens(invoice)
            # Who has nothing to pay needs no partner.
            partner = self.plan.found.partners[customer].id if opened == "draft" else None
            return Intent(
                ref, customer, month, number_of(ref), invoice.tender, invoice.total, invoice.exact, body.decode(), partner, opened
            )

        # An intent has the day's date.
        self.saga.steps.agree()
        opened = book.open(self.lease, self.run.id, self.run.target, customer, write)
        if isinstance(opened, Entry):
            return advance(self.saga, opened)
        book.hold(self.lease, customer, month, "", opened)
        return results.held(customer, invoice.booked, body, opened)

    def _nothing(self, customer: CustomerNo) -> Invoice:
        return self.planning.bills.nothing(self.run.month, customer, self.plan.tenders.of)

    def _body(self, invoice: Invoice) -> bytes:
        customer = invoice.customer
        return msgspec.json.encode(self.plan.writer.body(invoice, self.plan.who[customer], self.plan.refs[customer], self.run.started_at))
