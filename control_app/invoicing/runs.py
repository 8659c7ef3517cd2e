"""One execution of invoicing: each customer of a month is billed, or held and told why."""

from __future__ import annotations

import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO

import structlog

from control_app.accounting.port import AccountingError
from control_app.core.failures import words_of
from control_app.core.numbers import CustomerNo, Month
from control_app.core.parallel import each
from control_app.core.time import DAY
from control_app.gateway.port import GatewayError
from control_app.invoicing import results
from control_app.invoicing.billing import Billing
from control_app.invoicing.book import HaltedError, InvoiceBook, forget_holds
from control_app.invoicing.entry import Entry, Target
from control_app.invoicing.exports import usage_csv
from control_app.invoicing.history import Run, RunHistory
from control_app.invoicing.lease import Lease, LostError, kept, take
from control_app.invoicing.orders import ClockError, EarlyError, NotNowError, Order, Progress, TooOldError, billable_from, run_id
from control_app.invoicing.planning import Planning
from control_app.invoicing.results import Heading
from control_app.invoicing.saga import Saga
from control_app.invoicing.steps import Steps
from control_app.ledger.clocks import ApartError, Clocks
from control_app.ledger.ledger import Ledger
from control_app.storage.replica import restored_at

AGAIN = 60_000_000
"""Microseconds until a run that did not come to its end is gone on with."""
log = structlog.stdlib.get_logger("control_app.invoicing")


@dataclass(frozen=True)
class Runs:
    """Runs of invoicing, which are kept; each begins when the *clocks* agree.

    *invoice_from*: the first month that is ever billed. *at_once*: invoices that are on their way at the same time.
    """

    book: InvoiceBook
    planning: Planning
    clocks: Clocks
    invoice_from: Month | None = None
    at_once: int = 4

    def start(self, order: Order, target: Target) -> tuple[Run, Lease]:
        """Begin a run; raises NotNowError. What it returns is for `carry_out`."""
        book = self.book
        if barred := self.barred(order.month):
            raise barred
        if halted := book.halted():
            raise HaltedError(halted)
        lease = self.lease(order.month)
        run = Run(run_id(), order.month, order.trigger, target, order.by, book.clock(), 0, None, 0, None, None)
        with book.db.transaction() as db:
            lease.renew(db)
            db.execute(f"INSERT INTO runs ({', '.join(run._fields)}) VALUES ({', '.join('?' * len(run))})", run)
        return run, lease

    def barred(self, month: Month) -> NotNowError | None:
        """Why a period is not billed, whatever is in it; None where it may be."""
        if self.invoice_from is not None and month < self.invoice_from:
            return TooOldError(month, self.invoice_from)
        return EarlyError(month) if self.book.clock() < billable_from(month) else None

    def agree(self) -> None:
        """Raises ClockError where it is not certain how late it is."""
        with _certain():
            self.clocks.agree()

    def lease(self, month: Month) -> Lease:
        """The lease of a period, without which nothing is begun; raises BusyError, and ClockError."""
        book = self.book
        self.agree()
        return take(book.db, book.location, month, book.clock)

    @contextmanager
    def working(self, month: Month) -> Generator[Lease]:
        """The same, which is given back at the end."""
        lease = self.lease(month)
        try:
            with kept(self.book.db, lease):
                yield lease
        finally:
            with self.book.db.transaction() as db:
                lease.give_back(db)

    def is_at_work(self, month: Month) -> bool:
        """Whether some process works on a period now."""
        query = "SELECT 1 FROM leases WHERE month = ? AND owner IS NOT NULL AND expires_at > ?"
        return self.book.db.connection.execute(query, [month, self.book.clock()]).fetchone() is not None

    def carry_out(self, run: Run, lease: Lease, progress: Progress = lambda _done, _all: None, *, is_asked_for: bool = True) -> None:
        """Bill everybody, and end the run, unless somebody's billing failed: then it goes on later, by itself, for a day.

        Raises AccountingError where Odoo could not be asked, HaltedError where a person stopped it, and ClockError where a clock is
        wrong: a manual run ends so where the person who asked for it is told, any other goes on later. Raises LostError where the
        period is another's by now, who goes on. What else stops a run leaves it to be gone on with.
        """
        is_over = self.book.clock() - run.started_at > DAY
        try:
            with kept(self.book.db, lease):
                failed = self._bill(run, lease, progress)
        except (AccountingError, HaltedError, ClockError) as error:
            self._end(run, lease, error=str(error), is_finished=is_over or (run.trigger == "manual" and is_asked_for))
            raise
        except LostError:
            raise
        except Exception as error:
            self._end(run, lease, error=words_of(error), is_finished=is_over)
            raise
        said = f"{failed} customers could not be billed" if failed else None
        self._end(run, lease, error=said, is_finished=not failed or is_over)

    def answer(self, run: Run) -> IO[bytes]:
        """A run's JSON answer, so far as it has come."""
        db, currency = self.book.db, self.book.currency
        return results.answer(Heading(run.id, run.order, run.started_at, currency, run.error), results.results_of(db, run.id))

    @property
    def history(self) -> RunHistory:
        """The runs that there were."""
        return RunHistory(self.book.db)

    def saga(self, lease: Lease) -> Saga:
        """Takes invoices on their way."""
        book = self.book

        def usage(entry: Entry) -> bytes:
            return usage_csv(book.db, entry)

        steps = Steps(book, self.planning.asked(), lease, self._agree, restored_at(book.db) or 0)
        return Saga(steps, usage)

    def _agree(self) -> None:
        with _certain():
            self.clocks.ask_accounting()

    def _bill(self, run: Run, lease: Lease, progress: Progress) -> int:
        """How many customers failed who have no invoice yet, so that nothing else comes back to them."""
        db = self.book.db
        # Rows of a period that was opened again, and of keys that were moved.
        Ledger(db).follow_moves()
        plan = self.planning.plan(run.month, ask=True)
        billing = Billing(self.book, self.planning, run, lease, plan, self.saga(lease))
        with db.transaction() as connection:
            lease.renew(connection)
            connection.execute("UPDATE runs SET customers = ? WHERE id = ?", [len(plan.exact), run.id])
        # Of a run that was cut off, with whom it was not through.
        through = results.customers_done(db, run.id)
        left = [customer for customer in plan.exact if customer not in through]
        done, lock = len(plan.exact) - len(left), threading.Lock()

        def bill(customer: CustomerNo) -> None:
            nonlocal done
            results.keep(db, lease, run.id, billing.bill(customer))
            with lock:
                done += 1
                progress(done, len(plan.exact))

        each(left, bill, self.at_once, db.close)
        with db.transaction() as connection:
            lease.renew(connection)
            forget_holds(connection, run.month, plan.exact)
        return len(results.failed(db, run.id) - self.book.closed(run.month))

    def _end(self, run: Run, lease: Lease, *, error: str | None, is_finished: bool) -> None:
        book = self.book
        now = book.clock()
        with book.db.transaction() as db:
            lease.renew(db)
            row = [now if is_finished else None, now + AGAIN, error, run.id]
            db.execute("UPDATE runs SET finished_at = ?, not_before = ?, error = ? WHERE id = ?", row)
            lease.give_back(db)
        log.info("run", id=run.id, month=run.month, finished=is_finished, error=error, came_to=dict(results.statuses(book.db, run.id)))


@contextmanager
def _certain() -> Generator[None]:
    """In the block clocks are compared."""
    try:
        yield
    except (ApartError, GatewayError) as error:
        raise ClockError(f"it is not certain how late it is: {error}") from error
