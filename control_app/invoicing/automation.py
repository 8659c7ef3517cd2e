"""What invoicing does by itself: bill every month that is due, go on with what was cut off, tell what came of it.

It is asked to every minute or so; the truth about what was done is in the database.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Literal

import structlog

from control_app.core.failures import raise_all, words_of
from control_app.core.numbers import CustomerNo, Month
from control_app.core.parallel import each
from control_app.core.time import month_text
from control_app.invoicing import results
from control_app.invoicing.e_invoices import EInvoices
from control_app.invoicing.entry import Target
from control_app.invoicing.history import Run
from control_app.invoicing.lease import BusyError, Lease
from control_app.invoicing.orders import Order, billable_from, due
from control_app.invoicing.outcomes import advance
from control_app.invoicing.payments import Payments
from control_app.invoicing.runs import Runs
from control_app.ledger.progress import thorough_through

Automatic = Literal["off", "draft", "send"]
TARGETS: dict[Automatic, Target] = {"off": "sent", "draft": "created", "send": "sent"}
log = structlog.stdlib.get_logger("control_app.invoicing")


@dataclass(frozen=True)
class Automation:
    """Begins *runs* by itself from their first month on, unless *automatic* is off. *tell*: of a run that ended."""

    runs: Runs
    automatic: Automatic
    tell: Callable[[Run], None]

    def tick(self) -> None:
        """Do what is due now, all that can be; raises what failed (core/failures.py), AccountingError where Odoo cannot be asked."""
        failures: list[Exception] = []
        if not self.runs.book.halted():
            for name, act in self._acts():
                try:
                    act()
                except Exception as error:  # noqa: BLE001 # raised below: it stops nothing else
                    log.warning("invoicing failed", job=name, error=words_of(error))
                    failures.append(error)
        self._tell()
        raise_all("invoicing", failures)

    def _acts(self) -> Iterator[tuple[str, Callable[[], None]]]:
        """What a turn does, by the names that its failures are logged with."""
        yield from self._cut_off()
        yield "advance", self.advance
        yield "e-invoices", EInvoices(self.runs).follow
        yield "start", self._start
        yield "payments", Payments(self.runs.book, self.runs.planning.accounting, self.runs.agree).follow

    def advance(self) -> None:
        """Go on with invoices whose time has come: after an answer that did not come, an approval, an e-mail on its way."""
        book, preflight = self.runs.book, None
        for month in sorted({entry.month for entry in book.pending(book.clock())}):
            with suppress(BusyError), self.runs.working(month) as lease:
                preflight = preflight or self.runs.planning.asked().preflight()
                # With something wrong with Odoo's settings, the tax say, nothing goes on.
                if not preflight.problems:
                    self._advance(lease)

    def _advance(self, lease: Lease) -> None:
        """Go on with what waits; it is read under the lease, since another process may have been at it before."""
        saga, book = self.runs.saga(lease), self.runs.book
        waiting = {(entry.customer, entry.ref) for entry in book.pending(book.clock()) if entry.month == lease.month}

        def go_on(customer: CustomerNo) -> None:
            # One after another: what one does may be what the next one waits for.
            for entry in book.unfinished(customer, lease.month):
                if (customer, entry.ref) in waiting:
                    result = advance(saga, entry)
                    if not entry.credit and entry.target != "void":
                        results.keep(book.db, lease, entry.run, result)

        each(sorted({customer for customer, _ in waiting}), go_on, self.runs.at_once, book.db.close)

    def _cut_off(self) -> Iterator[tuple[str, Callable[[], None]]]:
        """What goes on with each run that is not finished and whose time has come, the oldest first."""
        now = self.runs.book.clock()
        for run in reversed(self.runs.history.unfinished()):
            if run.not_before <= now:
                yield f"run {run.id}", partial(self._go_on, run.id)

    def _go_on(self, id: str) -> None:
        run = self.runs.history.find(id)
        assert run  # noqa: S101 (runs are never deleted)
        try:
            lease = self.runs.lease(run.month)
        except BusyError:
            return
        # Another process may have finished it before the lease was taken.
        run = self.runs.history.find(id)
        if run is None or run.finished_at is not None:
            with self.runs.book.db.transaction() as db:
                lease.give_back(db)
            return
        log.info("run goes on", id=run.id, month=month_text(run.month))
        self.runs.carry_out(run, lease, is_asked_for=False)

    def _start(self) -> None:
        if self.automatic == "off" or self.runs.invoice_from is None:
            return
        for month in self._due(self.runs.invoice_from):
            try:
                run, lease = self.runs.start(Order(month, "none", "automatic", "automatic"), TARGETS[self.automatic])
            except BusyError:
                continue
            self.runs.carry_out(run, lease)

    def _due(self, invoice_from: Month) -> Iterator[Month]:
        """Months to bill now: the newest once, an earlier one where usage came that nobody was billed for."""
        months = due(self.runs.book.clock(), invoice_from)
        if not months or thorough_through(self.runs.book.db) < billable_from(months[-1]):
            return
        # Once in each month's turn: on the 2nd, and after a downtime.
        billed = self.runs.history.automatic_months(billable_from(months[-1]))
        for month in months:
            if month not in billed and (month == months[-1] or self.runs.planning.unbilled(month)):
                yield month

    def _tell(self) -> None:
        """One message a run, also where several processes would send it."""
        history = self.runs.history
        for run in history.untold():
            if history.claim_telling(run, self.runs.book.clock()):
                try:
                    self.tell(run)
                except Exception as error:  # noqa: BLE001 # whatever it is: it is said again at the next turn
                    log.warning("the run could not be told of", id=run.id, error=words_of(error))
                    history.take_back_telling(run)
