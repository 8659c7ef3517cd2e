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

from control_app.invoicing import results
from control_app.invoicing.accounting import Preflight
from control_app.invoicing.book import Target
from control_app.invoicing.lease import BusyError, Lease
from control_app.invoicing.orders import Order, billable_from, due
from control_app.invoicing.outcomes import advance
from control_app.invoicing.parallel import each
from control_app.invoicing.runs import Run, Runs
from control_app.spans import month_text
from control_app.sync import THOROUGH

Automatic = Literal["off", "draft", "send"]
NOBODY = 0
"""Our number of the customer who holds keys that nobody holds."""
TARGETS: dict[Automatic, Target] = {"off": "sent", "draft": "created", "send": "sent"}
log = structlog.stdlib.get_logger("control_app.invoicing")


@dataclass(frozen=True)
class Automation:
    """Runs by itself from the month *invoice_from* on, unless *automatic* is off. *tell*: of a run that ended."""

    runs: Runs
    automatic: Automatic
    invoice_from: int | None
    tell: Callable[[Run], None]

    def tick(self) -> None:
        """Do what is due now; raises the first failure, AccountingError where Odoo cannot be asked, after all else was done that can be."""
        failures: list[Exception] = []
        if not self.runs.planning.book.halted():
            for act in (*self._cut_off(), self.advance, self._start):
                try:
                    act()
                except Exception as error:  # noqa: BLE001 # raised below: it stops nothing else
                    failures.append(error)
        self._tell()
        if failures:
            raise failures[0]

    def advance(self) -> None:
        """Go on with invoices whose time has come: after an answer that did not come, an approval, an e-mail on its way."""
        book, preflight = self.runs.planning.book, None
        for month in sorted({entry.month for entry in book.pending(book.clock())}):
            with suppress(BusyError), self.runs.working(month) as lease:
                preflight = preflight or self.runs.planning.odoo.preflight()
                # With something wrong with Odoo's settings, the tax say, nothing goes on.
                if not preflight.problems:
                    self._advance(lease, preflight)

    def _advance(self, lease: Lease, preflight: Preflight) -> None:
        """What waits is read under the lease: before, another process may have been at it."""
        saga, book = self.runs.saga(lease, preflight), self.runs.planning.book
        waiting = {(entry.customer, entry.ref) for entry in book.pending(book.clock()) if entry.month == lease.month}

        def go_on(customer: int) -> None:
            # One after another: what one does may be what the next one waits for.
            for entry in book.unfinished(customer, lease.month):
                if (customer, entry.ref) in waiting:
                    result = advance(saga, entry)
                    if not entry.credit and entry.target != "void":
                        results.keep(book.db, lease, entry.run, result)

        each(sorted({customer for customer, _ in waiting}), go_on, self.runs.at_once, book.db.close)

    def _cut_off(self) -> Iterator[Callable[[], None]]:
        """Going on with each run that is not finished and whose time has come, the oldest first."""
        now = self.runs.planning.clock()
        for run in reversed(self.runs.all()):
            if run.finished_at is None and run.not_before <= now:
                yield partial(self._go_on, run.id)

    def _go_on(self, id: str) -> None:
        run = self.runs.find(id)
        assert run  # noqa: S101 (runs are never deleted)
        try:
            lease = self.runs.lease(run.month)
        except BusyError:
            return
        # Another process may have finished it before the lease was taken.
        run = self.runs.find(id)
        if run is None or run.finished_at is not None:
            with self.runs.planning.db.transaction() as db:
                lease.give_back(db)
            return
        log.info("run goes on", id=run.id, month=month_text(run.month))
        self.runs.carry_out(run, lease, is_asked_for=False)

    def _start(self) -> None:
        if self.automatic == "off" or self.invoice_from is None:
            return
        for month in self._due(self.invoice_from):
            try:
                run, lease = self.runs.start(Order(month, "none", "automatic", "automatic"), TARGETS[self.automatic])
            except BusyError:
                continue
            self.runs.carry_out(run, lease)

    def _due(self, invoice_from: int) -> Iterator[int]:
        """Months to bill now: the newest once, an earlier one where usage came that nobody was billed for."""
        planning = self.runs.planning
        months = due(planning.clock(), invoice_from)
        if not months or self._read_through() < billable_from(months[-1]):
            return
        automatic = [run for run in self.runs.all() if run.trigger == "automatic"]
        for month in months:
            # Once in each month's turn: on the 2nd, and after a downtime.
            is_done = any(run.month == month and run.started_at >= billable_from(months[-1]) for run in automatic)
            if not is_done and (month == months[-1] or self._is_open(month)):
                yield month

    def _is_open(self, month: int) -> bool:
        planning = self.runs.planning
        return bool(set(planning.bills.exact_totals(month)) - planning.book.closed(month) - {NOBODY})

    def _read_through(self) -> int:
        """Until when the gateway was read thoroughly: a month is billed after it was read once more as a whole (sync.py)."""
        query = "SELECT coalesce(max(until), 0) FROM progress WHERE source = ?"
        found: int = self.runs.planning.db.connection.execute(query, [THOROUGH]).fetchone()[0]
        return found

    def _tell(self) -> None:
        """One message a run, also where several processes would send it."""
        book = self.runs.planning.book
        for run in self.runs.all():
            if run.finished_at is not None and run.told_at is None and self._claim(run, book.clock()):
                try:
                    self.tell(run)
                except Exception as error:  # noqa: BLE001 # whatever it is: it is said again at the next turn
                    log.warning("the run could not be told of", id=run.id, error=f"{type(error).__name__}: {error}")
                    with book.db.transaction() as db:
                        db.execute("UPDATE runs SET told_at = NULL WHERE id = ?", [run.id])

    def _claim(self, run: Run, now: int) -> bool:
        with self.runs.planning.db.transaction() as db:
            return db.execute("UPDATE runs SET told_at = ? WHERE id = ? AND told_at IS NULL", [now, run.id]).rowcount == 1
