"""One execution of invoicing: each customer of a month is billed, or held and told why."""

from __future__ import annotations

import threading
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, NamedTuple

import structlog

from control_app.invoicing import results
from control_app.invoicing.accounting import AccountingError, Preflight
from control_app.invoicing.book import Entry, HaltedError, Intent, Target, forget_holds
from control_app.invoicing.drafts import shape_of
from control_app.invoicing.exports import usage_csv
from control_app.invoicing.findings import Finding
from control_app.invoicing.invoice import Invoice
from control_app.invoicing.lease import Lease, LostError, take
from control_app.invoicing.orders import EarlyError, Order, billable_from
from control_app.invoicing.outcomes import advance, duplicate, of_entry, told
from control_app.invoicing.parallel import each
from control_app.invoicing.planning import Plan, Planning, Progress, run_id
from control_app.invoicing.refs import number_of
from control_app.invoicing.results import Heading, Result
from control_app.invoicing.saga import Saga
from control_app.ledger import Ledger
from control_app.replica import restored_at
from control_app.spans import DAY

AGAIN = 60_000_000
"""Microseconds until a run that did not come to its end is gone on with."""
log = structlog.stdlib.get_logger("control_app.invoicing")


class Run(NamedTuple):
    """A row of `runs` (tables.py)."""

    id: str
    month: int
    trigger: str
    target: Target
    by: str
    started_at: int
    customers: int
    finished_at: int | None
    not_before: int
    error: str | None
    told_at: int | None

    @property
    def order(self) -> Order:
        """What was asked."""
        return Order(self.month, "none", "automatic" if self.trigger == "automatic" else "manual", self.by)


_RUN = f"SELECT {', '.join(Run._fields)} FROM runs"


@dataclass(frozen=True)
class Runs:
    """Runs of invoicing, which are kept. *at_once*: invoices that are on their way at the same time."""

    planning: Planning
    at_once: int = 4

    def start(self, order: Order, target: Target) -> tuple[Run, Lease]:
        """Begin a run; raises EarlyError, HaltedError, BusyError. What it returns is for `carry_out`."""
        book = self.planning.book
        if book.clock() < billable_from(order.month):
            raise EarlyError(order.month)
        if halted := book.halted():
            raise HaltedError(halted)
        lease = self.lease(order.month)
        run = Run(run_id(), order.month, order.trigger, target, order.by, book.clock(), 0, None, 0, None, None)
        with book.db.transaction() as db:
            lease.renew(db)
            db.execute(f"INSERT INTO runs VALUES ({', '.join('?' * len(run))})", run)
        return run, lease

    def lease(self, month: int) -> Lease:
        """The lease of a period; raises BusyError."""
        book = self.planning.book
        return take(book.db, book.location, month, book.clock)

    @contextmanager
    def working(self, month: int) -> Generator[Lease]:
        """The same, which is given back at the end."""
        lease = self.lease(month)
        try:
            yield lease
        finally:
            with self.planning.db.transaction() as db:
                lease.give_back(db)

    def is_at_work(self, month: int) -> bool:
        """Whether some process works on a period now."""
        query = "SELECT 1 FROM leases WHERE month = ? AND owner IS NOT NULL AND expires_at > ?"
        return self.planning.db.connection.execute(query, [month, self.planning.clock()]).fetchone() is not None

    def carry_out(self, run: Run, lease: Lease, progress: Progress = lambda _done, _all: None, *, is_asked_for: bool = True) -> None:
        """Bill everybody, and end the run, unless somebody's billing failed: then it goes on later, by itself, for a day.

        Raises AccountingError where Odoo could not be asked, HaltedError where a person stopped it: a manual run ends so where
        the person who asked for it is told, any other goes on later. Raises LostError where the period is another's by now, who
        goes on. What else stops a run leaves it to be gone on with.
        """
        is_over = self.planning.clock() - run.started_at > DAY
        try:
            failed = self._bill(run, lease, progress)
        except (AccountingError, HaltedError) as error:
            self._end(run, lease, error=str(error), is_finished=is_over or (run.trigger == "manual" and is_asked_for))
            raise
        except LostError:
            raise
        except Exception as error:
            self._end(run, lease, error=f"{type(error).__name__}: {error}", is_finished=is_over)
            raise
        said = f"{failed} customers could not be billed" if failed else None
        self._end(run, lease, error=said, is_finished=not failed or is_over)

    def answer(self, run: Run) -> IO[bytes]:
        """A run's JSON answer, so far as it has come."""
        db, currency = self.planning.db, self.planning.book.currency
        return results.answer(Heading(run.id, run.order, run.started_at, currency, run.error), results.kept(db, run.id))

    def find(self, id: str) -> Run | None:
        """The run of that id."""
        row = self.planning.db.connection.execute(f"{_RUN} WHERE id = ?", [id]).fetchone()
        return Run._make(row) if row else None

    def all(self) -> list[Run]:
        """Every run, the newest first."""
        return [Run._make(row) for row in self.planning.db.connection.execute(f"{_RUN} ORDER BY started_at DESC")]

    def saga(self, lease: Lease, preflight: Preflight) -> Saga:
        """Takes invoices on their way."""
        planning = self.planning

        def usage(entry: Entry) -> bytes:
            return usage_csv(planning.db, entry)

        return Saga(planning.book, planning.odoo, lease, shape_of(preflight), usage, restored_at(planning.db) or 0)

    def _bill(self, run: Run, lease: Lease, progress: Progress) -> int:
        """How many customers failed who have no invoice yet, so that nothing else comes back to them."""
        db = self.planning.db
        # Rows of a period that was opened again, and of keys that were moved.
        Ledger(db).follow_moves()
        plan = self.planning.plan(run.month, ask=True)
        assert plan.preflight  # noqa: S101 (it was asked)
        work = _Work(self.planning, run, lease, plan, self.saga(lease, plan.preflight))
        with db.transaction() as connection:
            lease.renew(connection)
            connection.execute("UPDATE runs SET customers = ? WHERE id = ?", [len(plan.exact), run.id])
        # Of a run that was cut off, with whom it was not through.
        through = results.done(db, run.id)
        left = [customer for customer in plan.exact if customer not in through]
        done, lock = len(plan.exact) - len(left), threading.Lock()

        def bill(customer: int) -> None:
            nonlocal done
            results.keep(db, lease, run.id, work.bill(customer))
            with lock:
                done += 1
                progress(done, len(plan.exact))

        each(left, bill, self.at_once, db.close)
        with db.transaction() as connection:
            lease.renew(connection)
            forget_holds(connection, run.month, plan.exact)
        return len(results.failed(db, run.id) - self.planning.book.closed(run.month))

    def _end(self, run: Run, lease: Lease, *, error: str | None, is_finished: bool) -> None:
        book = self.planning.book
        now = book.clock()
        with book.db.transaction() as db:
            lease.renew(db)
            row = [now if is_finished else None, now + AGAIN, error, run.id]
            db.execute("UPDATE runs SET finished_at = ?, not_before = ?, error = ? WHERE id = ?", row)
            lease.give_back(db)
        log.info("run", id=run.id, month=run.month, finished=is_finished, error=error, came_to=dict(results.statuses(book.db, run.id)))


@dataclass(frozen=True)
class _Work:
    """A run that is under way."""

    planning: Planning
    run: Run
    lease: Lease
    plan: Plan
    saga: Saga

    def bill(self, customer: int) -> Result:
        """One customer: what came of it. What fails here stops no other."""
        who = self.plan.who[customer]
        try:
            return self._go_on(customer) if customer in self.plan.closed else self._new(customer)
        except (LostError, HaltedError):
            raise
        except Exception as error:
            log.exception("customer not billed", customer=who.id, month=self.run.month)
            return Result(customer, 0, self._body(Invoice(customer, self.run.month, ())), "error", f"{type(error).__name__}: {error}")

    def _go_on(self, customer: int) -> Result:
        """With all that is left to do for a customer who has an invoice."""
        book = self.planning.book
        found: Result | None = None
        unfinished = book.unfinished(customer, self.run.month)
        if unfinished and self.plan.judge.settings:
            first = unfinished[0]
            return results.held(customer, first.total, first.body.encode(), self.plan.judge.settings, first.odoo_id)
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
        is_own = newest.run == self.run.id and newest.state not in ("void", "skipped")
        return of_entry(newest, "success", told(newest)) if is_own else duplicate(newest)

    def _new(self, customer: int) -> Result:
        book, month = self.planning.book, self.run.month
        invoice, body = Invoice(customer, month, ()), b""

        def write() -> Intent | Sequence[Finding]:
            nonlocal invoice, body
            # Anew: rows may have come since the plan was made.
            invoice = self.planning.bills.of_customer(month, customer) or invoice
            body = self._body(invoice)
            is_known = invoice.exact == self.plan.exact[customer]
            if findings := (self.plan if is_known else self.planning.renewed(self.plan)).findings(invoice):
                return findings
            ref = self.plan.refs[customer]
            # Who has nothing to pay needs no partner.
            partner = self.plan.found.partners.get(customer)
            who = partner.id if partner else None
            return Intent(ref, customer, month, number_of(ref), invoice.total, invoice.exact, body.decode(), who)

        opened = book.open(self.lease, self.run.id, self.run.target, customer, write)
        if isinstance(opened, Entry):
            return advance(self.saga, opened)
        book.hold(self.lease, customer, month, "", opened)
        return results.held(customer, invoice.total, body, opened)

    def _body(self, invoice: Invoice) -> bytes:
        customer = invoice.customer
        return self.plan.bodies.write(invoice, self.plan.who[customer], self.plan.refs[customer], self.run.started_at)
